"""A client of the WebSocket."""

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeAlias, cast

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.connection import Connection
from websockets.typing import Origin

from tests.servers import Person

__all__ = ["PATH", "Frame", "Talk", "address", "closing", "talking", "text_of", "token_of"]

Frame: TypeAlias = dict[str, Any]

PATH = "/api/v1/ws"
_PATIENCE = 10.0
_LAST = ("done", "error")


class Talk:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def say(self, type_: str, **fields: Any) -> None:
        self.connection.send(json.dumps({"type": type_, **fields}))

    def hear(self) -> Frame:
        return cast("Frame", json.loads(self.connection.recv(_PATIENCE)))

    def until(self, wanted: Callable[[Frame], object]) -> list[Frame]:
        """All frames up to the first that is `wanted`."""
        heard = [self.hear()]
        while not wanted(heard[-1]):
            heard.append(self.hear())
        return heard

    def ask(self, type_: str, **fields: Any) -> Frame:
        """What is replied to a message."""
        self.say(type_, id="asked", **fields)
        return self.until(lambda frame: frame.get("id") == "asked")[-1]

    def to_the_end(self, run_id: str) -> list[Frame]:
        """The frames of a run, up to its last."""
        heard = self.until(lambda frame: frame.get("run_id") == run_id and frame["type"] in _LAST)
        return [frame for frame in heard if frame.get("run_id") == run_id and "seq" in frame]


def closing(talk: Talk) -> tuple[int | None, list[Frame]]:
    """The code with which the server closes the connection, if it gives one, and what it says before."""
    heard: list[Frame] = []
    try:
        while True:
            heard.append(talk.hear())
    except ConnectionClosed as closed:
        return (None if closed.rcvd is None else closed.rcvd.code), heard


def text_of(frames: list[Frame]) -> str:
    return "".join(frame["content"] for frame in frames if frame["type"] == "token")


def address(base_url: str, path: str = PATH) -> str:
    return base_url.replace("http", "ws", 1) + path


def token_of(person: Person) -> str:
    return person.http.headers["Authorization"].removeprefix("Bearer ")


@contextmanager
def talking(
    person: Person, base_url: str | None = None, *, origin: str | None = None, path: str = PATH
) -> Generator[Talk]:
    """A connection of the person's, at their replica or at the one named."""
    url = address(base_url or str(person.http.base_url).rstrip("/"), path)
    named = None if origin is None else Origin(origin)
    with connect(url, origin=named, proxy=None, compression=None) as connection:
        talk = Talk(connection)
        talk.say("auth", token=token_of(person))
        yield talk
