"""CPU of a tool call over HTTP: the tool server against a bare Starlette route, in one run.

Three servers beside this one: the tool server without tokens, the tool server with them, and a route that
parses the same request and answers the same JSON. Rounds of all three alternate, on a connection each that
is kept open; medians of CPU time a call are compared. Then calls in memory, as the chat API makes them,
against the tool's function alone. MEMORY_CALLS calls of one server tell whether its memory stays flat.
"""

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
from rich.console import Console
from rich.table import Table
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.servers import SECRET, USER, child, cpu_seconds, database, headers, serve

ROUNDS: Final = int(os.environ.get("ROUNDS", "9"))
CALLS: Final = int(os.environ.get("CALLS", "500"))
MEMORY_CALLS: Final = int(os.environ.get("MEMORY_CALLS", "0"))
BUDGETS: Final = {"no token": 7.0, "JWT": 9.0}
BUDGET_IN_MEMORY: Final = 0.5
MOST_GROWTH: Final = 5.0
_WARM: Final = 0.1
_SAMPLES: Final = 20
_VERSION: Final = "2026-07-28"
_CALL: Final[dict[str, Any]] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {
        "name": "calculator",
        "arguments": {"expression": "2 + 2"},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": _VERSION,
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    },
}
_HEADERS: Final = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": _VERSION,
    "Mcp-Method": "tools/call",
    "Mcp-Name": "calculator",
}
_BODY: Final = json.dumps(_CALL).encode()


def bare_process(pipe: Any, result: dict[str, Any]) -> None:
    async def answer(request: Request) -> Response:
        asked = await request.json()
        return JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "result": result})

    serve(Starlette(routes=[Route("/mcp", answer, methods=["POST"])]), pipe)


@contextmanager
def tool_server(given: dict[str, Any], *options: str) -> Generator[tuple[int, str]]:
    """The program itself, on a port of its own; its process and its address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
    environment = {name.upper(): str(value) for name, value in given.items()}
    program = Path(sys.executable).parent / "turnlog-mcp"
    with subprocess.Popen(
        [program, "--http", "--port", port, *options],
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        try:
            # It says where it is once it is about to listen.
            said = process.stderr.readline()
            assert "MCP server" in said, said
            yield process.pid, f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def memory_process(pipe: Any, given: dict[str, Any]) -> None:
    """Sends CPU milliseconds of a call in memory, and of the tool's function alone."""
    pipe.send(asyncio.run(_in_memory(given)))


async def _in_memory(given: dict[str, Any]) -> tuple[float, float]:
    from chat_api.auth.service import Delegation  # noqa: PLC0415
    from chat_api.tools.connections import Asking, connect_in_process  # noqa: PLC0415
    from kit.access import open_access  # noqa: PLC0415
    from kit.postgres import open_db  # noqa: PLC0415
    from kit.tokens import Identity  # noqa: PLC0415
    from mcp_server.server import create_server  # noqa: PLC0415
    from mcp_server.settings import McpSettings  # noqa: PLC0415
    from mcp_server.setup import deps_from, verifier_from  # noqa: PLC0415
    from mcp_server.tools.calculator import calculator  # noqa: PLC0415

    settings = McpSettings(**given)
    async with open_db(given["database_url"]) as db:
        access = await open_access(settings, db)
        verifier = verifier_from(settings, access)
        server = create_server(deps_from(settings, db, local=False))
        asking = Asking(Delegation(access.keys, settings.mcp_audience).token(Identity("turnlog", USER, {})))
        spent = list[tuple[float, float]]()
        async with connect_in_process(server, verifier.verify_token) as connection:
            for _ in range(ROUNDS + 1):
                start = time.process_time()
                for _ in range(CALLS):
                    async with connection.acting_as(asking):
                        client = await connection.line.client()
                        await client.call_tool("calculator", {"expression": "2 + 2"})
                called = time.process_time()
                for _ in range(CALLS):
                    await calculator("2 + 2")
                spent.append((called - start, time.process_time() - called))
    calls, alone = zip(*spent[1:], strict=True)
    return statistics.median(calls) / CALLS * 1000, statistics.median(alone) / CALLS * 1000


