"""From what a program has to what JSON has."""

import math
from collections.abc import Iterable, Sized
from dataclasses import dataclass
from typing import Any, Final, cast

from pydantic_monty import MontyClassProxy, MontyStdTypeProxy

__all__ = ["Plain", "printable"]

_LARGEST: Final = 2**53
_LONGEST_INTEGER: Final = 10_000
_BITS_OF_A_DIGIT: Final = math.log2(10)
_WIDTH: Final = 2
_DEEPEST: Final = 50


@dataclass(slots=True)
class Plain:
    """Makes JSON of values, in about `room` characters: a small value can have an endless text.

    `cut`: not everything found room. `odd`: something is there as its repr, because JSON has no such thing.
    """

    room: int
    cut: bool = False
    odd: bool = False

    def of(self, value: Any, depth: int = 0) -> Any:
        match value:
            case None | bool():
                return value
            case str():
                return self._text(value)
            # Beyond it, many readers of JSON round.
            case int() if -_LARGEST <= value <= _LARGEST:
                self.room -= len(str(value))
                return value
            case float() if math.isfinite(value):
                self.room -= len(repr(value))
                return value
            case list() | tuple() if depth < _DEEPEST:
                return self._list(cast("list[Any] | tuple[Any, ...]", value), depth)
            case dict() if depth < _DEEPEST and all(isinstance(key, str) for key in cast("Any", value)):
                return self._object(cast("dict[str, Any]", value), depth)
            case _:
                self.odd = True
                return self._repr(value, depth)

    def _text(self, text: str) -> str:
        kept = text[: max(self.room, 0)]
        self.room -= len(kept)
        if len(text) > len(kept):
            self.cut = True
            return printable(f"{kept}…")
        return printable(kept)

    def _list(self, items: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
        made: list[Any] = []
        for item in items:
            if self._is_full():
                return [*made, f"… {len(items) - len(made)} more"]
            made.append(self.of(item, depth + 1))
        return made

    def _object(self, members: dict[str, Any], depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, item in members.items():
            if self._is_full():
                return made | {"…": f"{len(members) - len(made)} more"}
            made[self._text(key)] = self.of(item, depth + 1)
        return made

    def _is_full(self) -> bool:
        self.room -= _WIDTH
        self.cut |= self.room <= 0
        return self.room <= 0

    def _repr(self, value: Any, depth: int) -> str:
        if depth >= _DEEPEST and isinstance(value, Sized | MontyClassProxy):
            self.cut = True
            return "…"
        match value:
            case int() if value.bit_length() > _LONGEST_INTEGER:
                return f"<an integer of about {int(value.bit_length() / _BITS_OF_A_DIGIT) + 1} digits>"
            case str() | bytes():
                return self._text(repr(value[: max(self.room, 0) + 1]))
            case MontyClassProxy():
                return f"{value.name}({self._members(value.attributes.items(), depth, '=')})"
            case MontyStdTypeProxy():
                return f"<{value.kind} {value.name}>"
            case dict() | list() | tuple() | set() | frozenset():
                return self._collection(cast("Any", value), depth)
            case _:
                return self._text(repr(value))

    def _collection(self, value: Any, depth: int) -> str:
        match value:
            case dict():
                pairs = cast("dict[Any, Any]", value).items()
                return f"{{{self._members(pairs, depth, ': ')}}}"
            case list():
                return f"[{self._items(cast('list[Any]', value), depth)}]"
            case tuple():
                items = cast("tuple[Any, ...]", value)
                return f"({self._items(items, depth)}{',' if len(items) == 1 else ''})"
            case _:
                return f"{{{self._items(value, depth)}}}" if value else repr(value)

    def _items(self, items: Iterable[Any], depth: int) -> str:
        made: list[str] = []
        for item in items:
            if self._is_full():
                return ", ".join([*made, "…"])
            made.append(self._repr(item, depth + 1))
        return ", ".join(made)

    def _members(self, members: Iterable[tuple[Any, Any]], depth: int, sign: str) -> str:
        made: list[str] = []
        for key, item in members:
            if self._is_full():
                return ", ".join([*made, "…"])
            name = key if sign == "=" else self._repr(key, depth + 1)
            made.append(f"{name}{sign}{self._repr(item, depth + 1)}")
        return ", ".join(made)


def printable(text: str) -> str:
    """The text with NUL made visible, which databases cannot keep."""
    return text.replace("\x00", "\\x00")
