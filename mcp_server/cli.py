"""`turnlog-mcp`: the tool server on stdio, or over Streamable HTTP."""

import asyncio
import gc
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Final

import typer
import uvicorn

from kit.errors import SetupError
from kit.postgres import Db, embedded_url, migrate, open_db
from kit.settings import load
from kit.telemetry import set_up_logging
from kit.tokens import load_keys
from mcp_server.server import create_server
from mcp_server.settings import McpSettings
from mcp_server.setup import deps_from, http_app, verifier_from

__all__ = ["main"]

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def serve(
    *,
    http: Annotated[bool, typer.Option("--http", help="Serve Streamable HTTP instead of stdio.")] = False,
    host: Annotated[str, typer.Option(help="Address to listen on, with --http.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on, with --http.")] = 8001,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Ask for no token: everybody is the one local user.")
    ] = False,
) -> None:
    """Turnlog's MCP tool server: calculator, time, files, web search and todos."""
    if no_auth and host not in _LOOPBACK:
        raise SetupError("--no-auth is for loopback only; give --host 127.0.0.1 or leave --no-auth out.")
    settings = load(McpSettings)
    set_up_logging(settings.log_level)
    asyncio.run(_serve_http(settings, host, port, no_auth=no_auth) if http else _serve_stdio(settings))


async def _serve_stdio(settings: McpSettings) -> None:
    async with _open(settings) as db:
        await create_server(deps_from(settings, db, local=True)).run_stdio_async()


async def _serve_http(settings: McpSettings, host: str, port: int, *, no_auth: bool) -> None:
    address = f"http://{host}:{port}"
    async with _open(settings) as db:
        deps = deps_from(settings, db, local=no_auth)
        if no_auth:
            server = create_server(deps)
        else:
            verifier = verifier_from(settings, await load_keys(db))
            server = create_server(deps, verifier=verifier, public_url=settings.public_address(host, port))
        config = uvicorn.Config(
            http_app(server, settings), host=host, port=port, log_level="warning", timeout_graceful_shutdown=1
        )
        print(f"MCP server: {address}/mcp", file=sys.stderr)  # noqa: T201
        await uvicorn.Server(config).serve()


@asynccontextmanager
async def _open(settings: McpSettings) -> AsyncGenerator[Db]:
    url = settings.database_url or embedded_url(settings.data_dir)
    await asyncio.to_thread(migrate, url)
    async with open_db(url) as db:
        yield db


def main() -> None:
    try:
        app(prog_name="turnlog-mcp")
    except SetupError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(2)
    finally:
        # The interpreter would look at every object once more before it ends: half a second for nothing.
        gc.freeze()
