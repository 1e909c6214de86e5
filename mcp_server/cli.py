"""`turnlog-mcp`: the tool server on stdio, or over Streamable HTTP, and its place in MCP clients."""

import gc
import sys
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from kit.errors import SetupError
from mcp_server.custom.cli import app as tool_app

__all__ = ["main"]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.add_typer(tool_app, name="tool")

_Client: TypeAlias = Annotated[
    Literal["claude-desktop", "cursor", "vscode", "claude-code"],
    typer.Argument(help="The client to tell of this server.", show_default=False),
]
_Config: TypeAlias = Annotated[
    Path | None, typer.Option(help="Its configuration file; left out: where it keeps it for this user.")
]
_Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]

# Each command imports what it needs: a client waits while the server starts, and `install` needs no server.


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    *,
    http: Annotated[bool, typer.Option("--http", help="Serve Streamable HTTP instead of stdio.")] = False,
    host: Annotated[str, typer.Option(help="Address to listen on, with --http.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on, with --http.")] = 8001,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Ask for no token: everybody is the one local user.")
    ] = False,
) -> None:
    """Turnlog's MCP tool server: calculator, time, files, web search and todos."""
    if context.invoked_subcommand is not None:
        return
    # Nothing that is imported is garbage: looking for some takes a quarter of the start.
    gc.disable()
    from mcp_server.opening import begin  # noqa: PLC0415

    settings, database = begin()
    from mcp_server.serving import serve_http, serve_stdio  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    if http:
        serve_http(settings, database, host, port, no_auth=no_auth)
    else:
        raise typer.Exit(serve_stdio(settings, database))


@app.command()
def install(
    client: _Client,
    *,
    user: Annotated[str | None, typer.Option(help="Whose tools they are: its TURNLOG_USER.")] = None,
    files_root: Annotated[Path | None, typer.Option(help="Where files are kept: its FILES_ROOT.")] = None,
    database_url: Annotated[
        str | None, typer.Option(help="Postgres to use: its DATABASE_URL, written down with its password.")
    ] = None,
    config: _Config = None,
    yes: _Yes = False,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print what would be written, and change nothing.")
    ] = False,
) -> None:
    """Let an MCP client of this user start this server; its other settings stay as they are."""
    from mcp_server.install import Wanted  # noqa: PLC0415
    from mcp_server.install import install as run  # noqa: PLC0415

    run(client, Wanted(user, files_root, database_url), config, yes=yes, only_print=only_print)


@app.command()
def uninstall(client: _Client, *, config: _Config = None, yes: _Yes = False) -> None:
    """Take this server out of an MCP client's configuration."""
    from mcp_server.install import uninstall as run  # noqa: PLC0415

    run(client, config, yes=yes)


def main() -> None:
    try:
        app(prog_name="turnlog-mcp")
    except SetupError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(2)
    finally:
        # The interpreter would look at every object once more before it ends: half a second for nothing.
        gc.freeze()
