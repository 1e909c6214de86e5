"""A call of a tool that a model wants, and what became of it."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from chat_api.providers.tool_calls import arguments_of

__all__ = ["Call", "ToolStep", "event_data", "round_of"]

Call: TypeAlias = dict[str, Any]
"""What is kept of a call that has ended."""


@dataclass(slots=True)
class ToolStep:
    """A call that the model wants, with its `wanted` arguments as JSON.

    `started`: it may have happened. `unseen`: so it may though the log does not say that it was begun, which
    is not waited for where a call does no harm twice. `approved` is what the user decided since, with a
    `reason`, and `changed` the arguments that they put in place of the model's; `calls` counts what it has
    been so far.
    """

    step_id: str
    name: str
    wanted: str
    started: bool = False
    unseen: bool = False
    outcome: Call | None = None
    approved: bool | None = None
    reason: str | None = None
    changed: dict[str, Any] | None = None
    calls: int = 1

    @property
    def round(self) -> int:
        """The number of the model call that wants it."""
        return round_of(self.step_id)

    @property
    def may_have_happened(self) -> bool:
        """Whether an attempt may have made it, and nobody knows what came of it."""
        return self.outcome is None and (self.started or (self.unseen and self.approved is not False))

    @property
    def arguments(self) -> dict[str, Any]:
        """Those that the model wants, as they can be kept."""
        return arguments_of(self.wanted)

    @property
    def is_open(self) -> bool:
        """Whether it is to be done, and the user has not decided about it."""
        return self.outcome is None and self.approved is None

    def learn(self, type_: str, data: dict[str, Any]) -> None:
        """Take what a `step.started` or `step.finished` event has."""
        if type_ == "step.started":
            self.started, self.approved = True, None
        else:
            self.outcome = _outcome_of(data)

    def decide(self, data: dict[str, Any]) -> None:
        """Take what the user decided, as a `step.updated` event has it."""
        self.approved = data["decision"] == "approve"
        self.reason = data.get("reason")
        if data.get("arguments") is not None:
            self.changed = data["arguments"]
            # With other arguments than those that may have been used, it is another call.
            self.calls += self.started

    def refuse(self, error: str, arguments: dict[str, Any]) -> Call:
        """Keep as its outcome that it was not made, or not as far as anybody knows."""
        self.outcome = {"tool": self.name, "args": arguments, "result": None, "error": error}
        if self.changed is not None:
            self.outcome |= {"args": self.changed, "changed": True}
        return self.outcome


def round_of(step_id: str) -> int:
    return int(step_id.partition(".")[0])


def event_data(step_id: str, call: Call) -> dict[str, Any]:
    """What the log keeps of a call that was refused."""
    return {
        "step_id": step_id,
        "kind": "tool",
        "name": call["tool"],
        "arguments": call["args"],
        "result": call["result"],
        "error": call["error"],
        "latency_ms": 0.0,
    } | ({"changed": True} if call.get("changed") else {})


def _outcome_of(data: dict[str, Any]) -> Call:
    """The call in the data of its `step.finished` event."""
    return {
        "tool": data["name"],
        "args": data["arguments"],
        "result": data.get("result"),
        "error": data.get("error"),
    } | ({"changed": True} if data.get("changed") else {})
