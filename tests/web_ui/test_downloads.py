"""Files that the page passes on."""

from collections.abc import Generator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.servers import Person


@pytest.fixture
def visit(web: str) -> Generator[httpx2.Client]:
    """The local user, signed in."""
    with httpx2.Client(base_url=web, trust_env=False) as visit:
        signed_in = visit.post("/local", headers={"Origin": web})
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
        yield visit


def kept(person: Person, title: str) -> str:
    said = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi."}]
    body: dict[str, Any] = {"title": title, "messages": said}
    answer = person.http.post("/api/v1/conversations/import", json=body)
    assert answer.is_success
    found = person.http.get("/api/v1/conversations", params={"limit": 1}).json()["conversations"]
    return str(found[0]["conversation_id"])


def test_a_conversation_is_passed_on_as_the_api_has_it(visit: httpx2.Client, api: str) -> None:
    with (person := Person(api, "local")).http as http:
        id_ = kept(person, "Of tigers")
        for query in ({"format": "markdown", "leaf": "newest"}, {"format": "json", "leaf": "all"}):
            told = http.get(f"/api/v1/conversations/{id_}/export", params=query)
            passed = visit.get(f"/conversations/{id_}/export", params=query)
            assert (passed.status_code, passed.headers["cache-control"]) == (200, "no-store")
            assert (passed.headers["content-type"], passed.headers["content-disposition"]) == (
                told.headers["content-type"],
                told.headers["content-disposition"],
            )
            assert "Hello" in passed.text
            if query["format"] == "markdown":
                assert passed.content == told.content
                assert "of-tigers.md" in passed.headers["content-disposition"]
            # Of unknown length: it is sent before it is whole.
            assert "content-length" not in passed.headers


def test_nobody_gets_what_is_not_theirs(visit: httpx2.Client, web: str, api: str) -> None:
    with (other := Person(api, "ozzy")).http:
        theirs = kept(other, "Private")
    for id_ in (theirs, str(uuid4())):
        refused = visit.get(f"/conversations/{id_}/export")
        assert (refused.status_code, refused.headers["content-type"]) == (404, "text/plain; charset=utf-8")
        assert "Private" not in refused.text
    nowhere = httpx2.get(f"{web}/conversations/{theirs}/export", trust_env=False)
    assert (nowhere.status_code, nowhere.headers["location"]) == (303, "/signin")
