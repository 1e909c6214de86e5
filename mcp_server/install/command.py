"""`turnlog-mcp install` and `turnlog-mcp uninstall`: say what will be done, ask, do it."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import typer

from kit.errors import SetupError
from mcp_server.install import claude_code
from mcp_server.install.clients import CLIENTS, Client, Machine
from mcp_server.install.config_file import ConfigFile
from mcp_server.install.entry import NAME, Wanted, is_same
from mcp_server.install.json_text import JsonText, NotEditable

__all__ = ["install", "uninstall"]

_TRY: Final = '"Add buy milk to my todos, due tomorrow at 5 pm."'


@dataclass(frozen=True, slots=True)
class _Place:
    """A client's configuration as it is, and how it is changed: by its own command, or by us."""

    client: Client
    file: ConfigFile
    text: JsonText
    claude: str | None

    @property
    def old(self) -> Any:
        return self.text.get(self.client.section, NAME)


def install(client_name: str, wanted: Wanted, config: Path | None, *, yes: bool, only_print: bool) -> None:
    """Put the tool server into the client's configuration, or print what would be put there."""
    client = CLIENTS[client_name]
    fresh = client.snippet(NAME, wanted.entry(None, typed=client.typed))
    if only_print:
        typer.echo(_json(fresh))
        return
    try:
        place = _place(client_name, config)
        entry = wanted.entry(place.old, typed=client.typed)
        if place.old is not None and is_same(place.old, entry):
            typer.echo(f"Turnlog is in {place.file.path} already. Nothing was changed.")
            return
        new = place.text.put(client.section, NAME, entry)
    except NotEditable as error:
        raise _refused(
            error, client_name, config, f"or put this into it yourself:\n{_json(fresh)}"
        ) from error
    if place.claude:
        _add_by(place.claude, place.old, entry, wanted, yes=yes)
    else:
        verb = "To be added to" if place.old is None else "To be changed in"
        typer.echo(f"{verb} {place.file.path}, for {client.title}:\n{_json(client.snippet(NAME, entry))}")
        _tell_secret(wanted)
        _ask(yes=yes)
        _tell_backup(place.file.replace(new))
    typer.echo(f"{client.again}, then try: {_TRY}")


def uninstall(client_name: str, config: Path | None, *, yes: bool) -> None:
    """Take the tool server out of the client's configuration."""
    client = CLIENTS[client_name]
    try:
        place = _place(client_name, config)
        if place.old is None:
            typer.echo(f"Turnlog is not in {place.file.path}. Nothing was changed.")
            return
        new = place.text.take_out(client.section, NAME)
    except NotEditable as error:
        hint = f'or take "{NAME}" out of its "{client.section}" yourself.'
        raise _refused(error, client_name, config, hint) from error
    if place.claude:
        removing = claude_code.removing(NAME)
        _tell_commands([removing])
        _ask(yes=yes)
        claude_code.run(place.claude, removing)
    else:
        typer.echo(f"To be taken out of {place.file.path}, for {client.title}:")
        typer.echo(_json(client.snippet(NAME, place.old)))
        _ask(yes=yes)
        _tell_backup(place.file.replace(new))
    typer.echo(f"{client.again}. Todos and files stay where they are.")


def _place(client_name: str, config: Path | None) -> _Place:
    client = CLIENTS[client_name]
    file = ConfigFile.read(config or client.path(Machine.here()))
    text = JsonText(file.text, comments=client.comments)
    claude = claude_code.find() if client_name == "claude-code" and config is None else None
    return _Place(client, file, text, claude)


def _refused(error: NotEditable, client_name: str, config: Path | None, hint: str) -> SetupError:
    path = config or CLIENTS[client_name].path(Machine.here())
    return SetupError(f"{path} {error}. Nothing was changed. Mend it and try again, {hint}")


def _add_by(claude: str, old: Any, entry: dict[str, Any], wanted: Wanted, *, yes: bool) -> None:
    """Add the entry by Claude Code's own command, which does not replace one: the old one goes first."""
    removing, adding = claude_code.removing(NAME), claude_code.adding(NAME, entry)
    _tell_commands([adding] if old is None else [removing, adding])
    _tell_secret(wanted)
    _ask(yes=yes)
    if old is not None:
        claude_code.run(claude, removing)
    try:
        claude_code.run(claude, adding)
    except claude_code.ClaudeCodeError:
        if isinstance(old, dict) and "command" in old:
            claude_code.run(claude, claude_code.adding(NAME, cast("dict[str, Any]", old)))
        raise


def _tell_commands(commands: Sequence[Sequence[str]]) -> None:
    typer.echo("To be run:")
    for command in commands:
        typer.echo(f"  {shlex.join(['claude', *command])}")


def _ask(*, yes: bool) -> None:
    """Raises SetupError where nobody can be asked; ends the program with 1 where the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise SetupError(
            "This is no terminal, so nobody can be asked: nothing was changed. Add --yes to do it."
        )
    if not typer.confirm("Do it?", default=True):
        typer.echo("Nothing was changed.")
        raise typer.Exit(1)


def _tell_secret(wanted: Wanted) -> None:
    if wanted.has_secret:
        typer.echo("The password of your database will stand there for everybody who can read the file.")


def _tell_backup(backup: Path | None) -> None:
    typer.echo(f"Done. The file as it was: {backup}" if backup else "Done.")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
