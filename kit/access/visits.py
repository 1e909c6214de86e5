"""Requests and connections that are under way, so that they can be ended when their person is to be out."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kit.errors import Problem
from kit.tokens import Identity

__all__ = ["Leashed", "Visit", "Visits", "stay"]

Answer: TypeAlias = Callable[[Scope, Problem], ASGIApp]


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """Somebody who is in. `end` has them leave, for a reason."""

    identity: Identity
    end: Callable[[Problem], None]


class Visits:
    """Who is in."""

    def __init__(self) -> None:
        self._open: Final[dict[Visit, None]] = {}

    def __iter__(self) -> Generator[Visit]:
        yield from list(self._open)

    def begin(self, visit: Visit) -> None:
        self._open[visit] = None

    def over(self, visit: Visit) -> None:
        self._open.pop(visit, None)

    @contextmanager
    def visiting(self, identity: Identity, end: Callable[[Problem], None]) -> Generator[None]:
        visit = Visit(identity, end)
        self.begin(visit)
        try:
            yield
        finally:
            self.over(visit)

    def enter(self, identity: Identity) -> None:
        """The request at hand is this person's, if it is a `Leashed` one."""
        leash = _leash.get()
        if leash is not None and leash.visit is None:
            leash.visits, leash.visit = self, Visit(identity, leash.pull)
            self.begin(leash.visit)


class _Leash:
    def __init__(self, timeout: asyncio.Timeout) -> None:
        self._timeout: Final = timeout
        self.why: Problem | None = None
        self.visits: Visits | None = None
        self.visit: Visit | None = None

    def pull(self, why: Problem) -> None:
        if self.why is None:
            self.why = why
            self._timeout.reschedule(asyncio.get_running_loop().time())

    def let_go(self) -> None:
        if self.visits is not None and self.visit is not None:
            self.visits.over(self.visit)


_leash: Final[ContextVar[_Leash | None]] = ContextVar("leash", default=None)


def stay() -> None:
    """Have the request at hand go on to its end, whoever is sent away meanwhile."""
    leash = _leash.get()
    if leash is not None:
        leash.let_go()


class Leashed:
    """Requests to `app` can be ended: those not answered yet with `answer`, and streams where they are.

    A request may leave in its scope what else is to be done: `ended` answers in the place of `answer`, and
    `last_words` makes the end of a stream's body of the problem.
    """

    def __init__(self, app: ASGIApp, *, answer: Answer) -> None:
        self.app = app
        self.answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # asyncio may leave it there from a request that the connection had before.
            _leash.set(None)
            await self.app(scope, receive, send)
            return
        started = False

        async def send_on(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        timeout = asyncio.timeout(None)
        leash = _Leash(timeout)
        before = _leash.set(leash)
        try:
            async with timeout:
                await self.app(scope, receive, send_on)
        except TimeoutError:
            if leash.why is None:
                raise
            if started:
                words: Callable[[Problem], bytes] | None = scope.get("last_words")
                body = b"" if words is None else words(leash.why)
                await send({"type": "http.response.body", "body": body, "more_body": False})
            else:
                answer: Answer = scope.get("ended", self.answer)
                await answer(scope, leash.why)(scope, receive, send)
        finally:
            _leash.reset(before)
            leash.let_go()
