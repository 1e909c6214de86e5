"""What `turnlog-mcp tool` does."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import typer

from kit.errors import Problem, SetupError
from kit.postgres import embedded_url, migrate, open_db
from kit.settings import load
from mcp_server.custom import registry
from mcp_server.custom.catalogue import CustomTools
from mcp_server.custom.checking import Draft
from mcp_server.custom.errors import NameTaken
from mcp_server.custom.inference import draft_of
from mcp_server.custom.registry import Kept
from mcp_server.settings import McpSettings

__all__ = ["list_tools", "register", "remove", "set_enabled", "show"]

_OFF: Final = "Servers offer it where CUSTOM_TOOLS is true; here it is not."
_MOST_SHOWN: Final = 70

T = TypeVar("T")


def register(
    file: Path, name: str | None, description: str | None, parameters: Path | None, *, replace: bool
) -> None:
    schema = None if parameters is None else _schema(parameters)
    try:
        draft = draft_of(file, _read(file), name, description, schema)
    except Problem as problem:
        raise SetupError(problem.message) from problem
    # The tools themselves, which take a second to import: the other commands do without.
    from mcp_server.setup import names_of_tools  # noqa: PLC0415

    try:
        kept = _with(lambda tools: _register(tools, draft, replace=replace), names_of_tools())
    except NameTaken as taken:
        raise SetupError(f"{taken.message} --replace makes a new version of your own.") from taken
    typer.echo(f"Registered {kept.name}, version {kept.version}.")
    if not load(McpSettings).custom_tools:
        typer.echo(_OFF)


def list_tools() -> None:
    for kept in _with(lambda tools: registry.listed(tools.db)):
        state = "" if kept.enabled else ", disabled"
        typer.echo(f"{kept.name} (version {kept.version}{state}): {kept.description[:_MOST_SHOWN]}")


def show(name: str) -> None:
    kept = _with(lambda tools: registry.named(tools.db, name))
    state = "enabled" if kept.enabled else "disabled"
    typer.echo(f"{kept.name}, version {kept.version}, {state}\n{kept.description}\n")
    typer.echo(f"{json.dumps(kept.parameters, indent=2, ensure_ascii=False)}\n\n{kept.code.rstrip()}")


def set_enabled(name: str, *, enabled: bool) -> None:
    async def change(tools: CustomTools) -> Kept:
        kept = await registry.named(tools.db, name)
        return await registry.set_enabled(tools, kept.id, enabled=enabled)

    _with(change)
    typer.echo(f"{name} is {'enabled' if enabled else 'disabled'}.")


def remove(name: str, *, yes: bool) -> None:
    if not yes and not sys.stdin.isatty():
        raise SetupError(
            "This is no terminal, so nobody can be asked: nothing was changed. Add --yes to do it."
        )
    if not yes and not typer.confirm(f"Remove {name} and all its versions?"):
        typer.echo("Nothing was changed.")
        raise typer.Exit(1)

    async def change(tools: CustomTools) -> None:
        await registry.remove(tools, (await registry.named(tools.db, name)).id)

    _with(change)
    typer.echo(f"{name} is removed.")


async def _register(tools: CustomTools, draft: Draft, *, replace: bool) -> Kept:
    if replace:
        kept = await registry.named(tools.db, draft.name)
        return await registry.change(tools, kept.id, draft, [kept.version], None)
    return await registry.register(tools, draft, None)


def _with(act: Callable[[CustomTools], Awaitable[T]], built_in: frozenset[str] = frozenset()) -> T:
    """Act on the custom tools of the database that the settings name."""
    settings = load(McpSettings)

    async def acting() -> T:
        url = settings.database_url or embedded_url(settings.data_dir)
        await asyncio.to_thread(migrate, url)
        async with open_db(url) as db:
            return await act(CustomTools(db, built_in))

    try:
        return asyncio.run(acting())
    except NameTaken:
        raise
    except Problem as problem:
        raise SetupError(problem.message) from problem


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{file} cannot be read as UTF-8 text.") from error


def _schema(file: Path) -> dict[str, Any]:
    try:
        schema = json.loads(_read(file))
    except ValueError as error:
        raise SetupError(f"{file} is not JSON.") from error
    if not isinstance(schema, dict):
        raise SetupError(f"{file} is no JSON Schema: it has no object.")
    return cast("dict[str, Any]", schema)
