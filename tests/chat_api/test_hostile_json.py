"""Whatever comes as the body of a route: a 4xx in the envelope without an echo, or the right answer."""

import json
import os
import re
import socket
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4
from zlib import crc32

import httpx2
import pytest

from chat_api.main import create_app
from tests.chat_api.every_route import Having, Operation, fault_of, operations_of
from tests.chat_api.hostile import MARK, bodies_from, fields_from, forms_from
from tests.chat_api.replica import fresh_database, settings_for
from tests.model_server import ModelServer, say, serve
from tests.servers import Person

JSON: Final = {"Content-Type": "application/json"}
NEVER_RIGHT: Final = {
    "UTF-16",
    "UTF-16 without a mark",
    "UTF-32",
    "in UTF-16, as it says",
    "NUL before",
    "lists with ends",
    "a second one",
    *(f"{coding}, packed" for coding in ("gzip", "br", "deflate", "identity, gzip", "x")),
}
WORDS: Final = (
    *(
        "%00",
        f"a%00{MARK}",
        "%ff%fe",
        "%ed%a0%80",
        "%c0%af",
        "%F4%90%80%80",
        "%0d%0aX-A:1",
        "%25",
        "-1",
        "1e400",
    ),
    *("NaN", "9" * 500, MARK * 500, "..%2f..%2fetc", "%7B%7D", "%F0%9F%92%A9"),
)
# Who writes a tool is told which line of it is wrong.
QUOTES: Final = "unfit_custom_tool"
REFUSALS: Final = range(400, 500)
# With EVERY_ESCAPE all at each place; otherwise so many share what is read alike at all of them.
SHARE: Final = 1 if os.environ.get("EVERY_ESCAPE") else 5
# What comes as far as the code behind a field, and is refused there or not.
OF_THE_FIELD: Final = {
    "half a pair",
    "NUL, escaped",
    "a whole number of 64 bits and one more",
    "a long string",
    "a list",
    "a text to be run",
    "twice",
}
OF_THE_PLACE: Final = {f"a%00{MARK}", "9" * 500, "-1"}


def is_turn(*names: object) -> bool:
    return crc32(" ".join(map(str, names)).encode()) % SHARE == 0


class Door:
    """The routes that take a body, and somebody whom they listen to."""

    def __init__(self, operations: list[Operation], person: Person) -> None:
        self.everything = operations
        self.operations = [operation for operation in operations if operation.body is not None]
        self.person = person
        self.having = Having(person)
        self.faults: dict[str, str] = {}

    def knock(self, operation: Operation, what: str, content: Any, headers: dict[str, str]) -> None:
        path = operation.path
        for _, slot in (place for place in operation.places if place[0] == "path"):
            path = path.replace(f"{{{slot}}}", self.having.of(slot))
        response = self.person.http.request(
            operation.method, path, content=content, headers={"If-Match": '"1"', **headers}
        )
        self.look(response, f"{operation}, {what}", may_be_right=what not in NEVER_RIGHT)

    def look(self, response: httpx2.Response, what: str, *, may_be_right: bool = True) -> None:
        if response.status_code < 300 and may_be_right:
            return
        fault = fault_of(response, *REFUSALS)
        if fault is None and response.json()["error"]["code"] == QUOTES:
            return
        if fault is None and (MARK in response.text or "Traceback" in response.text):
            fault = f"an echo: {response.text[:400]}"
        if fault:
            self.faults[what] = fault


@pytest.fixture(scope="module")
def scene(
    postgres_url: str, template: str, shared_model: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Door]:
    folder: Path = tmp_path_factory.mktemp("data")
    shared_model.script = lambda _: say("Hello.")
    with fresh_database(postgres_url, template) as database_url:
        settings = settings_for(
            database_url, shared_model.url, data_dir=folder, custom_tools=True, registration="open"
        )
        app = create_app(settings)
        with serve(app) as base_url:
            person = Person(base_url, "somebody", roles=["admin"])
            with person.http:
                yield Door(operations_of(app), person)


@pytest.fixture
def door(scene: Door) -> Iterator[Door]:
    assert len(scene.operations) > 20
    scene.faults.clear()
    yield scene
    assert scene.faults == {}
    assert scene.person.say("Are you there?")["response"] == "Hello."


def test_what_is_no_json_or_no_object_is_refused(door: Door) -> None:
    for operation in door.operations:
        for what, body in bodies_from(operation.body or {}):
            if is_turn(operation, what):
                door.knock(operation, what, body, JSON)


def test_one_field_that_is_hostile_is_refused(door: Door) -> None:
    for operation in door.operations:
        if operation.path == operation.canonical:
            for what, body in fields_from(operation.body or {}, operation.fields):
                if what.partition(": ")[2] in OF_THE_FIELD or is_turn(operation, what):
                    door.knock(operation, what, body, JSON)


def test_a_body_that_comes_as_something_else_is_refused(door: Door) -> None:
    for operation in door.operations:
        for what, body, headers in forms_from(operation.body or {}):
            door.knock(operation, what, body, headers)


def test_a_body_in_pieces_is_refused_or_right(door: Door) -> None:
    for operation in door.operations:
        whole = json.dumps(operation.body).encode() + b"\xff"
        door.knock(operation, "in pieces", (whole[at : at + 1] for at in range(len(whole))), JSON)
        door.knock(operation, "in empty pieces", iter([b"", b"{", b"", b"}", b""]), JSON)


def test_a_hostile_query_or_path_is_refused_or_right(door: Door) -> None:
    for operation in door.everything:
        http, path = door.person.http, operation.path
        for value in WORDS:
            everywhere = value in OF_THE_PLACE
            for name in operation.queries if operation.method == "get" else ():
                if not everywhere and not is_turn(operation, name, value):
                    continue
                filled = re.sub(r"\{\w+\}", str(uuid4()), path)
                door.look(http.get(f"{filled}?{name}={value}"), f"{operation}, {name}={value[:20]}")
            for slot in operation.slots:
                if not everywhere and not is_turn(operation, slot, value):
                    continue
                filled = re.sub(r"\{\w+\}", str(uuid4()), path.replace(f"{{{slot}}}", value))
                door.look(http.request(operation.method, filled), f"{operation}, {slot} {value[:20]}")


@pytest.mark.parametrize(
    "length", ["5", "-1", "1e3", "0x10", "17, 18", "", "99999999999999999999", "1\r\nContent-Length: 2"]
)
def test_a_length_that_is_not_the_bodys_breaks_nothing(door: Door, length: str) -> None:
    address = urlsplit(str(door.person.http.base_url))
    token = door.person.http.headers["Authorization"]
    for operation in door.operations:
        path = operation.path.split("{")[0]
        head = f"{operation.method.upper()} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n"
        body = json.dumps({MARK: MARK})
        sent = f"{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        with socket.create_connection(("127.0.0.1", address.port or 0), timeout=10) as client:
            client.sendall(sent.encode())
            client.shutdown(socket.SHUT_WR)
            heard = all_of(client)
        if heard and heard.split(b" ", 2)[1] >= b"500":
            door.faults[str(operation)] = heard[:200].decode()
        if MARK.encode() in heard:
            door.faults[str(operation)] = "an echo"


def all_of(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def test_what_tells_what_was_sent_is_found(scene: Door) -> None:
    """Else the silence of the others would prove nothing."""
    echo = next(each for each in scene.operations if each.path == "/api/v1/agents")
    scene.knock(echo, "a name", json.dumps({**(echo.body or {}), MARK: 1}).encode(), JSON)
    assert [fault.split(":")[0] for fault in scene.faults.values()] == ["an echo"]
