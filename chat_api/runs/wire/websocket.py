"""WebSocket: the objects of the server-sent events, each with its number, each a message."""

from typing import Any, Final

from chat_api.runs.events import Event
from chat_api.runs.wire.protocol import Wire, dumps
from chat_api.runs.wire.sse import data_of

__all__ = ["WEBSOCKET"]


def _frame(event: Event) -> bytes:
    return _bare({**data_of(event), "seq": event.seq})


def _bare(data: dict[str, Any]) -> bytes:
    return dumps(data).encode()


WEBSOCKET: Final = Wire("ws", "application/json", _frame, _bare)
