"""Conversations by the agent that they are with, under the name of threads."""

from typing import Any
from uuid import uuid4

import pytest

from tests.chat_api.conftest import MakePerson
from tests.servers import Person


def agent(person: Person) -> str:
    body = {"name": "Librarian", "system_prompt": "You know every book."}
    return person.http.post("/api/v1/agents", json=body).json()["agent_id"]


def said(person: Person, agent_id: str, message: str, **more: Any) -> str:
    body = {"message": message, "stream": False, **more}
    response = person.http.post(f"/api/agents/{agent_id}/chat", json=body)
    assert response.status_code == 200, response.text
    return response.json()["data"]["conversation_id"]


@pytest.mark.parametrize("prefix", ["/api", "/api/v1"])
def test_an_agent_has_the_threads_that_are_with_it(alice: Person, prefix: str) -> None:
    librarian = agent(alice)
    first, second = (said(alice, librarian, f"Book {number}") for number in range(2))
    assert said(alice, librarian, "Another", thread_id=first) == first
    other = said(alice, "default", "Hello")

    def threads(of: str, **query: Any) -> dict[str, Any]:
        response = alice.http.get(f"{prefix}/agents/{of}/threads", params=query)
        assert response.status_code == 200, response.text
        return response.json()

    page = threads(librarian, limit=1)
    assert (page["total"], page["limit"], page["offset"]) == (2, 1, 0)
    assert [thread["thread_id"] for thread in page["threads"]] == [first]
    assert [thread["thread_id"] for thread in threads(librarian, offset=1)["threads"]] == [second]
    assert [thread["thread_id"] for thread in threads("default")["threads"]] == [other]
    thread = alice.http.get(f"{prefix}/agents/{librarian}/threads/{first}").json()
    assert (thread["thread_id"], thread["title"], thread["next_cursor"]) == (first, "Book 0", None)
    assert [message["content"] for message in thread["messages"]] == ["Book 0", "Hello.", "Another", "Hello."]
    for path in (
        f"{librarian}/threads/{other}",
        f"default/threads/{first}",
        f"{librarian}/threads/{uuid4()}",
    ):
        assert alice.http.get(f"{prefix}/agents/{path}").status_code == 404


def test_a_thread_is_deleted_softly_or_for_good(alice: Person) -> None:
    librarian = agent(alice)
    path = f"/api/agents/{librarian}/threads"
    soft, hard = (said(alice, librarian, "Book") for _ in range(2))
    for thread, query in ((soft, {}), (hard, {"hard_delete": True})):
        response = alice.http.delete(f"{path}/{thread}", params=query)
        assert (response.status_code, response.json()["message"]) == (200, "Thread deleted successfully")
        assert alice.http.delete(f"{path}/{thread}").status_code == 404
    assert alice.http.get(path).json()["total"] == 0
    assert alice.http.get(path, params={"status": "deleted"}).json()["total"] == 1
    assert alice.http.post(f"/api/v1/conversations/{soft}/restore").status_code == 200
    assert alice.http.post(f"/api/v1/conversations/{hard}/restore").status_code == 404


def test_threads_are_ones_own(alice: Person, person: MakePerson) -> None:
    librarian = agent(alice)
    thread = said(alice, librarian, "Secret")
    bob = person()
    own = agent(bob)
    assert bob.http.get(f"/api/agents/{librarian}/threads").status_code == 404
    for path in (f"{librarian}/threads/{thread}", f"{own}/threads/{thread}", f"default/threads/{thread}"):
        assert bob.http.get(f"/api/agents/{path}").status_code == 404
        assert bob.http.delete(f"/api/agents/{path}").status_code == 404
    assert alice.http.get(f"/api/agents/{librarian}/threads/{thread}").status_code == 200
