"""Taking conversations out and putting them in again."""

import json
from typing import Any

import httpx2

from tests.servers import Person

__all__ = ["LINES", "PATH", "erase", "export", "imported", "upload"]

PATH = "/api/v1/conversations"
LINES = {"Content-Type": "application/x-ndjson"}


def export(person: Person, id_: str, **query: Any) -> str:
    response = person.http.get(f"{PATH}/{id_}/export", params=query)
    assert response.status_code == 200, response.text
    return response.text


def upload(person: Person, body: Any, headers: dict[str, str] | None = None) -> httpx2.Response:
    content = body if isinstance(body, str) else json.dumps(body)
    return person.http.post(
        f"{PATH}/import", content=content, headers=headers or {"Content-Type": "application/json"}
    )


def imported(person: Person, body: Any) -> dict[str, Any]:
    response = upload(person, body)
    assert response.status_code == 200, response.text
    [one] = response.json()["imported"]
    assert response.json()["errors"] == []
    return one


def erase(person: Person, id_: str) -> None:
    assert person.http.delete(f"{PATH}/{id_}", params={"hard_delete": True}).status_code == 200
