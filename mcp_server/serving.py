"""Serving the tools: on stdio for the one local user, or over Streamable HTTP."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

import uvicorn

from kit.access import Leashed, following, open_access
from kit.errors import SetupError
from kit.postgres import Db, migrate, open_db
from kit.telemetry import set_up_logging
from mcp_server.bearer import Bearer
from mcp_server.input_end import signals_end_input
from mcp_server.opening import Database
from mcp_server.server import create_server
from mcp_server.settings import McpSettings
from mcp_server.setup import deps_from, http_app, limit_from, verifier_from

__all__ = ["serve_http", "serve_stdio"]

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def serve_stdio(settings: McpSettings, database: Database) -> int:
    """Serve the one local user until the input ends or a signal comes; return the exit code."""
    set_up_logging(settings.log_level, settings.log_format)
    with signals_end_input() as ended_by:
        asyncio.run(_stdio(settings, database))
    # What a tool printed may wait in a buffer until the interpreter ends: it is not for the client.
    with suppress(OSError):  # a stderr that is closed takes nothing
        os.dup2(2, 1)
    # What a shell says of a program that a signal ended.
    return 128 + ended_by[0] if ended_by else 0


def serve_http(settings: McpSettings, database: Database, host: str, port: int, *, no_auth: bool) -> None:
    """Serve at `host` and `port` until a signal comes."""
    if no_auth and host not in _LOOPBACK:
        raise SetupError("--no-auth is for loopback only; give --host 127.0.0.1 or leave --no-auth out.")
    # uvicorn raises the signal that ended it once more, which would end us before Postgres is stopped.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    set_up_logging(settings.log_level, settings.log_format)
    asyncio.run(_http(settings, database, host, port, no_auth=no_auth))


async def _stdio(settings: McpSettings, database: Database) -> None:
    async with _open(database) as (db, _):
        await create_server(deps_from(settings, db, local=True)).run_stdio_async()


async def _http(settings: McpSettings, database: Database, host: str, port: int, *, no_auth: bool) -> None:
    address = f"http://{host}:{port}"
    async with _open(database) as (db, url), AsyncExitStack() as stack:
        deps = deps_from(settings, db, local=no_auth)
        public_url, bearer = settings.public_address(host, port), None
        if not no_auth:
            access = await open_access(settings, db)
            await stack.enter_async_context(following(access, url))
            bearer = Bearer(verifier_from(settings, access), public_url, limit_from(settings, db))
        app = http_app(create_server(deps, public_url=public_url), settings, bearer)
        # Only who has shown a token can be sent away.
        served = app if bearer is None else Leashed(app, answer=bearer.ended)
        config = uvicorn.Config(
            served, host=host, port=port, log_level="warning", timeout_graceful_shutdown=1
        )
        print(f"MCP server: {address}/mcp", file=sys.stderr)  # noqa: T201
        await uvicorn.Server(config).serve()


@asynccontextmanager
async def _open(database: Database) -> AsyncGenerator[tuple[Db, str]]:
    url = await asyncio.to_thread(database)
    await asyncio.to_thread(migrate, url)
    async with open_db(url) as db:
        yield db, url
