"""CPU of a turn: the whole HTTP path against the bare Agents SDK, in one run.

Three processes beside this one: a model server, the chat API, and a loop of bare `Runner.run` and
`Runner.run_streamed` on the same model server. Rounds of both alternate; medians of CPU time a turn are
compared. CPU is that of the process measured (user and system); Postgres and the model server are not in it.
"""

import asyncio
import os
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID, uuid4

import httpx2
import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.servers import (
    TOKENS,
    USER,
    api_process,
    child,
    cpu_seconds,
    database,
    headers,
    model_process,
    settings,
)
from kit.tokens import Identity

ROUNDS: Final = int(os.environ.get("ROUNDS", "9"))
TURNS: Final = int(os.environ.get("TURNS", "100"))
HISTORY: Final = 100
READERS: Final = 10
PAUSE: Final = 0.002

Kind: TypeAlias = Literal["new", "tool", "history", "stream"]
MESSAGES: Final[dict[Kind, str]] = {
    "new": "What is 2 + 2?",
    "tool": "tool what is 2 + 2?",
    "history": "And now?",
    "stream": f"stream {PAUSE}",
}
BUDGETS: Final[dict[Kind, float]] = {"new": 2.2, "tool": 1.8, "history": 0.6, "stream": 1.0}
BUDGET_OF_A_READER: Final = 0.15
SAID: Final = "A sentence of about ten words, as people say them."


