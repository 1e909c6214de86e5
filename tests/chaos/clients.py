"""Clients that do not give up: each turn is sent with its key until it has ended."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, TypeAlias
from uuid import uuid4

import httpx2

from tests.chaos.words import TROUBLE
from tests.servers import token_for

__all__ = ["Turn", "take", "turns_of"]

Way: TypeAlias = Literal["whole", "twice", "stream", "async", "cancel"]

_USERS = 20
_TROUBLE = 0.05
_FOLLOWING = 0.4
_INTERRUPTING = 0.3
_GIVES_UP_AFTER = 180.0
_PAUSE = 0.3
# By the second, a driver that died meanwhile has been missed, and its turn is being taken over.
_CANCELS_AFTER = ((0.0, 2.0), (4.0, 12.0))
_TIMEOUT = httpx2.Timeout(20, connect=2)


@dataclass
class Turn:
    """One turn, and what its client came to know. `text` is what the client saw of a stream to its end.

    It comes `after` another one of its conversation, which it waits for or, if it `interrupts`, cancels.
    """

    user: str
    message: str
    way: Way
    after: "Turn | None" = None
    interrupts: bool = False
    interrupted: bool = False
    conversation_id: str | None = None
    key: str = field(default_factory=lambda: uuid4().hex)
    run_ids: set[str] = field(default_factory=set[str])
    acknowledged: bool = False
    ended: bool = False
    text: str | None = None
    resumed: int = 0
    sent: int = 0

    @property
    def title(self) -> str | None:
        """Of the todo that the turn is to add."""
        verb, _, title = self.message.partition(" ")
        return title if verb in {"add", "slow"} else None

    @property
    def body(self) -> dict[str, Any]:
        if self.after is None or self.after.conversation_id is None:
            return {"message": self.message}
        if_busy = "interrupt" if self.interrupts else "enqueue"
        return {
            "message": self.message,
            "conversation_id": self.after.conversation_id,
            "if_busy": if_busy,
        }

    def learn(self, response: httpx2.Response) -> None:
        run_id = response.headers.get("X-Run-ID")
        self.conversation_id = response.headers.get("X-Conversation-ID") or self.conversation_id
        if run_id:
            self.run_ids.add(run_id)
        if run_id or response.is_success:
            self.acknowledged = True


def turns_of(count: int, random: Random) -> list[Turn]:
    ways: list[Way] = ["whole", "whole", "twice", "stream", "stream", "async", "cancel", "cancel"]
    turns: list[Turn] = []
    for number in range(count):
        way = random.choice(ways)
        verb = "slow" if way == "cancel" else "add"
        if random.random() < _TROUBLE:
            verb = random.choice(TROUBLE)
        turn = Turn(f"user{number % _USERS}", f"{verb} todo {number}", way)
        # The others hear of their conversation when they are over.
        if turns and turns[-1].way in {"stream", "async", "cancel"} and random.random() < _FOLLOWING:
            _follow(turn, turns[-1], interrupts=random.random() < _INTERRUPTING)
        turns.append(turn)
    return turns


def _follow(turn: Turn, before: Turn, *, interrupts: bool) -> None:
    turn.user, turn.after, turn.interrupts = before.user, before, interrupts
    waiting: Turn | None = before
    while interrupts and waiting is not None:
        waiting.interrupted, waiting = True, waiting.after


async def take(turn: Turn, urls: list[str], random: Random) -> None:
    """Send the turn until it has ended, at another replica whenever one does not answer."""
    async with httpx2.AsyncClient(trust_env=False, timeout=_TIMEOUT) as http:
        client = _Client(turn, urls, random, http)
        try:
            async with asyncio.timeout(_GIVES_UP_AFTER):
                while turn.after and not (turn.after.conversation_id or turn.after.ended):  # noqa: ASYNC110
                    await asyncio.sleep(_PAUSE)
                while not turn.ended:
                    await client.send()
                    if not turn.ended:
                        await asyncio.sleep(_PAUSE)
        except TimeoutError:
            pass
        finally:
            client.leave()


class _Client:
    def __init__(self, turn: Turn, urls: list[str], random: Random, http: httpx2.AsyncClient) -> None:
        self._turn = turn
        self._urls = urls
        self._random = random
        self._http = http
        self._at = random.randrange(len(urls))
        self._seen = 0
        self._said: list[str] = []
        self._cancelling: asyncio.Task[None] | None = None

    async def send(self) -> None:
        self._turn.sent += 1
        self._at += 1
        match self._turn.way:
            case "twice" if self._turn.sent == 1:
                await asyncio.gather(self._whole(self._at), self._whole(self._at + 1))
            case "stream":
                await self._stream()
            case "async" if self._turn.acknowledged:
                await self._look()
            case "cancel" if self._turn.acknowledged:
                self._cancelling = self._cancelling or asyncio.create_task(self._cancel())
                await self._stream()
            case "async" | "cancel":
                await self._whole(self._at, Prefer="respond-async")
            case _:
                await self._whole(self._at)

    def _url(self, at: int) -> str:
        return self._urls[at % len(self._urls)]

    @property
    def _chat(self) -> str:
        return f"/api/{self._turn.user}/chat"

    def _headers(self, **more: str) -> dict[str, str]:
        token = token_for(self._turn.user)
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": self._turn.key} | more

    async def _whole(self, at: int, **more: str) -> None:
        try:
            response = await self._http.post(
                self._url(at) + self._chat,
                json=self._turn.body,
                headers=self._headers(**more),
            )
        except httpx2.TransportError:
            return
        self._turn.learn(response)
        if response.status_code in {200, 202}:
            data = response.json()["data"]
            self._turn.run_ids.add(data["run_id"])
            self._turn.ended = response.status_code == 200
        else:
            self._refused(response)

    def _refused(self, response: httpx2.Response) -> None:
        """A failure that is kept with a run names it; any other is met again later."""
        is_json = "json" in response.headers.get("Content-Type", "")
        error: dict[str, Any] = response.json()["error"] if is_json else {}
        run_id = error["details"].get("run_id") if error.get("details") else None
        if run_id:
            self._turn.run_ids.add(run_id)
            self._turn.acknowledged = True
            self._turn.ended = error.get("code") != "interrupted"

    async def _look(self) -> None:
        run_id = next(iter(self._turn.run_ids))
        try:
            url = f"{self._url(self._at)}/api/v1/runs/{run_id}"
            response = await self._http.get(url, headers=self._headers())
        except httpx2.TransportError:
            return
        if response.status_code == 200:
            self._turn.ended = response.json()["status"] in {"completed", "failed", "cancelled"}

    async def _cancel(self) -> None:
        """Stop the turn at some moment: at one replica after another, until one has answered."""
        run_id, at, sent = next(iter(self._turn.run_ids)), self._random.randrange(len(self._urls)), False
        await asyncio.sleep(self._random.uniform(*self._random.choice(_CANCELS_AFTER)))
        while not sent:
            at += 1
            with suppress(httpx2.TransportError):
                url = f"{self._url(at)}/api/v1/runs/{run_id}/cancel"
                sent = (await self._http.post(url, headers=self._headers())).status_code == 200
            await asyncio.sleep(_PAUSE)

    def leave(self) -> None:
        if self._cancelling is not None:
            self._cancelling.cancel()

    async def _stream(self) -> None:
        """Begin the stream, or go on with it from the last event that came."""
        turn, at = self._turn, self._url(self._at)
        headers = self._headers(Accept="text/event-stream")
        if turn.run_ids:
            turn.resumed += 1
            headers["Last-Event-ID"] = str(self._seen)
            url = f"{at}/api/v1/runs/{next(iter(turn.run_ids))}/events"
            request = self._http.stream("GET", url, headers=headers)
        else:
            request = self._http.stream("POST", at + self._chat, json=turn.body, headers=headers)
        try:
            async with request as response:
                if response.status_code != 200:
                    await response.aread()
                    self._refused(response)
                    return
                turn.learn(response)
                await self._read(_frames(response))
        except httpx2.TransportError:
            return

    async def _read(self, frames: AsyncIterator[tuple[int | None, dict[str, Any]]]) -> None:
        async for number, data in frames:
            match data["type"]:
                case "attempt":
                    self._said = [data["content"]]
                case "token":
                    self._said.append(data["content"])
                # One without a number is a replica's farewell.
                case "done" | "error" if number is not None:
                    self._turn.text = "".join(self._said)
                    self._turn.ended = True
                case _:
                    pass
            # Only a whole frame counts as seen.
            self._seen = number or self._seen


async def _frames(response: httpx2.Response) -> AsyncIterator[tuple[int | None, dict[str, Any]]]:
    number = None
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "id":
            number = int(value)
        elif name == "data":
            yield number, json.loads(value)
            number = None
