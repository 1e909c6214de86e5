"""Lists of messages as OpenAI's API has them, made into messages of ours."""

import json
from collections.abc import Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from chat_api.conversations.conversation_schemas import Text
from chat_api.conversations.import_forms import LONGEST_CONTENT, Call, Head, Imported, Kept, Unfit, checked
from chat_api.conversations.titles import title_of
from chat_api.providers.tool_calls import UNUSABLE, usable_arguments

__all__ = ["Listing"]

_LONGEST_NOTED: Final = 15_000
_MOST_CALLS: Final = 1000


class _Function(BaseModel):
    name: str = Field(min_length=1, max_length=200)
    arguments: str = Field(max_length=LONGEST_CONTENT)


class _FunctionCall(BaseModel):
    id: str = Field(max_length=200)
    function: _Function


class _Part(BaseModel):
    type: str = Field(max_length=100)
    text: str | None = None


class _OpenAi(BaseModel):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text | list[_Part] | None = Field(default=None, max_length=LONGEST_CONTENT)
    tool_calls: list[_FunctionCall] | None = None
    tool_call_id: str | None = Field(default=None, max_length=200)


class Listing:
    """Makes messages of ours: what the assistant says and does in a turn becomes one."""

    def __init__(self, fields: dict[str, Any]) -> None:
        """Raises Unfit."""
        told = {name: fields[name] for name in ("title", "metadata") if fields.get(name) is not None}
        self._found = Imported(checked(Head, told, "the document"))
        self._open: dict[str, Call] = {}
        self._said: list[str] = []
        self._length = 0
        self._system: list[str] = []
        self._left_out: dict[str, int] = {}

    def add(self, given: Any, where: str) -> None:
        """Raises Unfit."""
        message: _OpenAi = checked(_OpenAi, given, where)
        said = self._text(message)
        match message.role:
            case "system" | "developer":
                self._system.append(said)
            case "tool":
                call = self._open.pop(message.tool_call_id or "", None)
                if call is None:
                    raise Unfit(f"{where}: its tool_call_id is not the id of an open call before it.")
                call.result = _result(said)
            case "user":
                # What no user has said is what was deleted.
                self._say("user", said or "(no text)")
            case "assistant":
                self._answer(said, message.tool_calls or [], where)

    def _say(self, role: Literal["user", "assistant"], said: str) -> Kept:
        self._close()
        messages, parents = self._found.messages, self._found.parents
        message = Kept(id=str(len(messages)), role=role, content=said)
        parents.append(len(messages) - 1 if messages else None)
        messages.append(message)
        return message

    def _answer(self, said: str, calls: Sequence[_FunctionCall], where: str) -> None:
        messages = self._found.messages
        is_more = bool(messages) and messages[-1].role == "assistant"
        answer = messages[-1] if is_more else self._say("assistant", "")
        if said:
            self._length += len(said) + 2 * bool(self._said)
            self._said.append(said)
        if self._length > LONGEST_CONTENT:
            raise Unfit(f"{where}: what the assistant says at once is over {LONGEST_CONTENT:,} characters.")
        if len(answer.tool_calls) + len(calls) > _MOST_CALLS:
            raise Unfit(f"{where}: the assistant calls over {_MOST_CALLS:,} tools at once.")
        for each in calls:
            call = Call(tool=each.function.name, args=_arguments(each.function.arguments, where))
            self._open[each.id] = call
            answer.tool_calls.append(call)

    def _close(self) -> None:
        """Put together what the assistant has said."""
        if self._said:
            self._found.messages[-1].content = "\n\n".join(self._said)
        self._said, self._length = [], 0

    def _text(self, message: _OpenAi) -> str:
        if not isinstance(message.content, list):
            return message.content or ""
        for part in message.content:
            if part.text is None:
                self._left_out[part.type] = self._left_out.get(part.type, 0) + 1
        return "\n".join(part.text for part in message.content if part.text is not None)

    def end(self) -> Imported:
        """Name it, and say what has no place among messages."""
        self._close()
        head = self._found.head
        said = (message.content for message in self._found.messages if message.role == "user")
        title = title_of(next(said, "")) or None
        head.title_source = "user" if head.title else None if title is None else "message"
        head.title = head.title or title
        self._note()
        return self._found

    def _note(self) -> None:
        notes = self._found.notes
        if self._system:
            system = "\n\n".join(self._system)
            room = _LONGEST_NOTED - len(json.dumps(self._found.head.metadata))
            if len(json.dumps(system)) <= room:
                self._found.head.metadata = {**self._found.head.metadata, "system": system}
                notes.append("What the system said is in metadata.system; make an agent that is told so.")
            else:
                notes.append("What the system said is left out: it is too long.")
        notes += [f"Parts of type {kind[:40]} are left out: {n}." for kind, n in self._left_out.items()]
        if self._open:
            notes.append(f"Calls of tools without a result: {len(self._open)}.")


def _arguments(text: str, where: str) -> dict[str, Any]:
    if usable_arguments(text) == UNUSABLE:
        raise Unfit(f"{where}: the arguments of a call are no JSON object.")
    return json.loads(text)


def _result(said: str) -> Any:
    """What a tool has returned: JSON where it is that, else text."""
    wrapped = f'{{"result": {said}}}'
    return said if usable_arguments(wrapped) == UNUSABLE else json.loads(wrapped)["result"]
