"""`turnlog-mcp tool`: custom tools on the command line, straight from the database."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

__all__ = ["app"]

app = typer.Typer(help="Tools of your own: Python functions that run in the sandbox.", no_args_is_help=True)

_Name: TypeAlias = Annotated[str, typer.Argument(help="The tool's name.", show_default=False)]

# As the other commands do, each imports what it needs.


@app.command()
def register(
    file: Annotated[
        Path,
        typer.Argument(
            help="A Python file with the function.", exists=True, dir_okay=False, show_default=False
        ),
    ],
    *,
    name: Annotated[str | None, typer.Option(help="Which function; left out: the only one.")] = None,
    description: Annotated[
        str | None, typer.Option(help="What models are told; left out: its docstring.")
    ] = None,
    parameters: Annotated[
        Path | None,
        typer.Option(
            help="A file with the JSON Schema; left out: its annotations.", exists=True, dir_okay=False
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Make a new version of a tool that is there.")
    ] = False,
) -> None:
    """Add a tool for everybody who uses this database."""
    from mcp_server.custom import command  # noqa: PLC0415

    command.register(file, name, description, parameters, replace=replace)


@app.command(name="list")
def list_tools() -> None:
    """List the custom tools there are."""
    from mcp_server.custom import command  # noqa: PLC0415

    command.list_tools()


@app.command()
def show(name: _Name) -> None:
    """Show what a tool is."""
    from mcp_server.custom import command  # noqa: PLC0415

    command.show(name)


@app.command()
def enable(name: _Name) -> None:
    """Let a tool be called again."""
    from mcp_server.custom import command  # noqa: PLC0415

    command.set_enabled(name, enabled=True)


@app.command()
def disable(name: _Name) -> None:
    """Let a tool be called no more, and keep it."""
    from mcp_server.custom import command  # noqa: PLC0415

    command.set_enabled(name, enabled=False)


@app.command()
def remove(
    name: _Name, *, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")] = False
) -> None:
    """Remove a tool with all its versions."""
    from mcp_server.custom import command  # noqa: PLC0415

    command.remove(name, yes=yes)
