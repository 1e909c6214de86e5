"""Secrets that are kept for later: encrypted with a key that is not in the database.

A sealed secret is a version byte, a nonce of 96 bits, and what AES-256-GCM makes of the secret (NIST SP
800-38D). What it is for goes in as associated data: moved to another row, it opens no more.
"""

import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kit.errors import Problem

__all__ = ["NoSealingKey", "Sealer", "Unsealable"]

_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12
_FILE: Final = "provider_key_secret"
_PURPOSE: Final = b"turnlog sealing 1"


class NoSealingKey(Problem):
    status = 503
    code = "no_sealing_key"

    def __init__(self) -> None:
        super().__init__("This server can keep no secrets: its PROVIDER_KEY_SECRET has to be set.")


class Unsealable(Exception):
    """The secret was sealed with another key, for something else, or has been changed."""


class Sealer:
    """Seals with a key made of `secret`, or of one that is made in `folder`, for this user's eyes only."""

    def __init__(self, secret: str | None, folder: Path) -> None:
        self._secret: Final = secret
        self._folder: Final = folder

    def seal(self, secret: str, bound_to: Sequence[str]) -> bytes:
        """`secret`, to be opened only with the same `bound_to`. Raises NoSealingKey."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, secret.encode(), _associated(bound_to))

    def open(self, sealed: bytes, bound_to: Sequence[str]) -> str:
        """The secret again. Raises Unsealable, and NoSealingKey."""
        version, nonce, rest = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if version != _VERSION:
            raise Unsealable
        try:
            return self._cipher.decrypt(nonce, rest, _associated(bound_to)).decode()
        except (InvalidTag, ValueError) as error:
            raise Unsealable from error

    @cached_property
    def _cipher(self) -> AESGCM:
        try:
            secret = self._secret or _kept(self._folder)
        except OSError as error:
            raise NoSealingKey from error
        # The text may be a pass phrase or random bytes in base64: one way for both.
        return AESGCM(HKDF(SHA256(), 32, None, _PURPOSE).derive(secret.encode()))


def _associated(bound_to: Sequence[str]) -> bytes:
    return _VERSION + json.dumps(list(bound_to)).encode()


def _kept(folder: Path) -> str:
    """The secret in `folder`; the first process that asks makes it, whole or not at all."""
    path = folder / _FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / f"{_FILE}.{secrets.token_hex(8)}"
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(file, "w") as writing:
                writing.write(secrets.token_urlsafe(48))
                writing.flush()
                os.fsync(writing.fileno())
            with suppress(FileExistsError):
                os.link(fresh, path)
        finally:
            fresh.unlink()
    return path.read_text()
