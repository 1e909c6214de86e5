"""The child process that serves the model, as a context."""

import asyncio
import os
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final, NamedTuple

from kit.errors import SetupError

__all__ = ["LocalModel", "run_local_model"]

_LAST_WORDS_BYTES: Final = 1000
_PATIENCE: Final = 1.0
_SERVER: Final = "chat_api.providers.local.server"


class LocalModel(NamedTuple):
    """An OpenAI-compatible endpoint on loopback; `api_key` lives as long as the process."""

    base_url: str
    api_key: str


@asynccontextmanager
async def run_local_model(gguf: Path, *, timeout: float = 180.0) -> AsyncGenerator[LocalModel]:
    """Serve `gguf` in a child process until the context ends.

    Waits for it to load, at most `timeout` seconds. Raises SetupError with the child's last words.
    """
    if find_spec("xllamacpp") is None:
        raise SetupError(
            "The built-in local model needs xllamacpp; install it with: pip install 'turnlog[local]'"
        )
    key = secrets.token_urlsafe()
    with TemporaryFile() as words:
        process = await _start(gguf, words)
        try:
            address = await _address(process, key, words, timeout)
            yield LocalModel(f"{address}/v1", key)
        finally:
            await _end(process)


async def _start(gguf: Path, words: IO[bytes]) -> Process:
    # Threads that spin while they wait starve everything else on the machine, this server included.
    quiet = os.environ | {"OMP_WAIT_POLICY": "passive"}
    # The working folder may be anybody's: nothing is imported from it.
    command = (sys.executable, "-P", "-m", _SERVER, str(gguf))
    return await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=words, env=quiet)


async def _address(process: Process, key: str, words: IO[bytes], timeout: float) -> str:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("The child has no pipes.")
    process.stdin.write(f"{key}\n".encode())
    try:
        async with asyncio.timeout(timeout):
            line = await process.stdout.readline()
    except TimeoutError as error:
        raise SetupError(f"The local model did not load within {timeout:.0f} s. {_last(words)}") from error
    if not line:
        raise SetupError(f"The local model did not start. {_last(words)}")
    return line.decode().strip()


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_PATIENCE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _last(words: IO[bytes]) -> str:
    """The end of what the child wrote to stderr, as a sentence."""
    size = words.seek(0, os.SEEK_END)
    words.seek(max(0, size - _LAST_WORDS_BYTES))
    said = words.read().decode(errors="replace").strip()
    return f"Its last words: {said}" if said else "It left no words."
