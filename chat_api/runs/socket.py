"""One WebSocket connection of somebody who is known: what the client says, and what is done about it."""

import asyncio
import time
from traceback import format_exception
from typing import Any, Final
from uuid import UUID

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from chat_api.auth.limits import Kind
from chat_api.auth.limits import Limits as Rates
from chat_api.auth.scopes import READ, WRITE
from chat_api.runs import service
from chat_api.runs.socket_follows import Follows, Stopping
from chat_api.runs.socket_limits import Limits
from chat_api.runs.socket_line import Line, TooSlow
from chat_api.runs.socket_messages import (
    Ack,
    Auth,
    BadMessage,
    Cancel,
    Chat,
    Message,
    Ping,
    Subscribe,
    Unsubscribe,
    id_of,
    parse,
    understand,
)
from chat_api.runs.worker import Worker
from kit.errors import Problem
from kit.postgres.errors import AWAY
from kit.tokens import Identity, InvalidToken

__all__ = ["LATER", "UNAUTHORIZED", "Away", "Connection", "Goodbye", "farewell", "receive_text"]

UNAUTHORIZED: Final = 4401
_UNSUPPORTED: Final = 1003
_NONSENSE: Final = 1008
_FAULT: Final = 1011
_RESTART: Final = 1012
LATER: Final = 1013
_MOST_NONSENSE: Final = 20
_MOST_CANCELS: Final = 20
_CLOSING: Final = 1.0
_log = structlog.get_logger(__name__)

_Id = str | int | None


class Goodbye(Exception):
    """The connection is to be closed, with a word about it where there is a problem."""

    def __init__(self, code: int, problem: Problem | None = None) -> None:
        super().__init__(code)
        self.code: Final = code
        self.problem: Final = problem


class Busy(Problem):
    status = 429
    code = "too_many_requests"


class Away(Problem):
    status = 503
    code = "database_unavailable"

    def __init__(self) -> None:
        super().__init__("The database cannot be reached right now; try again in a moment.")


