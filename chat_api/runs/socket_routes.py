"""The WebSocket's door: where it comes from, and who it is."""

import asyncio
from typing import Final, cast
from urllib.parse import urlsplit

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from chat_api.runs.socket import UNAUTHORIZED, Connection, Goodbye, farewell, receive_text
from chat_api.runs.socket_messages import Auth, parse, understand
from chat_api.runs.worker import Worker
from kit.errors import Problem
from kit.tokens import Identity, Verifier

__all__ = ["router"]

_PROTOCOL: Final = "turnlog"
_BEARER: Final = "bearer."
_PATIENCE: Final = 10.0
_LEEWAY: Final = 5.0

router = APIRouter()


class NoToken(Problem):
    status = 401
    code = "not_signed_in"


@router.websocket("/api/v1/ws")
async def talk(socket: WebSocket) -> None:
    if not _may_come_from(socket):
        # Before it is accepted: the answer is 403.
        await socket.close()
        return
    offered: list[str] = socket.scope.get("subprotocols", [])
    await socket.accept(_PROTOCOL if _PROTOCOL in offered else None)
    try:
        identity = await _identify(socket, offered)
    except WebSocketDisconnect:
        return
    except Goodbye as goodbye:
        await farewell(socket, goodbye)
        return
    expires = float(identity.claims["exp"]) + _LEEWAY
    await Connection(socket, cast("Worker", socket.state.worker), identity, expires=expires).run()


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


async def _identify(socket: WebSocket, offered: list[str]) -> Identity:
    """Raises Goodbye, WebSocketDisconnect."""
    verifier = cast("Verifier", socket.state.verifier)
    try:
        token = next((word.removeprefix(_BEARER) for word in offered if word.startswith(_BEARER)), None)
        return verifier.verify(await _first_message(socket) if token is None else token)
    except Problem as problem:
        raise Goodbye(UNAUTHORIZED, problem) from problem


async def _first_message(socket: WebSocket) -> str:
    try:
        async with asyncio.timeout(_PATIENCE):
            text = await receive_text(socket)
    except TimeoutError as error:
        raise NoToken("Send a token within ten seconds.") from error
    message = understand(parse(text), text)
    if not isinstance(message, Auth):
        raise NoToken("The first message is to be auth, with a token.")
    return message.token
