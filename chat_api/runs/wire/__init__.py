"""The log on the wire: one encoder a protocol, event in, frame out."""

from chat_api.runs.wire.ndjson import NDJSON
from chat_api.runs.wire.protocol import Wire
from chat_api.runs.wire.sse import SSE

__all__ = ["NDJSON", "SSE", "Wire"]