async def receive_text(socket: WebSocket) -> str:
    """Raises WebSocketDisconnect, Goodbye."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006))
    text = message.get("text")
    if text is None:
        raise Goodbye(_UNSUPPORTED, BadMessage("Messages are text, not binary."))
    return text


async def farewell(socket: WebSocket, goodbye: Goodbye) -> None:
    """Say why, if the client still takes anything, and close."""
    try:
        async with asyncio.timeout(_CLOSING):
            if goodbye.problem is not None:
                await Line(socket, Limits()).say(**_error(goodbye.problem, None))
            await socket.close(goodbye.code)
    except (TimeoutError, TooSlow, WebSocketDisconnect, RuntimeError):
        # It has left already; RuntimeError is how Starlette says so.
        pass


def _error(problem: Problem, id_: _Id) -> dict[str, Any]:
    frame = {"type": "error", "id": id_, "code": problem.code, "message": problem.message}
    return frame if problem.details is None else {**frame, "details": problem.details}


class Connection:
    """Lives until the client leaves, its token expires, it takes nothing, or this process stops."""

    def __init__(
        self,
        socket: WebSocket,
        worker: Worker,
        identity: Identity,
        limits: Limits,
        rates: Rates | None,
        *,
        expires: float,
    ) -> None:
        self._rates: Final = rates
        self._socket: Final = socket
        self._worker: Final = worker
        self._identity: Final = identity
        self._expires: Final = expires
        self._line: Final = Line(socket, limits)
        self._end: Final[asyncio.Future[BaseException]] = asyncio.get_running_loop().create_future()
        self._follows: Final = Follows(worker, identity.owner, self._line, limits, self._fail)
        self._nonsense = 0
        self._cancels = 0
        self._bound: Final[set[UUID]] = set()

    async def run(self) -> None:
        try:
            with self._worker.hub.watching(self._identity.owner, self._follows.news):
                for job in (self._read(), self._line.beat_forever(), self._expire()):
                    self._follows.spawn(job)
                why = await self._end
            if isinstance(why, WebSocketDisconnect):
                await self._left(why.code)
        finally:
            await self._follows.close()
        if not isinstance(why, WebSocketDisconnect):
            await farewell(self._socket, _goodbye(why))

    def dismiss(self, problem: Problem) -> None:
        """End the connection, for what its token is good for no more."""
        self._fail(Goodbye(UNAUTHORIZED, problem))

    def _fail(self, error: BaseException) -> None:
        if not self._end.done():
            self._end.set_result(error)

    async def _left(self, code: int) -> None:
        """Cancel the turns that were to end with their client; one that we sent away comes back."""
        if code == _RESTART or self._worker.stopping:
            return
        cancels = [self._stop(run_id) for run_id in self._bound if not self._follows.is_over(run_id)]
        await asyncio.gather(*cancels, return_exceptions=True)

    async def _stop(self, run_id: UUID) -> str:
        return (await service.cancel(self._worker, self._identity.owner, run_id)).status

    async def _expire(self) -> None:
        await asyncio.sleep(max(0.0, self._expires - time.time()))
        raise Goodbye(UNAUTHORIZED, InvalidToken("The token has expired; get a new one."))

    async def _read(self) -> None:
        while True:
            await self._heed(await receive_text(self._socket))

    async def _heed(self, text: str) -> None:
        id_: _Id = None
        try:
            found = parse(text)
            id_ = id_of(found)
            message = understand(found, text)
            self._nonsense = 0
            await self._act(message)
        except BadMessage as problem:
            self._nonsense += 1
            if self._nonsense >= _MOST_NONSENSE:
                raise Goodbye(_NONSENSE, problem) from problem
            await self._line.say(**_error(problem, id_))
        except Problem as problem:
            await self._line.say(**_error(problem, id_))
        except AWAY:
            await self._line.say(**_error(Away(), id_))

    async def _act(self, message: Message) -> None:
        match message:
            case Ping():
                await self._line.say(type="pong", id=message.id)
            case Ack():
                self._line.ack(message.run_id, message.seq)
            case Subscribe():
                self._identity.require(READ)
                await self._count("read")
                await self._follows.subscribe(message, lambda: self._confirm("subscribed", message))
            case Unsubscribe():
                self._follows.unsubscribe(message.key)
                await self._confirm("unsubscribed", message)
            case Chat():
                self._identity.require(WRITE)
                await self._chat(message)
            case Cancel():
                self._identity.require(WRITE)
                await self._count("create")
                await self._cancel(message)
            case Auth():
                raise BadMessage("Who you are is known; another token needs another connection.")

    async def _count(self, kind: Kind) -> None:
        """Count what a request would be counted as. Raises TooManyRequests."""
        if self._rates is not None:
            await self._rates.hit(kind, self._identity, "")

    async def _confirm(self, type_: str, message: Subscribe | Unsubscribe) -> None:
        named = message.model_dump(
            mode="json", include={"id", "scope", "run_id", "conversation_id"}, exclude_none=True
        )
        await self._line.say(type=type_, **{"id": None, **named})

    async def _chat(self, message: Chat) -> None:
        key = message.idempotency_key
        async with service.admitted(self._worker, self._identity, key):
            started, _ = await service.start(self._worker, self._identity, message, key)
        run_id = started.run_id
        if message.on_disconnect == "cancel":
            self._bound.add(run_id)
        await self._line.say(
            type="accepted",
            id=message.id,
            run_id=str(run_id),
            conversation_id=str(started.conversation_id),
        )
        self._follows.begin(run_id, 0, ("chat", run_id), again=not started.mine)

    async def _cancel(self, message: Cancel) -> None:
        await service.get_owned(self._worker.deps.db, self._identity.owner, message.run_id)
        if self._cancels >= _MOST_CANCELS:
            raise Busy("Too many runs are being cancelled; try again in a moment.")
        self._cancels += 1
        self._follows.spawn(self._cancel_and_tell(message))

    async def _cancel_and_tell(self, message: Cancel) -> None:
        try:
            status = await self._stop(message.run_id)
            await self._line.say(type="cancelled", id=message.id, run_id=str(message.run_id), status=status)
        except Problem as problem:
            await self._line.say(**_error(problem, message.id))
        finally:
            self._cancels -= 1


def _goodbye(why: BaseException) -> Goodbye:
    match why:
        case Goodbye():
            return why
        case Stopping():
            return Goodbye(_RESTART)
        case TooSlow():
            return Goodbye(LATER)
        case _ if isinstance(why, AWAY):
            return Goodbye(LATER, Away())
        case _:
            _log.error("socket_failed", exception="".join(format_exception(why)))
            return Goodbye(_FAULT)
