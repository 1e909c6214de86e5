"""What a million messages cost: latency of what people do most, against a database of ten thousand.

Both databases are on one server, each has an API of its own, and the two are asked in turn. Each person has
as much in the one as in the other: there are more people.
"""

import asyncio
import os
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import httpx2
import psycopg
from rich.console import Console
from rich.table import Table
from sqlalchemy import make_url

from benchmarks.seed import COMMON, RARE, Size, seed, subject_of
from benchmarks.servers import api_process, child, database, headers, model_process, settings

MESSAGES: Final = int(os.environ.get("MESSAGES", "1000000"))
FEWER: Final = int(os.environ.get("FEWER", "10000"))
ROUNDS: Final = int(os.environ.get("ROUNDS", "300"))
A_PERSONS: Final = 2000
A_CONVERSATIONS: Final = 50
WARM: Final = 20 if ROUNDS > 20 else 0
BUDGET: Final = 1.5


@dataclass(slots=True)
class Place:
    """An API on a database of a size; `people` are subjects, each with ids of their conversations."""

    http: httpx2.AsyncClient
    people: Sequence[tuple[str, Sequence[str]]]
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    async def time(self, what: "Operation") -> float:
        """Seconds of it, for anybody."""
        subject, conversations = self.chance.choice(self.people)
        given = headers(sub=subject)
        start = time.perf_counter()
        response = await what(self.http, subject, self.chance.choice(conversations), given)
        spent = time.perf_counter() - start
        assert response.status_code == 200, response.text
        return spent


Operation: TypeAlias = Callable[[httpx2.AsyncClient, str, str, dict[str, str]], Awaitable[httpx2.Response]]


def getting(path: str, **query: str) -> Operation:
    async def get(
        http: httpx2.AsyncClient, _: str, conversation: str, given: dict[str, str]
    ) -> httpx2.Response:
        return await http.get(path.format(conversation=conversation), params=query, headers=given)

    return get


def posting(*, anew: bool) -> Operation:
    async def post(
        http: httpx2.AsyncClient, subject: str, conversation: str, given: dict[str, str]
    ) -> httpx2.Response:
        body = {"message": "What is 2 + 2?"} | ({} if anew else {"conversation_id": conversation})
        return await http.post(f"/api/{subject}/chat", json=body, headers=given)

    return post


OPERATIONS: Final[dict[str, Operation]] = {
    "list conversations": getting("/api/v1/conversations"),
    "open a conversation": getting("/api/v1/conversations/{conversation}/messages"),
    f"search, a rare word ({RARE})": getting("/api/v1/conversations/search", q=RARE),
    f"search, a common word ({COMMON})": getting("/api/v1/conversations/search", q=COMMON),
    "take a turn": posting(anew=False),
    "take a turn, a new conversation": posting(anew=True),
    "list runs": getting("/api/v1/runs"),
    "list failed runs": getting("/api/v1/runs", status="failed"),
    "usage of 30 days": getting("/api/v1/usage"),
}


def size_of(messages: int) -> Size:
    """So many messages, of people who have the same."""
    users = max(1, messages // A_PERSONS)
    return Size(messages, users * A_PERSONS // A_CONVERSATIONS, users)


def filled(server: str, name: str, size: Size) -> str:
    """A new database on the server."""
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    url = make_url(server).set(database=name).render_as_string(hide_password=False)
    began = time.monotonic()
    seed(url, size)
    print(f"{size.conversations * size.each:,} messages in {time.monotonic() - began:.0f} s", flush=True)
    return url


def people_of(url: str, size: Size) -> list[tuple[str, list[str]]]:
    wanted = """
        SELECT users.subject, array_agg(conversations.id::text)
        FROM users JOIN conversations ON conversations.user_id = users.id GROUP BY users.subject
    """
    subjects = {subject_of(number) for number in range(size.users)}
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        return [(name, ids) for name, ids in connection.execute(wanted) if name in subjects]


async def compare(few: Place, many: Place) -> bool:
    names = [f"{messages:,} messages" for messages in (FEWER, MESSAGES)]
    table = Table("", *(f"{name}, {mark}" for name in names for mark in ("p50", "p95")), "ratios", "budget")
    fits = True
    for name, what in OPERATIONS.items():
        spent: dict[int, list[float]] = {0: [], 1: []}
        for number in range(WARM + ROUNDS):
            places = [(0, few), (1, many)]
            for which, place in places if number % 2 else places[::-1]:
                seconds = await place.time(what)
                if number >= WARM:
                    spent[which].append(seconds)
        marks = [[quantiles(found)[mark] for mark in (9, 18)] for found in spent.values()]
        ratios = [more / less for less, more in zip(*marks, strict=True)]
        fits &= max(ratios) <= BUDGET
        shown = [f"{1000 * mark:.1f} ms" for found in marks for mark in found]
        table.add_row(name, *shown, " ".join(f"{ratio:.2f}x" for ratio in ratios), f"{BUDGET}x")
    Console(width=130).print(table)
    return fits


def quantiles(found: list[float]) -> list[float]:
    return statistics.quantiles(found, n=20) if len(found) > 1 else found * 19


async def measure(places: Sequence[tuple[str, Sequence[tuple[str, Sequence[str]]]]]) -> bool:
    async with AsyncExitStack() as stack:
        few, many = [
            Place(await stack.enter_async_context(httpx2.AsyncClient(base_url=url, timeout=60)), people)
            for url, people in places
        ]
        return await compare(few, many)


def main() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(database())
        _, model_url, _ = stack.enter_context(child(model_process))
        places = list[tuple[str, Sequence[tuple[str, Sequence[str]]]]]()
        for messages in (FEWER, MESSAGES):
            size = size_of(messages)
            url = filled(server, f"turnlog_scale_{len(places)}", size)
            _, address, _ = stack.enter_context(child(api_process, settings(url, model_url)))
            places.append((address, people_of(url, size)))
        print(f"{ROUNDS} of each, for somebody else each time")
        sys.exit(not asyncio.run(measure(places)))


if __name__ == "__main__":
    main()
