"""Asking every route of an application as people whom it must refuse, generated from its OpenAPI document."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import httpx2
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from tests.chat_api.belongings import BELONGINGS, NO_IDS, slots_of
from tests.servers import Person

__all__ = ["Having", "Operation", "fault_of", "operations_of", "others_of", "unknown_slots"]

_ADMINS_ONLY: Final = ("/api/v1/users", "/api/v1/tools/register", "/api/v1/tools/custom")
_VERBS: Final = ("get", "post", "put", "patch", "delete")
_JSON: Final = "application/json"
# What the document does not say of a slot.
_CONVERTER: Final = re.compile(r":\w+\}")


@dataclass(frozen=True, slots=True)
class Operation:
    """A verb at a path. `places` are the ids that it takes, each as where it goes and its name.

    `body` is a right one, `fields` and `queries` what it may have, `needs` the queries that it must have;
    `accepts` are the forms of its answer.
    """

    method: str
    path: str
    canonical: str
    slots: tuple[str, ...]
    places: tuple[tuple[str, str], ...]
    body: Mapping[str, Any] | None
    fields: tuple[str, ...]
    queries: tuple[str, ...]
    needs: Mapping[str, str]
    accepts: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def of_admins(self) -> bool:
        return self.canonical.startswith(_ADMINS_ONLY)

    def ask(
        self,
        http: httpx2.Client,
        things: Mapping[tuple[str, str], str],
        accept: str = _JSON,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Send it with these ids in its places, and a version that is the first one's."""
        path = self.path
        for slot in self.slots:
            path = path.replace(f"{{{slot}}}", things.get(("path", slot), NO_IDS.get(slot, "")))
        filled = {name: id_ for (where, name), id_ in things.items() if where == "body"}
        return http.request(
            self.method,
            path,
            params={
                **self.needs,
                **{name: id_ for (where, name), id_ in things.items() if where == "query"},
            },
            json=None if self.body is None else {**self.body, **filled},
            headers={"Accept": accept, "If-Match": '"1"', **(headers or {})},
        )


@dataclass(slots=True)
class Having:
    """What somebody has for the places of an operation; made when it is asked for."""

    person: Person
    kept: dict[str, str] = field(default_factory=dict[str, str])

    def of(self, name: str) -> str:
        if name not in self.kept:
            self.kept[name] = BELONGINGS[name](self.person)
        return self.kept[name]


def operations_of(app: FastAPI) -> list[Operation]:
    """All verbs at all paths of the document, and the same at those of its routes that it does not show."""
    document = app.openapi()
    shown: dict[str, Any] = document["paths"]
    found = [_operation(document, path, path, verb) for path, verb in _verbs(shown)]
    for path in _hidden(app):
        canonical = path.replace("/api/", "/api/v1/", 1)
        found += [_operation(document, path, canonical, verb) for _, verb in _verbs({path: shown[canonical]})]
    return found


def _verbs(paths: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    return ((path, verb) for path, verbs in paths.items() for verb in verbs if verb in _VERBS)


def _hidden(app: FastAPI) -> list[str]:
    contexts = [each for each in iter_route_contexts(app.routes) if hasattr(each, "response_model")]
    return sorted({_CONVERTER.sub("}", str(each.path)) for each in contexts if not each.include_in_schema})


def others_of(app: FastAPI) -> set[str]:
    """The paths at which there is something else than a route of FastAPI's."""
    contexts = [each for each in iter_route_contexts(app.routes) if not hasattr(each, "response_model")]
    return {str(each.path) for each in contexts}


def _operation(document: dict[str, Any], path: str, canonical: str, verb: str) -> Operation:
    described = document["paths"][canonical][verb]
    schema: dict[str, Any] | None = None
    if "requestBody" in described:
        reference: str = described["requestBody"]["content"][_JSON]["schema"]["$ref"]
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    places = [("path", slot) for slot in slots_of(path) if slot not in NO_IDS]
    queries = [each for each in described.get("parameters", []) if each["in"] == "query"]
    queried = [each["name"] for each in queries]
    places += [("query", name) for name in queried if name in BELONGINGS]
    places += [("body", name) for name in (schema or {}).get("properties", {}) if name in BELONGINGS]
    if ("path", "agent_id") in places:
        # The agent in the path is the one that counts.
        places = [each for each in places if each != ("body", "agent_id")]
    succeeds = next(answer for status, answer in described["responses"].items() if status.startswith("2"))
    return Operation(
        verb,
        path,
        canonical,
        tuple(slots_of(path)),
        tuple(places),
        None if schema is None else schema.get("examples", [{}])[0],
        tuple((schema or {}).get("properties", {})),
        tuple(queried),
        {each["name"]: each["schema"]["examples"][0] for each in queries if each["required"]},
        tuple(succeeds.get("content", {_JSON: {}})),
    )


def unknown_slots(operations: list[Operation]) -> list[str]:
    """What is to be done for slots that nobody has said anything about."""
    return [
        f"{operation} takes {slot}: say in tests/chat_api/belongings.py how to make one"
        for operation in operations
        for slot in operation.slots
        if slot not in BELONGINGS and slot not in NO_IDS
    ]


def fault_of(response: httpx2.Response, *statuses: int) -> str | None:
    """What is wrong with an answer that is to refuse with one of these."""
    if response.status_code not in statuses:
        return f"{response.status_code} in place of {' or '.join(map(str, statuses))}: {response.text[:200]}"
    if response.headers.get("Content-Type") != _JSON:
        return "no JSON"
    body = cast("dict[str, Any]", response.json())
    if body.keys() != {"success", "data", "message", "error"} or body["success"] is not False:
        return f"no envelope: {response.text[:200]}"
    if body["error"]["request_id"] != response.headers["X-Request-ID"] or not body["error"]["code"]:
        return "no code, or another request id"
    if response.status_code == 401 and not response.headers.get("WWW-Authenticate", "").startswith("Bearer"):
        return "no WWW-Authenticate"
    return None
