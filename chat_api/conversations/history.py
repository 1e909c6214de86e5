"""What a model is sent of a conversation: whole turns, the newest that fit, rebuilt from our rows."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from chat_api.providers.tool_calls import LONGEST_RESULT, told

__all__ = ["Item", "Said", "to_items"]

Item: TypeAlias = dict[str, Any]
"""An input item of the OpenAI Responses API."""

_BYTES_A_TOKEN: Final = 4
_BYTES_AN_ITEM: Final = 40
_SHORT_OUTPUT: Final = 500


class Said(NamedTuple):
    """What a model needs of a message."""

    id: UUID
    role: str
    content: str
    tool_calls: list[dict[str, Any]]


def to_items(messages: Sequence[Said], text: str, *, tokens: int) -> list[Item]:
    """The newest whole turns of `messages` that fit in an estimated `tokens`, then the new user `text`."""
    room = tokens * _BYTES_A_TOKEN - len(text.encode())
    kept: list[list[Item]] = []
    for turn in reversed(list(_turns(messages))):
        fitting = _fitting(turn, room)
        if fitting is None:
            break
        items, size = fitting
        room -= size
        kept.append(items)
    return [*(item for items in reversed(kept) for item in items), {"role": "user", "content": text}]


def _fitting(turn: Sequence[Said], room: int) -> tuple[list[Item], int] | None:
    """The turn's items and their size, with results cut short where it does not fit; None where even so."""
    for longest in (LONGEST_RESULT, _SHORT_OUTPUT):
        items = [item for message in turn for item in _items(message, longest)]
        if not turn[-1].content or turn[-1].role == "user":
            # Some models refuse two user messages in a row.
            items.append({"role": "assistant", "content": "(There was no answer.)"})
        size = sum(_size(item) for item in items)
        if size <= room:
            return items, size
    return None


def _size(item: Item) -> int:
    return _BYTES_AN_ITEM + sum(len(value.encode()) for value in item.values())


def _turns(messages: Sequence[Said]) -> Iterable[list[Said]]:
    """Messages by turn, each from its user message on.

    The rest of a turn that is cut off is left out, as is a turn that was deleted.
    """
    turn: list[Said] = []
    for message in messages:
        if message.role == "user":
            if _is_there(turn):
                yield turn
            turn = [message]
        elif turn:
            turn.append(message)
    if _is_there(turn):
        yield turn


def _is_there(turn: Sequence[Said]) -> bool:
    return any(message.content or message.tool_calls for message in turn)


def _items(message: Said, longest: int) -> Iterable[Item]:
    for number, call in enumerate(message.tool_calls):
        # Every call goes with its output: a provider refuses one without the other.
        call_id = f"{message.id.hex}{number}"
        arguments = json.dumps(call["args"], ensure_ascii=False)
        yield {"type": "function_call", "call_id": call_id, "name": call["tool"], "arguments": arguments}
        yield {"type": "function_call_output", "call_id": call_id, "output": told(call, longest=longest)}
    if message.content or message.role == "user":
        # Users say something, unless it was deleted.
        yield {"role": message.role, "content": message.content or "(This message was deleted.)"}
