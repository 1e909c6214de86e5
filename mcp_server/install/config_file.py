"""Replacing another program's configuration file: with a backup, whole or not at all."""

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from tempfile import mkstemp

from kit.errors import SetupError

__all__ = ["ConfigFile", "ConfigFileError"]

_BOM = "\ufeff"


class ConfigFileError(SetupError):
    """The file cannot be read or written; nothing has been changed."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file as it was when it was read; `path` is where links lead to."""

    path: Path
    before: bytes | None

    @classmethod
    def read(cls, path: Path) -> "ConfigFile":
        target = Path(os.path.realpath(path.expanduser()))
        return cls(target, _bytes(target))

    @property
    def text(self) -> str:
        """Its text, without a byte order mark; an object without members where there is none yet."""
        try:
            text = (self.before or b"").decode().removeprefix(_BOM)
        except UnicodeDecodeError as error:
            raise ConfigFileError(f"{self.path} is not UTF-8. Nothing was changed.") from error
        return text if text.strip() else "{}\n"

    def replace(self, text: str) -> Path | None:
        """Write `text` in its place; return where the file as it was is kept, if there was one."""
        content = ((_BOM if self._has_bom else "") + text).encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not os.access(self.path if self.before is not None else self.path.parent, os.W_OK):
                raise ConfigFileError(f"{self.path} may not be written. Nothing was changed.")
            if _bytes(self.path) != self.before:
                raise ConfigFileError(
                    f"{self.path} was changed by another program just now. Nothing was changed; try again."
                )
            return self._swap(content)
        except OSError as error:
            raise ConfigFileError(
                f"{self.path} cannot be written ({error.strerror or error}). It was not changed."
            ) from error

    @property
    def _has_bom(self) -> bool:
        return (self.before or b"").startswith(_BOM.encode())

    def _swap(self, content: bytes) -> Path | None:
        number, name = mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        new = Path(name)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # A new file stays its owner's alone: it may come to hold a password.
            if self.before is not None:
                _like(self.path, new)
            backup = self._keep()
            new.replace(self.path)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        return backup

    def _keep(self) -> Path | None:
        if self.before is None:
            return None
        stem = f"{self.path.name}.backup-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        for number in count(1):
            backup = self.path.with_name(stem if number == 1 else f"{stem}-{number}")
            with suppress(FileExistsError), backup.open("xb") as file:
                _like(self.path, backup)
                file.write(self.before)
                return backup
        return None


def _like(old: Path, new: Path) -> None:
    """Give `new` the mode of `old`, and its owner where that is allowed."""
    its = old.stat()
    if hasattr(os, "chown"):
        with suppress(PermissionError):
            os.chown(new, its.st_uid, its.st_gid)
    new.chmod(its.st_mode & 0o7777)


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigFileError(
            f"{path} cannot be read ({error.strerror or error}). Nothing was changed."
        ) from error
