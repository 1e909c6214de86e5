"""`turnlog-mcp`: the tool server on stdio, or over Streamable HTTP, and its place in MCP clients."""

import gc
import sys
from typing import Annotated

import typer

from kit.errors import SetupError

__all__ = ["main"]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

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
    from mcp_server.serving import serve_http, serve_stdio  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    if http:
        serve_http(host, port, no_auth=no_auth)
    else:
        raise typer.Exit(serve_stdio())


def main() -> None:
    try:
        app(prog_name="turnlog-mcp")
    except SetupError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(2)
    finally:
        # The interpreter would look at every object once more before it ends: half a second for nothing.
        gc.freeze()
