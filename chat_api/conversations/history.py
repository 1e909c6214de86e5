"""What a model is sent of a conversation: whole turns, the newest that fit, rebuilt from our rows."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from chat_api.conversations.models import Message
from chat_api.providers.tool_calls import LONGEST_RESULT, told

__all__ = ["Item", "to_items"]

Item: TypeAlias = dict[str, Any]
"""An input item of the OpenAI Responses API."""

_BYTES_A_TOKEN: Final = 4
_SHORT_OUTPUT: Final = 500


def to_items(messages: Sequence[Message], text: str, *, tokens: int) -> list[Item]:
    """The newest whole turns of `messages` that fit in an estimated `tokens`, then the new user `text`."""
    room = tokens * _BYTES_A_TOKEN - len(text.encode())
    kept: list[list[Item]] = []
    for turn in reversed(list(_turns(messages))):
        items = _fitting(turn, room)
        if items is None:
            break
        room -= _size(items)
        kept.append(items)
    return [*(item for items in reversed(kept) for item in items), {"role": "user", "content": text}]


def _fitting(turn: Sequence[Message], room: int) -> list[Item] | None:
    """The turn's items; with its tools' results cut short where it does not fit; None where even so."""
    for longest in (LONGEST_RESULT, _SHORT_OUTPUT):
        items = [item for message in turn for item in _items(message, longest)]
        if not turn[-1].content or turn[-1].role == "user":
            # Some models refuse two user messages in a row.
            items.append({"role": "assistant", "content": "(There was no answer.)"})
        if _size(items) <= room:
            return items
    return None


def _size(items: Sequence[Item]) -> int:
    return len(json.dumps(items, ensure_ascii=False).encode())


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


def _items(message: Message, longest: int) -> Iterable[Item]:
    for number, call in enumerate(message.tool_calls):
        # Every call goes with its output: a provider refuses one without the other.
        call_id = f"{message.id.hex}{number}"
        arguments = json.dumps(call["args"], ensure_ascii=False)
        yield {"type": "function_call", "call_id": call_id, "name": call["tool"], "arguments": arguments}
        yield {"type": "function_call_output", "call_id": call_id, "output": told(call, longest=longest)}
    if message.content:
        yield {"role": message.role, "content": message.content}
