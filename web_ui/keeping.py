"""Logins on disk, each in a file that only the browser's own cookie opens."""

import json
import os
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["Keeping"]

_PURPOSE: Final = b"turnlog web login 2"
_OF_LOCAL: Final = ".local"
_NONCE_BYTES: Final = 12
_FORGOTTEN_AFTER: Final = 60 * 24 * 3600


class Keeping:
    """A folder of logins at one API. The key of each is made of its id, which the browser alone keeps."""

    def __init__(self, folder: Path, api: str) -> None:
        self._folder: Final = folder
        self._api: Final = api.encode()
        # A login that is read for another API would be sent there.
        self._bound: Final = _PURPOSE + b" " + self._api

    def save(self, session_id: str, login: Mapping[str, Any], *, is_local: bool) -> None:
        """Keep `login`, whole or not at all. Those of the local user can be found by their names."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + _cipher(session_id).encrypt(nonce, json.dumps(login).encode(), self._bound)
        fresh = self._folder / f"{secrets.token_hex(8)}.new"
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "wb") as writing:
            writing.write(sealed)
            writing.flush()
            os.fsync(writing.fileno())
        fresh.replace(self._paths(session_id)[is_local])

    def load(self, session_id: str) -> dict[str, Any] | None:
        for path in self._paths(session_id):
            try:
                sealed = path.read_bytes()
                opened = _cipher(session_id).decrypt(
                    sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self._bound
                )
            except (OSError, InvalidTag, ValueError):
                continue
            return json.loads(opened)
        return None

    def forget(self, session_id: str) -> None:
        for path in self._paths(session_id):
            path.unlink(missing_ok=True)

    def forget_local(self) -> None:
        """All of the local user, also those whose ids nobody has told since this process began."""
        for path in self._folder.glob(f"*{_OF_LOCAL}"):
            path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove logins that were not renewed for longer than any lasts."""
        oldest = time.time() - _FORGOTTEN_AFTER
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                with suppress(OSError):
                    if path.stat().st_mtime < oldest:
                        path.unlink()

    def _paths(self, session_id: str) -> tuple[Path, Path]:
        """Where that of an account would be, and one of the local user."""
        name = sha256(session_id.encode() + b" " + self._api).hexdigest()
        return self._folder / name, self._folder / f"{name}{_OF_LOCAL}"


def _cipher(session_id: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, None, _PURPOSE).derive(session_id.encode()))
