"""What an encoder is, and what all of them share."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from chat_api.runs.events import Event
from kit.errors import Problem
from kit.postgres.tables import now

__all__ = ["Wire", "begun", "dumps", "encode", "fallback_frame", "final_frame"]


@dataclass(frozen=True, slots=True)
class Wire:
    """A way to stream a run. `frame` makes bytes of an event, none where the wire does not tell of it.

    `bare` makes those of an object that is no event, and has no number; `opening` is what comes before all.
    """

    name: str
    media_type: str
    frame: Callable[[Event], bytes]
    bare: Callable[[dict[str, Any]], bytes]
    opening: bytes = b""

    def heartbeat(self) -> bytes:
        """What is sent while nothing happens."""
        return self.bare({"type": "heartbeat", "timestamp": now().isoformat()})

    def parting(self, run_id: str, problem: Problem) -> bytes:
        """The end of a stream whose reader may read no further, whatever becomes of the run."""
        told = {"code": problem.code, "message": problem.message, "timestamp": now().isoformat()}
        return self.bare({"type": "error", "run_id": run_id, **told})


def encode(wire: Wire, events: Iterable[Event]) -> bytes:
    """The frames of all `events`; each is made once for all readers of this process."""
    return b"".join([event.frames.get(wire.name) or _made(wire, event) for event in events])


def _made(wire: Wire, event: Event) -> bytes:
    frame = event.frames[wire.name] = wire.frame(event)
    return frame


def dumps(value: dict[str, Any]) -> str:
    """JSON on one line for every reader: what some take for the end of a line, as U+2028, is escaped."""
    return json.dumps(value, separators=(",", ":"))


def begun(event: Event) -> dict[str, Any]:
    """What the first frame of a run says on every wire; of another answer to a message, no message."""
    return {name: event.data.get(name) for name in ("conversation_id", "user_message_id")}


def fallback_frame(event: Event) -> dict[str, Any]:
    """`fallback`: another provider is asked, on every wire."""
    return {"type": "fallback", "timestamp": event.at.isoformat(), **event.data}


def final_frame(event: Event) -> dict[str, Any]:
    """`done` or `error`: the last frame of a run on every wire."""
    data = event.data
    common = {"run_id": str(event.run_id), "conversation_id": data["conversation_id"]}
    if event.type == "run.failed":
        error = data["error"]
        return {
            "type": "error",
            **common,
            "code": error["code"],
            "message": error["message"],
            "message_id": data["message_id"],
            "timestamp": event.at.isoformat(),
        }
    usage = data["usage"]
    return {
        "type": "done",
        **common,
        "thread_id": data["conversation_id"],
        "status": event.type.removeprefix("run."),
        "message_id": data["message_id"],
        "usage": usage,
        "tokens_used": usage["total_tokens"] if usage else 0,
        "timestamp": event.at.isoformat(),
    }
