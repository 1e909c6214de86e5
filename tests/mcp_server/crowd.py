"""Many people who call the tool server at once, each with marks that nobody else may see."""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

from mcp import Client

from tests.mcp_server.raw_http import NEW, OLD, headers_of, request
from tests.servers import mcp_token

__all__ = ["Asked", "Somebody", "ask", "crowd", "dealt", "over_connection", "unlike"]

_MARK: Final = re.compile(r"mark-[0-9a-f]{32}")
_CODE: Final = "[todo['title'] for todo in list_todos()['todos']], read_file('mine.txt')"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of somebody's. `shows`: its answer has their mark, and no other."""

    of: "Somebody"
    method: str
    params: dict[str, Any]
    shows: bool = True

    def is_crossed(self, answer: str) -> bool:
        """Whether the answer is somebody else's, or not this person's."""
        marks = set(_MARK.findall(answer))
        return marks != {self.of.mark} if self.shows else not marks <= {self.of.mark}

    def raw(self) -> bytes:
        message = request(self.of.era, self.method, **self.params)
        body = json.dumps(message).encode()
        told = headers_of(self.of.era, message) | {
            "Host": "127.0.0.1",
            "Authorization": f"Bearer {self.of.token}",
            "Content-Length": str(len(body)),
        }
        lines = ["POST /mcp HTTP/1.1", *(f"{name}: {value}" for name, value in told.items()), "", ""]
        return "\r\n".join(lines).encode() + body


@dataclass(frozen=True)
class Somebody:
    name: str
    mark: str
    era: str

    @cached_property
    def token(self) -> str:
        return mcp_token(self.name)

    def _tool(self, tool: str, *, shows: bool = True, **arguments: Any) -> Asked:
        return Asked(self, "tools/call", {"name": tool, "arguments": arguments}, shows)

    def seeds(self) -> Iterator[Asked]:
        """What makes the mark: in a todo and in a file, whose names are the same for everybody."""
        yield self._tool("add_todo", title=f"first {self.mark}")
        yield self._tool("write_file", shows=False, path="mine.txt", content=self.mark)

    def asks(self) -> Iterator[Asked]:
        """Twenty requests."""
        for _ in range(4):
            yield self._tool("read_file", path="mine.txt")
            yield self._tool("search_files", query="mark-")
            yield self._tool("list_todos")
        for number in range(2):
            yield self._tool("add_todo", title=f"{number} {self.mark}")
            yield self._tool("write_file", shows=False, path="mine.txt", content=self.mark)
        yield Asked(self, "resources/read", {"uri": "file:///mine.txt"})
        yield Asked(self, "resources/read", {"uri": "todo://open"})
        yield Asked(self, "prompts/get", {"name": "review_todos"})
        yield self._tool("run_python", code=_CODE)


def crowd(size: int) -> list[Somebody]:
    """So many people, half of them in each protocol era."""
    return [
        Somebody(f"one-of-many-{uuid4().hex}", f"mark-{uuid4().hex}", (OLD, NEW)[number % 2])
        for number in range(size)
    ]


def dealt(people: Iterable[Somebody], connections: int) -> list[list[Asked]]:
    """All that they ask, shuffled, over so many connections: none of which is anybody's own."""
    asked = [asked for one in people for asked in one.asks()]
    Random(1).shuffle(asked)
    return [asked[first::connections] for first in range(connections)]


async def over_connection(origin: str, asked: Sequence[Asked]) -> list[str]:
    """The answers to requests that are all sent over one TCP connection before the first answer is read."""
    address = urlsplit(origin)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    sending = asyncio.ensure_future(_send(writer, asked))
    answers = [await _answer(reader) for _ in asked]
    await sending
    writer.close()
    await writer.wait_closed()
    return answers


async def _send(writer: asyncio.StreamWriter, asked: Sequence[Asked]) -> None:
    for one in asked:
        writer.write(one.raw())
    await writer.drain()


async def _answer(reader: asyncio.StreamReader) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert head.startswith("HTTP/1.1 200 "), head
    length = re.search(r"(?i)content-length: (\d+)", head)
    if length:
        return (await reader.readexactly(int(length[1]))).decode()
    parts: list[bytes] = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(parts).decode()


async def ask(client: Client, asked: Asked) -> str:
    """The same by the official client."""
    params = asked.params
    match asked.method:
        case "tools/call":
            answer: Any = await client.call_tool(params["name"], params["arguments"])
            assert not answer.is_error, answer
        case "resources/read":
            answer = await client.read_resource(params["uri"])
        case _:
            answer = await client.get_prompt(params["name"])
    return answer.model_dump_json()


def unlike(asked: Iterable[Asked], answers: Iterable[str]) -> int:
    """How many answers show what is somebody else's, or not what is the asker's own."""
    return sum(one.is_crossed(answer) for one, answer in zip(asked, answers, strict=True))
