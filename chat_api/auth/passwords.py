"""Passwords: which may be chosen (NIST SP 800-63B), and how they are kept (argon2id, RFC 9106)."""

import asyncio
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from importlib.resources import files
from typing import Final, TypeVar

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from chat_api.auth.errors import LoginBusy, WeakPassword

__all__ = ["LONGEST", "Hasher", "accept", "derive", "is_outdated", "matches"]

SHORTEST: Final = 8
LONGEST: Final = 256
_ITERATIONS: Final = 2
_LANES: Final = 1
_KIBIBYTES: Final = 19 * 1024
_PARAMETERS: Final = f"$argon2id$v=19$m={_KIBIBYTES},t={_ITERATIONS},p={_LANES}$"
# Of a password that nobody knows, so that asking about nobody takes as long as asking about somebody.
_NOBODY: Final = _PARAMETERS + "caqNbGYoVm9QL4nZeOyfxA$g4Z4J0aSLnOdqxGd1EAjwv4M2CJOldYKM5zMRHwkHZ8"
_MOST_WAITING: Final = 64

T = TypeVar("T")


def accept(password: str, email: str) -> str:
    """The password in Unicode's form NFC, in which it is kept and counted. Raises WeakPassword."""
    password = unicodedata.normalize("NFC", password)
    if not SHORTEST <= len(password) <= LONGEST:
        raise WeakPassword(f"Choose a password of {SHORTEST} to {LONGEST} characters.")
    plain = password.casefold()
    if plain in _common() or plain.strip("0123456789!.") in _common() or len(set(plain)) == 1:
        raise WeakPassword("Many people have that password, so it is tried first; choose another.")
    if plain in (email, email.partition("@")[0]):
        raise WeakPassword("Choose a password that is not your e-mail address.")
    return password


@cache
def _common() -> frozenset[str]:
    return frozenset((files("chat_api.auth") / "common_passwords.txt").read_text().splitlines())


def derive(password: str) -> str:
    """What is kept of a password: a PHC string. Takes some tens of milliseconds of a processor."""
    kdf = Argon2id(
        salt=os.urandom(16), length=32, iterations=_ITERATIONS, lanes=_LANES, memory_cost=_KIBIBYTES
    )
    return kdf.derive_phc_encoded(_bytes(password))


def matches(password: str, kept: str) -> bool:
    try:
        Argon2id.verify_phc_encoded(_bytes(password), kept)
    except InvalidKey:
        return False
    return True


def _bytes(password: str) -> bytes:
    return unicodedata.normalize("NFC", password).encode()


def is_outdated(kept: str) -> bool:
    """Whether it was derived with other parameters than today's."""
    return not kept.startswith(_PARAMETERS)


class Hasher:
    """Derives and compares in a few threads of its own: logins take half of the processors at most."""

    def __init__(self) -> None:
        self._threads: Final = ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 2), "passwords")
        self._waiting = 0

    async def derive(self, password: str) -> str:
        """What is kept of the password. Raises LoginBusy."""
        return await self._run(partial(derive, password))

    async def matches(self, password: str, kept: str | None) -> bool:
        """Whether it is the password; `kept` None, for nobody's, takes as long. Raises LoginBusy."""
        return await self._run(partial(matches, password, kept or _NOBODY)) and kept is not None

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= _MOST_WAITING:
            raise LoginBusy
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
