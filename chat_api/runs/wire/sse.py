"""Server-sent events (WHATWG HTML, section 9.2): `id` is the event's number, `data` a JSON object."""

from typing import Any, Final

from chat_api.runs.events import DELTA, Event
from chat_api.runs.wire.protocol import Wire, begun, dumps, fallback_frame, final_frame

__all__ = ["SSE"]

_STEP: Final = {"step.started": "trace_start", "step.updated": "trace_update", "step.finished": "trace_end"}


def _frame(event: Event) -> bytes:
    if event.type == DELTA:
        # The one frame that there are thousands of.
        text = dumps({"content": event.data["text"]})[1:]
        return (
            f'id: {event.seq}\ndata: {{"type":"token","run_id":"{event.run_id}",'
            f'"step_id":"{event.data["step_id"]}","timestamp":"{event.at.isoformat()}",{text}\n\n'
        ).encode()
    return f"id: {event.seq}\ndata: {dumps(data_of(event))}\n\n".encode()


def data_of(event: Event) -> dict[str, Any]:
    """The object that the frame of `event` carries."""
    common = {"run_id": str(event.run_id), "timestamp": event.at.isoformat()}
    data = event.data
    match event.type:
        case "run.started":
            return {"type": "start", **common, **begun(event)}
        case "attempt":
            return {"type": "attempt", **common, "attempt": data["attempt"], "content": data["text"]}
        case "text.delta":
            return {"type": "token", **common, "step_id": data["step_id"], "content": data["text"]}
        case "step.started" | "step.updated" | "step.finished":
            # What a model said is in the tokens already.
            shown = {name: value for name, value in data.items() if name != "output"}
            return {"type": _STEP[event.type], **common, **shown}
        case "provider.fallback":
            return {**fallback_frame(event), **common}
        case "usage":
            return {"type": "usage", **common, "usage": data}
        case "approval.requested":
            asked = {name: data.get(name) for name in ("step_id", "name", "arguments", "reason")}
            return {"type": "approval", **common, **asked}
        case _:
            return final_frame(event)


def _bare(data: dict[str, Any]) -> bytes:
    return f"data: {dumps(data)}\n\n".encode()


SSE: Final = Wire("sse", "text/event-stream; charset=utf-8", _frame, _bare, opening=b"retry: 1000\n\n")
