"""CPU of a turn: the whole HTTP path against a bare `Runner.run`, in one run.

Three processes beside this one: a model server that answers at once, the chat API, and a loop of bare
`Runner.run` on the same model server. Rounds of both alternate; medians of CPU time a turn are compared. CPU
is that of the process measured (user and system); Postgres and the model server are not in it.
"""

import asyncio
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import httpx2
import jwt
import uvicorn
from rich.console import Console
from rich.table import Table
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

SECRET: Final = "the secret of the benchmark's token issuer"
ROUNDS: Final = int(os.environ.get("ROUNDS", "9"))
TURNS: Final = int(os.environ.get("TURNS", "100"))
SPAWN: Final = multiprocessing.get_context("spawn")
BUDGETS: Final = {"new": 2.2, "tool": 1.8}

Kind = Literal["new", "tool"]


def completion(message: dict[str, Any]) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    head = {"id": "1", "object": "chat.completion", "created": 0, "model": "fast"}
    return json.dumps({**head, "choices": [choice], "usage": usage}).encode()


TEXT: Final = completion({"content": "It is four."})
CALL_ID: Final = "call_0000000000000001"
TOOL: Final = completion(
    {
        "content": None,
        "tool_calls": [
            {
                "id": CALL_ID,
                "type": "function",
                "function": {"name": "calculator", "arguments": '{"expression": "2 + 2"}'},
            }
        ],
    }
)


async def chat(request: Request) -> Response:
    messages = (await request.json())["messages"]
    wants_tool = messages[-1]["role"] == "user" and messages[-1]["content"].startswith("tool")
    return Response(TOOL if wants_tool else TEXT, media_type="application/json")


def model_process(pipe: Any) -> None:
    serve(Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])]), pipe)


def api_process(pipe: Any, settings: dict[str, Any]) -> None:
    from chat_api.main import create_app  # noqa: PLC0415
    from chat_api.settings import Settings  # noqa: PLC0415

    serve(create_app(Settings(**settings)), pipe)


def serve(app: Any, pipe: Any) -> None:
    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            pipe.send(self.servers[0].sockets[0].getsockname()[1])

    Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", access_log=False)).run()


def bare_process(pipe: Any, model_url: str) -> None:
    from agents import Agent, OpenAIChatCompletionsModel, RunConfig, Runner, function_tool  # noqa: PLC0415
    from openai import AsyncOpenAI  # noqa: PLC0415

    def calculator(expression: str) -> str:
        """Work out an arithmetic expression."""
        return "4" if expression else ""

    model = OpenAIChatCompletionsModel("fast", AsyncOpenAI(base_url=model_url, api_key="none"))
    agents: dict[Kind, Agent[None]] = {
        "new": Agent(name="assistant", instructions="Be brief.", model=model),
        "tool": Agent(
            name="assistant", instructions="Be brief.", model=model, tools=[function_tool(calculator)]
        ),
    }
    config = RunConfig(tracing_disabled=True)

    async def main() -> None:
        while (kind := await asyncio.to_thread(pipe.recv)) is not None:
            start = time.process_time()
            for _ in range(TURNS):
                await Runner.run(agents[kind], message(kind), run_config=config)
            pipe.send((time.process_time() - start) / TURNS)

    pipe.send(0)
    asyncio.run(main())


def message(kind: Kind) -> str:
    return "tool: what is 2 + 2?" if kind == "tool" else "What is 2 + 2?"


@contextmanager
def child(target: Callable[..., None], *arguments: Any) -> Generator[tuple[int, Any, Any]]:
    """Start a process; yield its id, the first thing that it sends, and the pipe."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    try:
        assert process.pid
        yield process.pid, ours.recv(), ours
    finally:
        process.terminate()
        process.join()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, from /proc (its threads included)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Api:
    pid: int
    http: httpx2.Client

    def measure(self, kind: Kind) -> float:
        start = cpu_seconds(self.pid)
        for _ in range(TURNS):
            response = self.http.post("/api/bench/chat", json={"message": message(kind)})
            assert response.status_code == 200, response.text
            assert len(response.json()["data"]["tool_calls"]) == (kind == "tool")
        return (cpu_seconds(self.pid) - start) / TURNS


def token() -> str:
    issued = int(time.time())
    claims = {"iss": "turnlog", "aud": "turnlog", "sub": "bench", "iat": issued, "exp": issued + 3600}
    return jwt.encode(claims, SECRET, algorithm="HS256")


def compare(api: Api, bare: Any) -> bool:
    table = Table("turn", "bare Runner.run", "Turnlog, whole HTTP path", "ratio", "budget")
    fits = True
    for kind in BUDGETS:
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(ROUNDS + 1):
            bare.send(kind)
            theirs.append(bare.recv())
            ours.append(api.measure(kind))  # pyright: ignore[reportArgumentType]
        ratios = [mine / other for mine, other in zip(ours[1:], theirs[1:], strict=True)]
        ratio = statistics.median(ratios)
        fits &= ratio <= BUDGETS[kind]
        table.add_row(
            kind,
            f"{statistics.median(theirs[1:]) * 1000:.2f} ms",
            f"{statistics.median(ours[1:]) * 1000:.2f} ms",
            f"{ratio:.2f}x ({min(ratios):.2f} to {max(ratios):.2f})",
            f"{BUDGETS[kind]}x",
        )
    Console(width=110).print(table)
    return fits


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, child(model_process) as (_, model_port, _):
        model_url = f"http://127.0.0.1:{model_port}/v1"
        settings = {
            "data_dir": folder,
            "database_url": os.environ.get("DATABASE_URL"),
            "jwt_secret_key": SECRET,
            "default_provider": "openai",
            "default_model": "fast",
            "openai_base_url": model_url,
        }
        with child(api_process, settings) as (pid, port, _), child(bare_process, model_url) as (_, _, bare):
            headers = {"Authorization": f"Bearer {token()}"}
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as http:
                print(f"{ROUNDS} rounds of {TURNS} turns, one at a time; CPU time a turn, medians")
                sys.exit(not compare(Api(pid, http), bare))


if __name__ == "__main__":
    main()
