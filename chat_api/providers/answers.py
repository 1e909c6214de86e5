"""A model's answer, put together from what its server sends: chunk by chunk, or as a whole."""

import json
from dataclasses import dataclass, field
from io import StringIO
from typing import Any, Final, cast

from chat_api.providers.stream import LONGEST, Cleaner, TooLong, joined_pairs
from chat_api.providers.tool_calls import clean_text, is_object, usable_arguments
from kit.ids import new_id

__all__ = ["BROKEN", "Answer", "BrokenOff", "Completion", "FunctionCall", "NothingSaid"]

BROKEN: Final = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)
"""What is raised where an answer is none."""

_decode: Final = json.JSONDecoder().decode
_LONGEST_NAME: Final = 128
_CALL_WEIGHT: Final = 256
_MOST_CALLS: Final = 128
_BYTES_A_TOKEN: Final = 4
_MOST_TOKENS: Final = 100_000_000


class BrokenOff(Exception):
    """The server says in the middle of an answer that it cannot go on."""


class NothingSaid(Exception):
    """The answer came to its greatest length before there was anything of it."""


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A tool that the model wants called: the id is ours, the arguments the text of a JSON object."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model said. The tokens are as its server counts them, or `estimated` where it does not.

    Those of the input that it had `cached` are among them.
    """

    text: str
    calls: tuple[FunctionCall, ...]
    input_tokens: int
    output_tokens: int
    estimated: bool
    cached_tokens: int = 0


@dataclass(slots=True)
class _Call:
    """A call that is on its way."""

    id: str | None
    name: str | None = None
    arguments: StringIO = field(default_factory=StringIO)
    at_once: bool = False

    @property
    def size(self) -> int:
        return len(self.name or "") + self.arguments.tell()

    def made(self) -> FunctionCall:
        if self.name is None:
            raise ValueError("a call of nothing")
        # The ids are ours: not every server makes them, and some make the same one twice.
        return FunctionCall(
            f"call_{new_id().hex}",
            clean_text(joined_pairs(self.name))[:_LONGEST_NAME],
            usable_arguments(joined_pairs(self.arguments.getvalue()) or "{}"),
        )


class Answer:
    """Takes the bodies that a server sends; what is amiss in one raises one of BROKEN."""

    def __init__(self) -> None:
        self.is_finished = False
        self._is_cut = False
        self._text = StringIO()
        self._cleaner = Cleaner()
        self._calls: list[_Call] = []
        self._by_index: dict[Any, _Call] = {}
        self._usage: dict[str, Any] = {}
        self._size = 0

    @property
    def has_begun(self) -> bool:
        """Whether anything of it is there: text, or a call."""
        return self._size > 0

    def add(self, data: bytes) -> str:
        """Take a chunk of a stream; return its text. Raises BrokenOff too."""
        body = _decode(data.decode())
        if body.get("error"):
            raise BrokenOff
        choice = self._choice(body)
        message: dict[str, Any] = choice.get("delta") or choice.get("message") or {}
        for fragment in message.get("tool_calls") or ():
            self._add_fragment(fragment)
        if choice.get("finish_reason"):
            self.is_finished = True
        return self._add_text(message)

    def add_whole(self, data: bytes) -> str:
        """Take a whole answer; return its text."""
        choice = self._choice(json.loads(data))
        message = choice["message"]
        for call in message.get("tool_calls") or ():
            self._fill(self._begin(None), call["function"])
        self.is_finished = True
        return self._add_text(message)

    def rest(self) -> str:
        """The last of the text."""
        return self._keep(self._cleaner.rest())

    def completion(self, request_bytes: int) -> Completion:
        """What it all comes to; the size of the request serves where the server did not count.

        Raises NothingSaid too.
        """
        text = self._text.getvalue()
        calls = tuple(call.made() for call in self._calls)
        if not text and not calls:
            if self._is_cut:
                raise NothingSaid
            raise ValueError("neither words nor calls")
        said = len(text.encode()) + sum(len(f"{call.name}{call.arguments}".encode()) for call in calls)
        return self._costing(text, calls, request_bytes, said)

    def taken(self, request_bytes: int) -> Completion:
        """The tokens of what there is of it, without the words."""
        words = len(self._text.getvalue().encode())
        return self._costing("", (), request_bytes, words + sum(call.size for call in self._calls))

    def _costing(
        self, text: str, calls: tuple[FunctionCall, ...], request_bytes: int, said_bytes: int
    ) -> Completion:
        tokens = self._counted()
        if tokens is not None:
            return Completion(text, calls, *tokens, estimated=False, cached_tokens=self._cached(tokens[0]))
        return Completion(text, calls, _estimate(request_bytes), _estimate(said_bytes), estimated=True)

    def _choice(self, body: dict[str, Any]) -> dict[str, Any]:
        usage, choices = body.get("usage"), body.get("choices")
        if usage and isinstance(usage, dict):
            self._usage = usage
        choice: dict[str, Any] = choices[0] if choices else {}
        if choice.get("finish_reason") == "length":
            self._is_cut = True
        return choice

    def _add_text(self, message: dict[str, Any]) -> str:
        piece = _text(message.get("content")) or _text(message.get("refusal"))
        return self._keep(self._cleaner.feed(piece)) if piece else ""

    def _keep(self, piece: str) -> str:
        self._grow(len(piece))
        self._text.write(piece)
        return piece

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > LONGEST:
            raise TooLong

    def _begin(self, call_id: str | None) -> _Call:
        self._grow(_CALL_WEIGHT)
        if len(self._calls) == _MOST_CALLS:
            raise TooLong
        call = _Call(call_id)
        self._calls.append(call)
        return call

    def _add_fragment(self, fragment: dict[str, Any]) -> None:
        call = self._continued(fragment)
        index = fragment.get("index")
        if call is None:
            call = self._begin(fragment.get("id") or None)
            if index is not None:
                self._by_index[index] = call
        self._fill(call, fragment.get("function") or {})

    def _continued(self, fragment: dict[str, Any]) -> _Call | None:
        """The call that `fragment` belongs to, or None where it begins one.

        Some servers leave out the index or the id, give every call the same index, or repeat the name.
        """
        index, call_id = fragment.get("index"), fragment.get("id") or None
        function: dict[str, Any] = fragment.get("function") or {}
        if index is not None:
            call = self._by_index.get(index)
        else:
            same = (call for call in self._calls if call_id is not None and call.id == call_id)
            call = next(same, self._calls[-1] if self._calls else None)
        name = function.get("name")
        if call is None or not name:
            return call
        if call_id is not None and call.id is not None and call_id != call.id:
            return None
        if index is None and call.name and name != call.name:
            return None
        return None if function.get("arguments") and call.at_once else call

    def _fill(self, call: _Call, function: dict[str, Any]) -> None:
        name, arguments = function.get("name"), function.get("arguments")
        if name is not None and name != call.name:
            call.name = f"{call.name or ''}{name}"
            self._grow(len(call.name))
        # Some servers send the object itself where the protocol wants its text.
        text = arguments if isinstance(arguments, str) else json.dumps(arguments) if arguments else ""
        self._grow(len(text))
        call.at_once = not call.arguments.tell() and is_object(text)
        call.arguments.write(text)

    def _counted(self) -> tuple[int, int] | None:
        """The tokens as the server counts them, where it does so to good purpose."""
        try:
            given = [int(self._usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")]
        except (ValueError, TypeError, OverflowError):
            return None
        sane = any(given) and all(0 <= tokens <= _MOST_TOKENS for tokens in given)
        return (given[0], given[1]) if sane else None

    def _cached(self, most: int) -> int:
        """How many tokens of the input the server had in its cache, where it tells."""
        details = self._usage.get("prompt_tokens_details")
        found = cast("dict[str, Any]", details).get("cached_tokens") if isinstance(details, dict) else None
        return min(found, most) if type(found) is int and found > 0 else 0


def _estimate(size: int) -> int:
    return -(-size // _BYTES_A_TOKEN)


def _text(content: Any) -> str:
    """Text as it comes: a string, or a list of parts."""
    if isinstance(content, list):
        parts = cast("list[dict[str, Any]]", content)
        return "".join(str(part["text"]) for part in parts if part.get("type") == "text")
    if content is not None and not isinstance(content, str):
        raise TypeError("content that is no text")
    return content or ""
