"""What a model is sent of a conversation: whole turns, the newest that fit, rebuilt from our rows."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from chat_api.conversations.models import Message

__all__ = ["Item", "to_items"]

Item: TypeAlias = dict[str, Any]
"""An input item of the OpenAI Responses API."""

_CHARACTERS_A_TOKEN: Final = 4


def to_items(messages: Sequence[Message], text: str, *, tokens: int) -> list[Item]:
    """The newest whole turns of `messages` that fit in an estimated `tokens`, then the new user `text`."""
    room = tokens * _CHARACTERS_A_TOKEN - len(text)
    kept: list[list[Item]] = []
    for turn in reversed(list(_turns(messages))):
        items = [item for message in turn for item in _items(message)]
        room -= len(json.dumps(items, ensure_ascii=False))
        if room < 0:
            break
        kept.append(items)
    return [*(item for items in reversed(kept) for item in items), {"role": "user", "content": text}]


def _turns(messages: Sequence[Message]) -> Iterable[list[Message]]:
    """Messages by turn, each from its user message on; the rest of a turn that is cut off is left out."""
    turn: list[Message] = []
    for message in messages:
        if message.role == "user":
            if turn:
                yield turn
            turn = [message]
        elif turn:
            turn.append(message)
    if turn:
        yield turn


def _items(message: Message) -> Iterable[Item]:
    for number, call in enumerate(message.tool_calls):
        # Every call goes with its output: a provider refuses one without the other.
        call_id = f"{message.id.hex}{number}"
        arguments = json.dumps(call["args"], ensure_ascii=False)
        yield {"type": "function_call", "call_id": call_id, "name": call["tool"], "arguments": arguments}
        yield {"type": "function_call_output", "call_id": call_id, "output": output(call)}
    if message.content:
        yield {"role": message.role, "content": message.content}


def output(call: dict[str, Any]) -> str:
    """What the model is told that `call` returned."""
    if call.get("error"):
        return str(call["error"])
    return json.dumps(call["result"], ensure_ascii=False)
