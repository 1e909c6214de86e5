"""What the benchmarks measure with: a model server that answers at once, and processes whose CPU is read."""

import asyncio
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import jwt
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from kit.postgres import embedded_url

__all__ = [
    "SECRET",
    "TOKENS",
    "USER",
    "api_process",
    "child",
    "cpu_seconds",
    "database",
    "headers",
    "model_process",
    "serve",
    "settings",
]

USER: Final = "bench"
TOKENS: Final = 200
SECRET: Final = "the secret of the benchmark's token issuer"
# Processes of one import: what is measured begins after it.
_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["chat_api.main"])
_USAGE: Final = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
_HEAD: Final = {"id": "1", "created": 0, "model": "fast"}
_FUNCTION: Final = {"name": "calculator", "arguments": '{"expression": "2 + 2"}'}
_CALL: Final = {"id": "call_0000000000000001", "type": "function", "function": _FUNCTION}


def _completion(message: dict[str, Any]) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    whole = {**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE}
    return json.dumps(whole).encode()


_TEXT: Final = _completion({"content": "It is four."})
_TOOL: Final = _completion({"content": None, "tool_calls": [_CALL]})


def _chunk(delta: dict[str, Any] | None, finish: str | None = None) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}] if delta is not None else []
    chunk = {**_HEAD, "object": "chat.completion.chunk", "choices": choices}
    return b"data: %b\n\n" % json.dumps(chunk if choices else {**chunk, "usage": _USAGE}).encode()


async def _pieces(pause: float) -> AsyncGenerator[bytes]:
    """A text whose words tell when they were sent, in nanoseconds of the monotonic clock."""
    yield _chunk({"role": "assistant", "content": ""})
    for _ in range(TOKENS):
        await asyncio.sleep(pause)
        yield _chunk({"content": f"{time.monotonic_ns()} "})
    yield _chunk({}, "stop")
    yield _chunk(None)
    yield b"data: [DONE]\n\n"


async def _flood(kilobytes: int) -> AsyncGenerator[bytes]:
    """Much at once, then nothing for as long as the client stays."""
    for _ in range(kilobytes):
        yield _chunk({"content": "x" * 1024})
    await asyncio.Event().wait()


async def _chat(request: Request) -> Response:
    """What the user's last message asks for.

    `tool`, `stream <seconds between two tokens>`, `flood <KiB>` that does not end, or a sentence.
    """
    last = (await request.json())["messages"][-1]
    match last["role"], last["content"].split():
        case "user", ["tool", *_]:
            return Response(_TOOL, media_type="application/json")
        case "user", ["stream", pause]:
            return StreamingResponse(_pieces(float(pause)), media_type="text/event-stream")
        case "user", ["flood", kilobytes]:
            return StreamingResponse(_flood(int(kilobytes)), media_type="text/event-stream")
        case _:
            return Response(_TEXT, media_type="application/json")


def model_process(pipe: Any) -> None:
    serve(Starlette(routes=[Route("/v1/chat/completions", _chat, methods=["POST"])]), pipe)


def api_process(pipe: Any, given: dict[str, Any]) -> None:
    from chat_api.main import create_app  # noqa: PLC0415
    from chat_api.settings import Settings  # noqa: PLC0415
    from kit.telemetry import set_up_logging  # noqa: PLC0415

    # Each request is logged, as it is for real; nobody reads it.
    with Path(os.devnull).open("w") as nowhere:
        sys.stderr = nowhere
        set_up_logging("INFO", "json")
        serve(create_app(Settings(**given)), pipe)


def serve(app: Any, pipe: Any) -> None:
    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            pipe.send(f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}")

    Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", access_log=False)).run()


@contextmanager
def child(target: Callable[..., None], *arguments: Any) -> Generator[tuple[int, Any, Any]]:
    """Start a process; yield its id, the first thing that it sends, and the pipe."""
    ours, theirs = _FORKS.Pipe()
    process = _FORKS.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    try:
        assert process.pid
        yield process.pid, ours.recv(), ours
    finally:
        process.terminate()
        process.join()


@contextmanager
def database() -> Generator[str]:
    """A server's address: the one that DATABASE_URL names, else an embedded one for this run."""
    with tempfile.TemporaryDirectory() as folder:
        yield os.environ.get("DATABASE_URL") or embedded_url(Path(folder))


def settings(database_url: str, model_url: str, **more: Any) -> dict[str, Any]:
    given = {
        "database_url": database_url,
        "jwt_secret_key": SECRET,
        "default_provider": "openai",
        "default_model": "fast",
        "openai_base_url": f"{model_url}/v1",
        # Counted, and never reached.
        "rate_limit_chat": "1000000/minute",
        "rate_limit_read": "1000000/minute",
        "max_turns_per_user": 10_000,
        "titles_by_model": False,
    }
    return given | more


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, from /proc (its threads included)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def headers(**claims: Any) -> dict[str, str]:
    issued = int(time.time())
    usual = {"iss": "turnlog", "aud": "turnlog", "sub": USER, "iat": issued, "exp": issued + 3600}
    return {"Authorization": f"Bearer {jwt.encode(usual | claims, SECRET, algorithm='HS256')}"}
