"""`turnlog-mcp`: the tool server on stdio, or over Streamable HTTP."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer
import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import ValidationError
from starlette.applications import Starlette

from kit.errors import SetupError
from kit.postgres import embedded_url, migrate, open_db
from kit.tokens import Verifier, load_keys
from mcp_server.auth import JwtVerifier
from mcp_server.context import Deps, SearchConfig
from mcp_server.server import ToolServer, create_server
from mcp_server.settings import McpSettings

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
    settings = McpSettings()  # pyright: ignore[reportCallIssue]
    asyncio.run(_serve_http(settings, host, port, no_auth=no_auth) if http else _serve_stdio(settings))


async def _serve_stdio(settings: McpSettings) -> None:
    async with open_deps(settings, local=True) as deps:
        await create_server(deps).run_stdio_async()


async def _serve_http(settings: McpSettings, host: str, port: int, *, no_auth: bool) -> None:
    async with open_deps(settings, local=no_auth) as deps:
        server = create_server(deps) if no_auth else await _guarded(deps, settings, f"http://{host}:{port}")
        config = uvicorn.Config(http_app(server, settings), host=host, port=port, log_level="warning")
        print(f"MCP server: http://{host}:{port}/mcp", file=sys.stderr)  # noqa: T201
        await uvicorn.Server(config).serve()


async def _guarded(deps: Deps, settings: McpSettings, base: str) -> ToolServer:
    verifier = Verifier(
        await load_keys(deps.db), settings.mcp_audience, settings.jwt_issuer, settings.jwt_secret_key
    )
    return create_server(deps, verifier=JwtVerifier(verifier), resource_url=f"{base}/mcp")


def http_app(server: ToolServer, settings: McpSettings) -> Starlette:
    """The stateless Streamable HTTP app, at `/mcp`, for both protocol eras; checks Host and Origin."""
    names = [*_LOOPBACK, "[::1]", *filter(None, settings.mcp_allowed_hosts.split(","))]
    hosts = [f"{name}{port}" for name in names for port in ("", ":*")]
    origins = [f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts]
    return server.streamable_http_app(
        stateless_http=True,
        transport_security=TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=origins),
    )


@asynccontextmanager
async def open_deps(settings: McpSettings, *, local: bool) -> AsyncGenerator[Deps]:
    url = settings.database_url or embedded_url(settings.data_dir)
    await asyncio.to_thread(migrate, url)
    async with open_db(url) as db:
        yield Deps(
            db=db,
            files_root=settings.files_folder,
            search=SearchConfig(
                settings.search_backend,
                str(settings.searxng_url) if settings.searxng_url else None,
                settings.fetch_hosts,
            ),
            timezone=ZoneInfo(settings.timezone),
            local_user=settings.turnlog_user if local else None,
        )


def main() -> None:
    try:
        app(prog_name="turnlog-mcp")
    except (SetupError, ValidationError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(2)
