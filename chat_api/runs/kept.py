"""What the log keeps of a model call, and how it is read back."""

from collections.abc import Iterable
from typing import Any

from chat_api.providers.completions import Completion, FunctionCall
from chat_api.runs.events import Event
from chat_api.runs.tool_step import round_of

__all__ = ["completion_of", "fallback_of", "output_of", "rounds_held", "tokens_of"]


def tokens_of(completion: Completion) -> dict[str, Any]:
    """What a call took, for the data of its `step.finished` event."""
    tokens = {
        "input_tokens": completion.input_tokens,
        "output_tokens": completion.output_tokens,
        "estimated": completion.estimated,
    }
    return tokens | ({"cached_tokens": completion.cached_tokens} if completion.cached_tokens else {})


def output_of(completion: Completion) -> dict[str, Any]:
    """What a call that wants tools has said. An answer in words ends the turn, and is kept with its end."""
    if not completion.calls:
        return {}
    calls = [[call.call_id, call.name, call.arguments] for call in completion.calls]
    return {"output": {"text": completion.text, "calls": calls}}


def completion_of(data: dict[str, Any]) -> Completion:
    """The call in the data of its `step.finished` event; of an answer in words, what it took alone."""
    output: dict[str, Any] = data.get("output") or {"text": "", "calls": []}
    return Completion(
        output["text"],
        tuple(FunctionCall(*call) for call in output["calls"]),
        data["input_tokens"],
        data["output_tokens"],
        estimated=data["estimated"],
        cached_tokens=data.get("cached_tokens", 0),
    )


def fallback_of(data: dict[str, Any]) -> dict[str, Any]:
    """Who failed, by the data of a `provider.fallback` event."""
    return {**data["from"], "code": data["code"], "message": data["reason"]}


def rounds_held(events: Iterable[Event]) -> set[int]:
    """The rounds of which no call was made: the user is asked about one first, and has not decided."""
    held = set[int]()
    for event in events:
        match event.type:
            case "approval.requested" if event.data["reason"] == "approval":
                held.add(round_of(event.data["step_id"]))
            case "step.updated":
                held.discard(round_of(event.data["step_id"]))
            case _:
                pass
    return held
