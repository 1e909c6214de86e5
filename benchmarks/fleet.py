"""Two replicas on one database: how soon a token reaches readers on each, and turns a second of one or both.

A token carries the time at which the provider sent it, by the monotonic clock that all processes share.
"""

import asyncio
import os
import re
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import Final

import httpx2
from rich.console import Console
from rich.table import Table

from benchmarks.servers import (
    TOKENS,
    USER,
    api_process,
    child,
    cpu_seconds,
    database,
    headers,
    model_process,
    settings,
)

RUNS: Final = int(os.environ.get("RUNS", "50"))
PAUSE: Final = float(os.environ.get("PAUSE", "0.05"))
TURNS: Final = int(os.environ.get("TURNS", "600"))
ROUNDS: Final = int(os.environ.get("ROUNDS", "5"))
AT_ONCE: Final = 16
BUDGETS_MS: Final = {"the run's own replica": 5.0, "another replica": 80.0}
TEXT: Final = re.compile(rb'"content":"([\d ]+)"')


async def read(http: httpx2.AsyncClient, run_id: str, ages: list[float]) -> None:
    """Follow a run; add the age of each token at its arrival, in milliseconds."""
    path, rest, count = f"/api/v1/runs/{run_id}/events", b"", 0
    async with http.stream("GET", path, headers={"Accept": "text/event-stream"}) as response:
        async for chunk in response.aiter_raw():
            at = time.monotonic_ns()
            frames, end, rest = (rest + chunk).rpartition(b"\n\n")
            stamps = b"".join(TEXT.findall(frames + end)).split()
            ages += [(at - int(stamp)) / 1e6 for stamp in stamps]
            count += len(stamps)
    assert count == TOKENS, count


async def latency(replicas: Sequence[httpx2.AsyncClient]) -> bool:
    """Runs that stream on the first replica, each with a reader on every one."""
    body, prefer = {"message": f"stream {PAUSE}"}, {"Prefer": "respond-async"}
    ages = [list[float]() for _ in replicas]

    async def run(number: int) -> None:
        # Not all at the same moment, which would have all their tokens come at once.
        await asyncio.sleep(number / RUNS)
        taken = await replicas[0].post(f"/api/{USER}/chat", json=body, headers=prefer)
        run_id = taken.json()["data"]["run_id"]
        await asyncio.gather(*(read(http, run_id, found) for http, found in zip(replicas, ages, strict=True)))

    await asyncio.gather(*(run(number) for number in range(RUNS)))
    table = Table(f"a token of {RUNS} runs reaches a reader on", "p50", "p95", "p99", "budget (p50)")
    fits = True
    for (name, budget), found in zip(BUDGETS_MS.items(), ages, strict=True):
        marks = statistics.quantiles(found, n=100)
        table.add_row(name, *(f"{marks[mark - 1]:.1f} ms" for mark in (50, 95, 99)), f"{budget:.0f} ms")
        fits &= marks[49] <= budget
    Console(width=110).print(table)
    return fits


async def turns_a_second(replicas: Sequence[httpx2.AsyncClient]) -> float:
    left = iter(range(TURNS))

    async def client(number: int) -> None:
        http = replicas[number % len(replicas)]
        for _ in left:
            response = await http.post(f"/api/{USER}/chat", json={"message": "What is 2 + 2?"})
            assert response.status_code == 200, response.text

    start = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(AT_ONCE)))
    return TURNS / (time.perf_counter() - start)


async def throughput(replicas: Sequence[httpx2.AsyncClient], pids: Sequence[int]) -> None:
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(ROUNDS):
        for count, found in rates.items():
            found.append(await turns_a_second(replicas[:count]))
    table = Table("replicas", "turns a second", "of one replica's")
    for count, found in rates.items():
        share = statistics.median(a / b for a, b in zip(found, rates[1], strict=True))
        table.add_row(str(count), f"{statistics.median(found):.0f}", f"{share:.2f}x")
    Console(width=110).print(table)
    spent = ", ".join(f"{cpu_seconds(pid):.0f} s" for pid in pids)
    print(
        f"{os.cpu_count()} cores, which the replicas share with Postgres, the model server and this client;"
    )
    print(f"CPU of the replicas over all: {spent}")


async def measure(urls: Sequence[str], pids: Sequence[int]) -> bool:
    limits = httpx2.Limits(max_connections=None)
    async with AsyncExitStack() as stack:
        replicas = [
            await stack.enter_async_context(
                httpx2.AsyncClient(base_url=url, headers=headers(), timeout=120, limits=limits)
            )
            for url in urls
        ]
        await asyncio.gather(*(turns_a_second([http]) for http in replicas))
        fits = await latency(replicas)
        await throughput(replicas, pids)
    return fits


def main() -> None:
    with ExitStack() as stack:
        database_url = stack.enter_context(database())
        _, model_url, _ = stack.enter_context(child(model_process))
        given = settings(database_url, model_url)
        replicas = [stack.enter_context(child(api_process, given)) for _ in BUDGETS_MS]
        urls, pids = [url for _, url, _ in replicas], [pid for pid, _, _ in replicas]
        sys.exit(not asyncio.run(measure(urls, pids)))


if __name__ == "__main__":
    main()
