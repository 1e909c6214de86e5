"""Agents in lists: found, sorted, in pages."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.chat_api.accounts import code_of
from tests.chat_api.deciding import agent
from tests.servers import Person

AGENTS = "/api/v1/agents"
SORTS = ("name", "-name", "created_at", "-updated_at")


def listed(person: Person, **query: Any) -> list[str]:
    page = person.http.get(AGENTS, params={"shared": False, **query})
    assert page.status_code == 200, page.text
    return [found["name"] for found in page.json()["agents"]]


def pages(person: Person, **query: Any) -> Iterator[list[str]]:
    """The ids, page after page."""
    cursor: dict[str, str] = {}
    while True:
        page = person.http.get(AGENTS, params={**query, **cursor}).json()
        yield [found["agent_id"] for found in page["agents"]]
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


def test_agents_are_found_by_status_and_by_words(alice: Person) -> None:
    agent(alice, name="Tax 100%", description="Knows every form")
    agent(alice, name="Cook", description="Knows what is 100 years old")
    old = agent(alice, name="Pirate")
    alice.http.patch(f"{AGENTS}/{old}", json={"status": "archived"})
    assert listed(alice, search="KNOWS") == ["Cook", "Tax 100%"]
    assert listed(alice, search="100%") == ["Tax 100%"]
    assert listed(alice, search="c_o") == []
    assert listed(alice, status="archived") == ["Pirate"]
    assert listed(alice, status="active", search="pirate") == []
    found = alice.http.get(AGENTS, params={"status": "active", "shared": False, "limit": 1}).json()
    assert (found["total"], len(found["agents"])) == (2, 1)


def test_agents_are_sorted(alice: Person) -> None:
    made = {name: agent(alice, name=name) for name in ("beta", "Alpha", "Gamma")}
    alice.http.patch(f"{AGENTS}/{made['beta']}", json={"description": "Changed last"})
    assert listed(alice, sort="name") == ["Alpha", "beta", "Gamma"]
    assert listed(alice, sort="-name") == ["Gamma", "beta", "Alpha"]
    assert listed(alice, sort="created_at") == ["beta", "Alpha", "Gamma"]
    assert listed(alice) == ["Gamma", "Alpha", "beta"]
    assert listed(alice, sort="-updated_at") == ["beta", "Gamma", "Alpha"]


@pytest.mark.parametrize("sort", SORTS)
def test_pages_have_each_agent_once_while_others_are_made(alice: Person, sort: str) -> None:
    before = {agent(alice, name=f"Same {number % 2}") for number in range(4)}
    seen: list[str] = []
    for page in pages(alice, sort=sort, limit=2):
        seen += page
        agent(alice, name=f"Same {len(seen) % 3}")
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


def test_a_cursor_is_one_of_its_own_list(alice: Person) -> None:
    for number in range(3):
        agent(alice, name=f"Number {number}")
    cursor = alice.http.get(AGENTS, params={"limit": 1}).json()["next_cursor"]
    assert alice.http.get(AGENTS, params={"limit": 1, "cursor": cursor}).status_code == 200
    for query in (
        {"cursor": cursor, "sort": "name"},
        {"cursor": cursor[:-4]},
        {"cursor": str(uuid4())},
        {"cursor": "eyJzb3J0IjogIm5hbWUifQ"},
    ):
        assert code_of(alice.http.get(AGENTS, params=query)) == (422, "invalid_cursor")


@pytest.mark.parametrize("query", [{"status": "asleep"}, {"sort": "mood"}, {"search": "\x00"}])
def test_what_cannot_be_asked_for_is_refused(alice: Person, query: dict[str, str]) -> None:
    assert code_of(alice.http.get(AGENTS, params=query)) == (422, "invalid_request")
