"""WebSocket: the objects of the server-sent events, each with its number, each a message."""

from typing import Final

from chat_api.runs.events import Event
from chat_api.runs.wire.protocol import Wire, dumps
from chat_api.runs.wire.sse import data_of
from kit.postgres.tables import now

__all__ = ["WEBSOCKET"]


def _frame(event: Event) -> bytes:
    return dumps({**data_of(event), "seq": event.seq}).encode()


def _heartbeat() -> bytes:
    return dumps({"type": "heartbeat", "timestamp": now().isoformat()}).encode()


WEBSOCKET: Final = Wire("ws", "application/json", _frame, _heartbeat)
