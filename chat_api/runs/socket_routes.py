"""The WebSocket's door: where it comes from, and who it is."""

import asyncio
from contextlib import nullcontext
from typing import Final, cast
from urllib.parse import urlsplit

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from chat_api.auth.limits import for_strangers, limits_of
from chat_api.auth.seats import TooManyConnections
from chat_api.runs.socket import (
    LATER,
    UNAUTHORIZED,
    Away,
    Connection,
    Goodbye,
    farewell,
    receive_text,
)
from chat_api.runs.socket_limits import Limits
from chat_api.runs.socket_messages import Auth, parse, understand
from chat_api.runs.worker import Worker
from kit.access import Door
from kit.errors import Problem
from kit.limits import TooManyRequests
from kit.postgres.errors import AWAY
from kit.tokens import Identity

__all__ = ["converse", "router"]

_PROTOCOL: Final = "turnlog"
_BEARER: Final = "bearer."
_LEEWAY: Final = 5.0

router = APIRouter()


class NoToken(Problem):
    status = 401
    code = "not_signed_in"


@router.websocket("/api/v1/ws")
async def talk(socket: WebSocket) -> None:
    await converse(socket, Limits())


async def converse(socket: WebSocket, limits: Limits) -> None:
    """All that happens on one connection. Its log lines have the id that its handshake is answered with."""
    if not _may_come_from(socket):
        # Before it is accepted: the answer is 403.
        await socket.close()
        return
    offered: list[str] = socket.scope.get("subprotocols", [])
    request_id: str = socket.scope["request_id"]
    await socket.accept(
        _PROTOCOL if _PROTOCOL in offered else None, headers=[(b"x-request-id", request_id.encode())]
    )
    try:
        identity = await _identify(socket, offered, limits.signing_in)
    except WebSocketDisconnect:
        return
    except Goodbye as goodbye:
        await farewell(socket, goodbye)
        return
    worker, rates = cast("Worker", socket.state.worker), limits_of(socket)
    connection = Connection(socket, worker, identity, limits, rates, expires=identity.expires_at + _LEEWAY)
    visits = cast("Door", socket.state.door).access.visits
    try:
        seat = nullcontext() if rates is None else rates.sockets.offer(identity.owner)
    except TooManyConnections as problem:
        await farewell(socket, Goodbye(LATER, problem))
        return
    with seat, visits.visiting(identity, connection.dismiss):
        await connection.run()


def _may_come_from(socket: WebSocket) -> bool:
    """Browsers let any page open a WebSocket, so that it is for us to look."""
    origin = socket.headers.get("origin")
    if origin is None:
        return True
    allowed = cast("list[str]", socket.state.origins)
    return "*" in allowed or origin in allowed or _host_of(origin) == socket.headers.get("host", "").lower()


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


async def _identify(socket: WebSocket, offered: list[str], patience: float) -> Identity:
    """Raises Goodbye, WebSocketDisconnect."""
    door = cast("Door", socket.state.door)
    try:
        token = next((word.removeprefix(_BEARER) for word in offered if word.startswith(_BEARER)), None)
        return await door.identify(await _first_message(socket, patience) if token is None else token)
    except AWAY as error:
        raise Goodbye(LATER, Away()) from error
    except Problem as problem:
        await _count(socket)
        raise Goodbye(UNAUTHORIZED, problem) from problem


async def _count(socket: WebSocket) -> None:
    """Count somebody who has shown no good token. Raises Goodbye where there were too many of them."""
    try:
        await for_strangers(socket)
    except TooManyRequests as problem:
        raise Goodbye(LATER, problem) from problem
    except AWAY as error:
        raise Goodbye(LATER, Away()) from error


async def _first_message(socket: WebSocket, patience: float) -> str:
    try:
        async with asyncio.timeout(patience):
            text = await receive_text(socket)
    except TimeoutError as error:
        raise NoToken("Send a token within ten seconds.") from error
    message = understand(parse(text), text)
    if not isinstance(message, Auth):
        raise NoToken("The first message is to be auth, with a token.")
    return message.token
