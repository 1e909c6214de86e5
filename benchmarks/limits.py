"""What a limit costs a request: the same cheap GET at a server that counts and at one that does not.

Both serve from one database, and take turns at being asked, one request at a time. Medians of CPU time (user
and system, of the server's process) and of the time that the client waits are compared.
"""

import os
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Final

import httpx2
from rich.console import Console
from rich.table import Table

from benchmarks.servers import api_process, child, cpu_seconds, database, headers, settings

ROUNDS: Final = int(os.environ.get("ROUNDS", "9"))
REQUESTS: Final = 5 * int(os.environ.get("TURNS", "100"))
BUDGET: Final = 0.5
PATH: Final = "/api/v1/api-keys"


@dataclass(slots=True)
class Server:
    pid: int
    http: httpx2.Client

    def wait(self) -> float:
        """Seconds until an answer is there."""
        began = time.perf_counter()
        response = self.http.get(PATH)
        took = time.perf_counter() - began
        assert response.status_code == 200, response.text
        return took


def measure(servers: tuple[Server, Server]) -> list[tuple[float, float]]:
    """Milliseconds a request of each: of CPU, and until the answer is there."""
    before = [cpu_seconds(server.pid) for server in servers]
    # One request to each in turn: whatever else the machine does is then the same for both.
    waits = [[server.wait() for server in servers] for _ in range(REQUESTS)]
    spent = [cpu_seconds(server.pid) - start for server, start in zip(servers, before, strict=True)]
    medians = [statistics.median(each) for each in zip(*waits, strict=True)]
    return [(cpu / REQUESTS * 1000, wait * 1000) for cpu, wait in zip(spent, medians, strict=True)]


def compare(free: Server, limited: Server) -> bool:
    found = [measure((free, limited)) for _ in range(ROUNDS + 1)][1:]
    table = Table("a GET, ms", "without limits", "limited", "more", "budget")
    fits = True
    for column, name in enumerate(("CPU", "waiting")):
        plain, counted = ([each[server][column] for each in found] for server in (0, 1))
        more = [after - before for before, after in zip(plain, counted, strict=True)]
        medians = [f"{statistics.median(each):.2f}" for each in (plain, counted)]
        spread = f"{statistics.median(more):.2f} ({min(more):.2f} to {max(more):.2f})"
        table.add_row(name, *medians, spread, f"{BUDGET}")
        fits &= statistics.median(more) <= BUDGET
    Console(width=110).print(table)
    return fits


def main() -> None:
    nowhere = "http://127.0.0.1:9"
    print(f"{ROUNDS} rounds of {REQUESTS} requests, one at a time; medians")
    with (
        database() as url,
        child(api_process, settings(url, nowhere, rate_limit_enabled=False)) as (free, free_url, _),
        child(api_process, settings(url, nowhere)) as (limited, limited_url, _),
        httpx2.Client(base_url=free_url, headers=headers(), timeout=60) as first,
        httpx2.Client(base_url=limited_url, headers=headers(), timeout=60) as second,
    ):
        sys.exit(not compare(Server(free, first), Server(limited, second)))


if __name__ == "__main__":
    main()
