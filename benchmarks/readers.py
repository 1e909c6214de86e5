"""Readers that cost nothing: stalled ones slow nobody down, idle ones hold no database connection.

A replica and a model server, each a process of its own. (a) Clients that open the stream of a run with a
big log and never read it, while others stream turns: the delay of their tokens with and without the stalled
ones, in rounds that alternate, and the memory of the replica. (b) Streams of runs in which nothing happens,
on a pool of 10 connections: what the database has open, and how fast a turn is answered meanwhile.
"""

import asyncio
import os
import re
import resource
import socket
import statistics
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx2
import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.servers import USER, api_process, child, database, headers, model_process, settings

ROUNDS: Final = int(os.environ.get("ROUNDS", "5"))
STALLED: Final = int(os.environ.get("STALLED", "500"))
LIVE: Final = int(os.environ.get("LIVE", "50"))
IDLE: Final = int(os.environ.get("IDLE", "1000"))
LOG_KILOBYTES: Final = 2048
PAUSE: Final = 0.05
IDLE_RUNS: Final = 10
POOL_AND_LISTENER: Final = 11
A_HEARTBEAT: Final = 20.0
MOST_SLOWER: Final = 1.2
MOST_MEMORY: Final = 50.0
_SENT = re.compile(rb'"content":"(\d+) "')


@dataclass(slots=True)
class Replica:
    pid: int
    url: str
    http: httpx2.AsyncClient

    @property
    def megabytes(self) -> float:
        """What of it is in memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    async def begin(self, message: str) -> str:
        """A turn that is left to itself; its run."""
        response = await self.http.post(
            f"/api/{USER}/chat", json={"message": message}, headers={"Prefer": "respond-async"}
        )
        return response.json()["data"]["run_id"]

    async def until_logged(self, run_id: str, size: int) -> None:
        """Wait until the run's stream is as long."""
        read = 0
        async with self.http.stream("GET", events(run_id), headers={"Accept": "text/event-stream"}) as answer:
            async for piece in answer.aiter_raw():
                read += len(piece)
                if read >= size:
                    return

    async def end(self, *run_ids: str) -> None:
        for run_id in run_ids:
            await self.http.post(f"/api/v1/runs/{run_id}/cancel")

    async def delays(self) -> list[float]:
        """Milliseconds from the model to the client, of each token of many turns at once."""
        found: list[float] = []

        async def follow() -> None:
            body = {"message": f"stream {PAUSE}", "stream": True}
            async with self.http.stream("POST", f"/api/{USER}/chat", json=body) as answer:
                async for piece in answer.aiter_raw():
                    now = time.monotonic_ns()
                    found.extend((now - int(sent)) / 1e6 for sent in _SENT.findall(piece))

        async with asyncio.TaskGroup() as group:
            for _ in range(LIVE):
                group.create_task(follow())
                # As people do not all begin at once.
                await asyncio.sleep(PAUSE / LIVE)
        return found


def events(run_id: str) -> str:
    return f"/api/v1/runs/{run_id}/events"


@asynccontextmanager
async def readers(replica: Replica, run_ids: list[str], number: int) -> AsyncGenerator[list[socket.socket]]:
    """Connections that have asked for the stream of a run, and take next to nothing of it."""
    address = urlsplit(replica.url)
    opened: list[socket.socket] = []
    loop = asyncio.get_running_loop()
    try:
        for count in range(number):
            reader = socket.socket()
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.settimeout(0)
            opened.append(reader)
            await loop.sock_connect(reader, (address.hostname, address.port))
            asked = {**headers(), "Host": address.netloc, "Accept": "text/event-stream"}
            head = "".join(f"{name}: {value}\r\n" for name, value in asked.items())
            path = events(run_ids[count % len(run_ids)])
            await loop.sock_sendall(reader, f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
            # Its answer has begun.
            assert (await loop.sock_recv(reader, 12)) == b"HTTP/1.1 200"
        yield opened
    finally:
        for reader in opened:
            reader.close()


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


async def compare_stalled(replica: Replica) -> bool:
    run_id = await replica.begin(f"flood {LOG_KILOBYTES}")
    await replica.until_logged(run_id, LOG_KILOBYTES * 1024)
    await replica.delays()
    before, most = replica.megabytes, 0.0
    alone: list[float] = []
    beside: list[float] = []
    for _ in range(ROUNDS):
        alone.append(p99(await replica.delays()))
        async with readers(replica, [run_id], STALLED):
            beside.append(p99(await replica.delays()))
            most = max(most, replica.megabytes)
    await replica.end(run_id)
    ratio = statistics.median(after / first for after, first in zip(beside, alone, strict=True))
    table = Table(f"{LIVE} live streams", "alone", f"beside {STALLED} stalled", "difference", "budget")
    table.add_row(
        "delay of a token, p99",
        f"{statistics.median(alone):.1f} ms",
        f"{statistics.median(beside):.1f} ms",
        f"{ratio:.2f}x",
        f"{MOST_SLOWER}x",
    )
    memory = [f"{before:.0f} MB", f"{most:.0f} MB", f"{most - before:+.0f} MB", f"+{MOST_MEMORY:.0f} MB"]
    table.add_row("memory", *memory)
    Console(width=110).print(table)
    return ratio <= MOST_SLOWER and most - before <= MOST_MEMORY


def connections(database_url: str) -> int:
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        found = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'turnlog'")
        row = found.fetchone()
    assert row is not None
    return int(row[0])


async def _beats(reader: socket.socket) -> bool:
    """Whether there is a heartbeat."""
    heard = b""
    async with asyncio.timeout(A_HEARTBEAT):
        while b"heartbeat" not in heard:
            piece = await asyncio.get_running_loop().sock_recv(reader, 4096)
            if not piece:
                return False
            heard = heard[-64:] + piece
    return True


async def compare_idle(replica: Replica, database_url: str) -> bool:
    run_ids = [await replica.begin("flood 0") for _ in range(IDLE_RUNS)]
    took: list[float] = []
    async with readers(replica, run_ids, IDLE) as opened:
        beating = asyncio.gather(*map(_beats, opened))
        for _ in range(50):
            start = time.monotonic()
            response = await replica.http.post(f"/api/{USER}/chat", json={"message": "Hello"})
            assert response.status_code == 200, response.text
            took.append((time.monotonic() - start) * 1000)
        there, alive = connections(database_url), (await beating).count(True)
    await replica.end(*run_ids)
    table = Table(f"{IDLE} idle streams", "measured", "budget")
    table.add_row("still open after a heartbeat", str(alive), str(IDLE))
    table.add_row("database connections of the replica", str(there), f"{POOL_AND_LISTENER}")
    table.add_row("a turn beside them, p50 and p99", f"{statistics.median(took):.0f}, {p99(took):.0f} ms", "")
    Console(width=110).print(table)
    return alive == IDLE and there <= POOL_AND_LISTENER


async def measure(pid: int, url: str, database_url: str) -> bool:
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(
        base_url=url, headers=headers(), timeout=60, limits=limits, trust_env=False
    ) as http:
        replica = Replica(pid, url, http)
        return all([await compare_stalled(replica), await compare_idle(replica, database_url)])


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with database() as database_url, child(model_process) as (_, model_url, _):
        given = settings(database_url, model_url, provider_timeout=600)
        with child(api_process, given) as (pid, url, _):
            sys.exit(not asyncio.run(measure(pid, url, database_url)))


if __name__ == "__main__":
    main()
