"""Conversations of one's own, over HTTP."""

from collections.abc import Callable, Iterator
from typing import Any

from tests.servers import Person

__all__ = ["PATH", "ids_of", "listed", "made", "one", "pages"]

PATH = "/api/v1/conversations"


def listed(person: Person, **query: Any) -> list[dict[str, Any]]:
    response = person.http.get(PATH, params=query)
    assert response.status_code == 200, response.text
    return response.json()["conversations"]


def ids_of(person: Person, **query: Any) -> list[str]:
    return [each["conversation_id"] for each in listed(person, **query)]


def pages(person: Person, between: Callable[[], object] = lambda: None, **query: Any) -> Iterator[list[str]]:
    cursor: dict[str, str] = {}
    while True:
        page = person.http.get(PATH, params=query | cursor).json()
        yield [each["conversation_id"] for each in page["conversations"]]
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}
        between()


def made(person: Person, **body: Any) -> dict[str, Any]:
    response = person.http.post(PATH, json=body)
    assert response.status_code == 201, response.text
    return response.json()


def one(person: Person, id_: str) -> dict[str, Any]:
    response = person.http.get(f"{PATH}/{id_}")
    assert response.status_code == 200, response.text
    return response.json()