async def call(http: httpx2.AsyncClient, times: int) -> None:
    for _ in range(times):
        response = await http.post("/mcp", content=_BODY)
        assert response.status_code == 200, response.text
        assert b'"4"' in response.content, response.text


async def compare(servers: dict[str, tuple[int, httpx2.AsyncClient]]) -> tuple[Table, bool]:
    spent: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(ROUNDS + 1):
        for name, (pid, http) in servers.items():
            start = cpu_seconds(pid)
            await call(http, CALLS)
            spent[name].append((cpu_seconds(pid) - start) / CALLS * 1000)
    table, fits = Table("a call of calculator", "CPU", "of the bare route", "budget"), True
    for name, found in spent.items():
        ratios = [ours / bare for ours, bare in zip(found[1:], spent["bare route"][1:], strict=True)]
        budget = BUDGETS.get(name)
        told = f"{statistics.median(ratios):.1f}x ({min(ratios):.1f} to {max(ratios):.1f})"
        table.add_row(name, f"{statistics.median(found[1:]):.2f} ms", told, f"{budget}x" if budget else "")
        fits &= budget is None or statistics.median(ratios) <= budget
    return table, fits


async def grow(pid: int, http: httpx2.AsyncClient) -> float:
    """Megabytes that the server has grown by over MEMORY_CALLS calls, after the first tenth of them."""
    await call(http, int(MEMORY_CALLS * _WARM))
    before = megabytes(pid)
    for _ in range(_SAMPLES):
        await call(http, int(MEMORY_CALLS * (1 - _WARM) / _SAMPLES))
        print(f"{megabytes(pid):.1f} MB", flush=True)
    return megabytes(pid) - before


def megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def measure(pids: dict[str, tuple[int, str]], in_memory: tuple[float, float]) -> bool:
    async with AsyncExitStack() as stack:
        servers: dict[str, tuple[int, httpx2.AsyncClient]] = {}
        for name, (pid, url) in pids.items():
            sent = _HEADERS | headers(aud="turnlog-mcp", scope="tools:read")
            client = httpx2.AsyncClient(base_url=url, headers=sent, timeout=60, trust_env=False)
            servers[name] = pid, await stack.enter_async_context(client)
        if MEMORY_CALLS:
            grown = await grow(*servers["JWT"])
            print(f"{MEMORY_CALLS} calls: {grown:+.1f} MB (budget {MOST_GROWTH:.0f} MB)")
            return grown <= MOST_GROWTH
        print(f"{ROUNDS} rounds of {CALLS} calls, one at a time; CPU time a call, medians")
        table, fits = await compare(servers)
    called, alone = in_memory
    table.add_row("in memory", f"{called:.2f} ms", f"+{called - alone:.2f} ms", f"+{BUDGET_IN_MEMORY} ms")
    Console(width=100).print(table)
    return fits and called - alone <= BUDGET_IN_MEMORY


def result_of(url: str) -> dict[str, Any]:
    """What the tool server answers, for the bare route to answer too."""
    transport = httpx2.HTTPTransport(retries=10)
    with httpx2.Client(headers=_HEADERS, timeout=60, transport=transport) as http:
        told = http.post(f"{url}/mcp", content=_BODY).text
    found: dict[str, Any] = json.loads(told[told.index("{") :])["result"]
    return found


def main() -> None:
    with (
        database() as url,
        tool_server(given := {"database_url": url, "jwt_secret_key": SECRET}, "--no-auth") as free,
        tool_server(given) as guarded,
        child(bare_process, result_of(free[1])) as (bare_pid, bare_url, _),
    ):
        in_memory = (0.0, 0.0)
        if not MEMORY_CALLS:
            with child(memory_process, given) as (_, found, _):
                in_memory = found
        servers = {"bare route": (bare_pid, bare_url), "no token": free, "JWT": guarded}
        sys.exit(not asyncio.run(measure(servers, in_memory)))


if __name__ == "__main__":
    main()
