"""One JSON object a line: what a script reads with a loop over lines."""

from typing import Any, Final

from chat_api.runs.events import Event
from chat_api.runs.wire.protocol import Wire, begun, dumps, fallback_frame, final_frame

__all__ = ["NDJSON"]


def _frame(event: Event) -> bytes:
    found = fallback_frame(event) if event.type == "provider.fallback" else _object(event)
    if found is None:
        return b""
    return _bare(found | {"run_id": str(event.run_id), "seq": event.seq})


def _object(event: Event) -> dict[str, Any] | None:
    data, timestamp = event.data, event.at.isoformat()
    match event.type, data.get("kind"):
        case "run.started", _:
            return {"type": "start", **begun(event), "timestamp": timestamp}
        case "attempt", _:
            return {
                "type": "attempt",
                "attempt": data["attempt"],
                "content": data["text"],
                "timestamp": timestamp,
            }
        case "text.delta", _:
            return {"type": "token", "content": data["text"], "timestamp": timestamp}
        case "step.started", "tool":
            return {"type": "tool_call", **_tool(data), "args": data["arguments"], "timestamp": timestamp}
        case "step.finished", "tool":
            result = {"result": data.get("result"), "error": data.get("error")}
            return {"type": "tool_result", **_tool(data), **result, "timestamp": timestamp}
        case (("approval.requested" | "step.updated"), _):
            return _question(event) | {"timestamp": timestamp}
        case (("run.completed" | "run.failed" | "run.cancelled"), _):
            return final_frame(event)
        case _:
            return None


def _question(event: Event) -> dict[str, Any]:
    """What the user is asked about a call, or what they decided."""
    data = event.data
    about = {"step_id": data["step_id"], "args": data.get("arguments"), "reason": data.get("reason")}
    if event.type == "step.updated":
        return {"type": "decision", "decision": data["decision"], **about}
    return {"type": "approval", "tool": data["name"], **about}


def _tool(data: dict[str, Any]) -> dict[str, Any]:
    return {"tool": data["name"], "step_id": data["step_id"]}


def _bare(data: dict[str, Any]) -> bytes:
    return (dumps(data) + "\n").encode()


NDJSON: Final = Wire("ndjson", "application/x-ndjson", _frame, _bare)
