"""How well the built-in local model uses our tools: `make local-model`, several minutes.

The real thing over HTTP: the API with its tool server, Postgres and files, and the model's own server. Only
the web is a stand-in, on loopback. It ends with 1 below the goals.

A prompt has the right tool when its first call, besides the lookups that the case allows, is the expected
one (or there is none, where none is needed), and nothing is changed but by that tool, and once. It has the
right arguments when the last call of that tool passes the check of the case. A turn is sane when it makes
the calls that the case names and no others, without an error, and answers in words that hold the fact
asked for, with no piece of a call in them.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, Final

import httpx2
import jwt
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from pydantic import HttpUrl

from benchmarks.local_model_cases import CONVERSATIONS, FILES, PROMPTS, TODOS, ZONE, Prompt, Turn
from chat_api.commands.model import fetch_model
from chat_api.commands.serve import listen, run_api
from chat_api.providers import local
from chat_api.settings import Settings
from mcp_server.scopes import ALL

# Of 30 prompts, 30 prompts and 15 turns.
TOOLS_GOAL: Final = 28
ARGUMENTS_GOAL: Final = 25
SANE_GOAL: Final = 12

_PIECES_OF_A_CALL: Final = ("```json", '"arguments"', "tool_response", "tool_call", "<tools>")


@dataclass(slots=True)
class Outcome:
    answer: str
    calls: list[dict[str, Any]]
    seconds: float
    conversation_id: str | None = None
    error: str = ""

    def of(self, tool: str | None) -> list[dict[str, Any]]:
        return [call for call in self.calls if call["tool"] == tool]


@dataclass(slots=True)
class Bench:
    settings: Settings
    base_url: str
    users: int = 0
    changing: set[str] = field(default_factory=set[str])

    @asynccontextmanager
    async def user(self) -> AsyncGenerator["User"]:
        """A new user, who has FILES and TODOS."""
        self.users += 1
        name = f"user{self.users}"
        async with (
            self._http(name, self.settings.mcp_audience) as http,
            Client(streamable_http_client(f"{self.base_url}/mcp", http_client=http)) as client,
        ):
            for path, content in FILES.items():
                await client.call_tool("write_file", {"path": path, "content": content})
            for todo in TODOS:
                await client.call_tool("add_todo", dict(todo))
            listed = (await client.list_tools()).tools
        self.changing = {
            tool.name for tool in listed if not (tool.annotations and tool.annotations.read_only_hint)
        }
        async with self._http(name, self.settings.jwt_audience) as http:
            yield User(name, http)

    def _http(self, name: str, audience: str) -> httpx2.AsyncClient:
        token = token_of(self.settings, name, audience)
        return httpx2.AsyncClient(
            base_url=self.base_url, headers={"Authorization": f"Bearer {token}"}, timeout=300, trust_env=False
        )


@dataclass(slots=True)
class User:
    name: str
    http: httpx2.AsyncClient

    async def ask(self, text: str, conversation_id: str | None = None) -> Outcome:
        """Take one turn."""
        started = time.monotonic()
        body = {"message": text} | ({"conversation_id": conversation_id} if conversation_id else {})
        answer = (await self.http.post(f"/api/{self.name}/chat", json=body)).json()
        seconds = time.monotonic() - started
        if not answer["success"]:
            return Outcome("", [], seconds, conversation_id, answer["message"])
        data = answer["data"]
        return Outcome(data["response"], data["tool_calls"], seconds, data["conversation_id"])


def right_tool(prompt: Prompt, outcome: Outcome, changing: set[str]) -> bool:
    names = [call["tool"] for call in outcome.calls]
    changed = [call["tool"] for call in outcome.calls if call["tool"] in changing and "error" not in call]
    if outcome.error or prompt.tool is None:
        return not outcome.error and not names
    wanted = [name for name in names if name not in prompt.first]
    return wanted[:1] == [prompt.tool] and len(changed) <= 1 and set(changed) <= {prompt.tool}


def right_arguments(prompt: Prompt, outcome: Outcome) -> bool:
    if prompt.tool is None:
        return not outcome.calls
    calls = outcome.of(prompt.tool)
    return bool(calls) and prompt.check(calls[-1])


def sane(turn: Turn, outcome: Outcome) -> bool:
    names = {call["tool"] for call in outcome.calls}
    known = {turn.tool, *turn.allowed}
    calls = outcome.of(turn.tool)
    called = turn.tool is None or (bool(calls) and "error" not in calls[-1] and turn.check(calls[-1]))
    in_words = bool(outcome.answer.strip()) and not any(
        piece in outcome.answer for piece in _PIECES_OF_A_CALL
    )
    return not outcome.error and names <= known and called and in_words and turn.says(outcome.answer)


def _shown(call: dict[str, Any]) -> str:
    arguments = json.dumps(call["args"], ensure_ascii=False)
    return f"{call['tool']}({arguments}){' failed' if 'error' in call else ''}"


def row(passed: str, seconds: float, text: str, wanted: str, outcome: Outcome) -> None:
    calls = "; ".join(_shown(call) for call in outcome.calls)
    answer = " ".join((outcome.error or outcome.answer).split())
    print(
        f"{passed:10} {seconds:5.1f} s  {text}\n{'':19}wanted  {wanted}\n{'':19}called  {calls or 'nothing'}"
    )
    print(f"{'':19}said    {answer[:300]}", flush=True)


async def one_turn(bench: Bench) -> tuple[int, int]:
    tools = arguments = 0
    for prompt in PROMPTS:
        async with bench.user() as user:
            outcome = await user.ask(prompt.text)
        tool = right_tool(prompt, outcome, bench.changing)
        argument = tool and right_arguments(prompt, outcome)
        tools += tool
        arguments += argument
        passed = "pass" if argument else "arguments" if tool else "TOOL"
        row(passed, outcome.seconds, prompt.text, f"{prompt.tool or 'no tool'}: {prompt.wanted}", outcome)
    return tools, arguments


async def conversations(bench: Bench) -> int:
    good = 0
    for turns in CONVERSATIONS:
        conversation_id: str | None = None
        async with bench.user() as user:
            for turn in turns:
                outcome = await user.ask(turn.text, conversation_id)
                conversation_id = outcome.conversation_id
                passed = sane(turn, outcome)
                good += passed
                wanted = turn.tool or f"no tool, or {', '.join(turn.allowed)}"
                row("sane" if passed else "NOT SANE", outcome.seconds, turn.text, wanted, outcome)
    return good


class SearxngStub(BaseHTTPRequestHandler):
    """A SearXNG that has one thing to say about anything."""

    def do_GET(self) -> None:
        found = {
            "title": "A page about it",
            "url": "https://example.com/",
            "content": "All there is to know.",
        }
        body = json.dumps({"results": [found]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def searxng() -> Generator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), SearxngStub) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


SECRET: Final = "the secret of the benchmark's token issuer"


def token_of(settings: Settings, name: str, audience: str) -> str:
    issued = int(time.time())
    claims = {"iss": settings.jwt_issuer, "aud": audience, "sub": name, "iat": issued, "exp": issued + 3600}
    return jwt.encode(claims | {"zoneinfo": ZONE.key, "scope": ALL}, SECRET, algorithm="HS256")


@asynccontextmanager
async def prepared() -> AsyncGenerator[Bench]:
    model = fetch_model(Settings())
    with TemporaryDirectory() as folder, searxng() as search_url:
        settings = Settings(
            data_dir=Path(folder),
            api_port=0,
            jwt_secret_key=SECRET,
            default_provider="local",
            search_backend="searxng",
            searxng_url=HttpUrl(search_url),
        )
        listener = listen(settings)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        ready = asyncio.Event()
        async with local.run_local_model(model) as served:
            api = asyncio.create_task(run_api(settings, served, listener, on_ready=ready.set))
            await ready.wait()
            try:
                yield Bench(settings, address)
            finally:
                api.cancel()
                await asyncio.gather(api, return_exceptions=True)


async def main() -> int:
    async with prepared() as bench:
        tools, arguments = await one_turn(bench)
        good = await conversations(bench)
    turns = sum(map(len, CONVERSATIONS))
    print(f"right tools      {tools} of {len(PROMPTS)}, goal {TOOLS_GOAL}")
    print(f"right arguments  {arguments} of {len(PROMPTS)}, goal {ARGUMENTS_GOAL}")
    print(f"sane turns       {good} of {turns}, goal {SANE_GOAL}")
    return int(tools < TOOLS_GOAL or arguments < ARGUMENTS_GOAL or good < SANE_GOAL)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