def turns(kind: Kind) -> int:
    """How many a round: a streamed turn takes long, most of it pauses."""
    return max(1, TURNS // 10) if kind == "stream" else TURNS


def bare_process(pipe: Any, model_url: str) -> None:
    from agents import Agent, OpenAIChatCompletionsModel, RunConfig, Runner, function_tool  # noqa: PLC0415
    from openai import AsyncOpenAI  # noqa: PLC0415

    def calculator(expression: str) -> str:
        """Work out an arithmetic expression."""
        return "4" if expression else ""

    model = OpenAIChatCompletionsModel("fast", AsyncOpenAI(base_url=f"{model_url}/v1", api_key="none"))
    plain = Agent(name="assistant", instructions="Be brief.", model=model)
    skilled = Agent(
        name="assistant", instructions="Be brief.", model=model, tools=[function_tool(calculator)]
    )
    config = RunConfig(tracing_disabled=True)
    said = [{"role": ("user", "assistant")[n % 2], "content": SAID} for n in range(HISTORY)]

    async def one(kind: Kind) -> None:
        message: Any = MESSAGES[kind]
        if kind == "history":
            message = [*said, {"role": "user", "content": message}]
        if kind == "stream":
            async for _ in Runner.run_streamed(plain, message, run_config=config).stream_events():
                pass
        else:
            await Runner.run(skilled if kind == "tool" else plain, message, run_config=config)

    async def main() -> None:
        while (kind := await asyncio.to_thread(pipe.recv)) is not None:
            start = time.process_time()
            for _ in range(turns(kind)):
                await one(kind)
            pipe.send((time.process_time() - start) / turns(kind))

    pipe.send(0)
    asyncio.run(main())


@dataclass(slots=True)
class Api:
    pid: int
    http: httpx2.AsyncClient
    database_url: str

    async def measure(self, kind: Kind) -> float:
        """CPU seconds a turn."""
        conversations = self._with_history() if kind == "history" else [None] * turns(kind)
        start = cpu_seconds(self.pid)
        for conversation_id in conversations:
            await (self.stream(1) if kind == "stream" else self._turn(kind, conversation_id))
        return (cpu_seconds(self.pid) - start) / len(conversations)

    async def _turn(self, kind: Kind, conversation_id: UUID | None) -> None:
        body = {"message": MESSAGES[kind]}
        if conversation_id is not None:
            body["conversation_id"] = str(conversation_id)
        response = await self.http.post(f"/api/{USER}/chat", json=body)
        assert response.status_code == 200, response.text
        assert len(response.json()["data"]["tool_calls"]) == (kind == "tool")

    async def stream(self, readers: int) -> None:
        """One turn whose tokens go to so many readers."""
        body, prefer = {"message": MESSAGES["stream"]}, {"Prefer": "respond-async"}
        taken = await self.http.post(f"/api/{USER}/chat", json=body, headers=prefer)
        path = f"/api/v1/runs/{taken.json()['data']['run_id']}/events"
        await asyncio.gather(*(self._read(path) for _ in range(readers)))

    async def _read(self, path: str) -> None:
        got = bytearray()
        async with self.http.stream("GET", path, headers={"Accept": "text/event-stream"}) as response:
            async for chunk in response.aiter_raw():
                got += chunk
        assert got.count(b'"type":"token"') == TOKENS

    async def measure_readers(self) -> float:
        """What a further reader costs, as a share of the turn with one."""
        spent = list[float]()
        for readers in (1, 1 + READERS):
            start = cpu_seconds(self.pid)
            for _ in range(turns("stream")):
                await self.stream(readers)
            spent.append(cpu_seconds(self.pid) - start)
        return (spent[1] - spent[0]) / READERS / spent[0]

    def _with_history(self) -> list[UUID]:
        """New conversations that much was said in."""
        owner, ids = Identity("turnlog", USER, {}).owner, [uuid4() for _ in range(turns("history"))]
        with psycopg.connect(self.database_url.replace("+psycopg", "")) as connection:
            connection.execute(
                """
                INSERT INTO conversations (id, user_id, next_position, created_at, updated_at)
                SELECT id, %s, %s, now(), now() FROM unnest(%s::uuid[]) AS id
                """,
                [owner, HISTORY, ids],
            )
            connection.execute(
                """
                INSERT INTO messages (id, user_id, conversation_id, run_id, position, role, content,
                    tool_calls, status, created_at)
                SELECT gen_random_uuid(), %s, id, id, n, CASE n %% 2 WHEN 0 THEN 'user' ELSE 'assistant' END,
                    %s, '[]', 'completed', now()
                FROM unnest(%s::uuid[]) AS id, generate_series(0, %s) AS n
                """,
                [owner, SAID, ids, HISTORY - 1],
            )
        return ids


async def compare(api: Api, bare: Any) -> bool:
    table = Table("turn", "bare SDK", "Turnlog, whole HTTP path", "ratio", "budget")
    fits = True
    for kind, budget in BUDGETS.items():
        ours, theirs = list[float](), list[float]()
        for _ in range(ROUNDS + 1):
            bare.send(kind)
            theirs.append(await asyncio.to_thread(bare.recv))
            ours.append(await api.measure(kind))
        ratios = [mine / other for mine, other in zip(ours[1:], theirs[1:], strict=True)]
        fits &= statistics.median(ratios) <= budget
        spent = [f"{statistics.median(column[1:]) * 1000:.2f} ms" for column in (theirs, ours)]
        table.add_row(kind, *spent, _spread(ratios, "x"), f"{budget}x")
    shares = [100 * await api.measure_readers() for _ in range(ROUNDS)]
    budget = 100 * BUDGET_OF_A_READER
    table.add_row("a further reader", "", "", _spread(shares, " %"), f"{budget:.0f} %")
    Console(width=110).print(table)
    return fits and statistics.median(shares) <= budget


def _spread(found: list[float], unit: str) -> str:
    return f"{statistics.median(found):.2f}{unit} ({min(found):.2f} to {max(found):.2f})"


async def measure(pid: int, url: str, database_url: str, bare: Any) -> bool:
    print(f"{ROUNDS} rounds of {TURNS} turns, one at a time; CPU time a turn, medians")
    async with httpx2.AsyncClient(base_url=url, headers=headers(), timeout=60) as http:
        return await compare(Api(pid, http, database_url), bare)


def main() -> None:
    with (
        database() as database_url,
        child(model_process) as (_, model_url, _),
        child(api_process, settings(database_url, model_url)) as (pid, url, _),
        child(bare_process, model_url) as (_, _, bare),
    ):
        sys.exit(not asyncio.run(measure(pid, url, database_url, bare)))


if __name__ == "__main__":
    main()
