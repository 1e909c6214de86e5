"""Changing one entry of a JSON text and nothing else: order, spacing and comments stay as written."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from kit.errors import SetupError

__all__ = ["JsonText", "NotEditable"]

_SPACE: Final = " \t\r\n"
_STRING: Final = r'"(?:\\.|[^"\\])*"'
_COMMENT: Final = re.compile(rf"{_STRING}|(?P<gone>//[^\r\n]*|/\*.*?\*/)", re.DOTALL)
_LAST_COMMA: Final = re.compile(rf"{_STRING}|(?P<gone>,)(?=[ \t\r\n]*[}}\]])", re.DOTALL)
_NOT_LINE_END: Final = re.compile(r"[^\r\n]")
_INDENT: Final = re.compile(r'\n([ \t]+)"')


class NotEditable(SetupError):
    """The text cannot be changed with care; the message says what it is, and can follow "The file "."""


class _Pairs(tuple[tuple[str, Any], ...]):
    """An object with the order and the doubles of its keys."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Member:
    key: str
    start: int
    value: int
    end: int


@dataclass(frozen=True, slots=True)
class _Object:
    start: int
    end: int
    """Of its closing brace."""
    members: tuple[_Member, ...]

    def member(self, key: str) -> _Member | None:
        found = [member for member in self.members if member.key == key]
        if len(found) > 1:
            raise NotEditable(f'has "{key}" more than once')
        return found[0] if found else None


def _never(word: str) -> Any:
    raise ValueError(word)


# Numbers stay text: an integer of 5000 digits is valid, and no concern of ours.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_int=str, parse_float=str, parse_constant=_never
)


class JsonText:
    """A JSON object as it is written; with `comments`, also comments and commas after the last member.

    Raises NotEditable where it is anything else.
    """

    def __init__(self, text: str, *, comments: bool) -> None:
        self.text: Final = text
        self._comments: Final = comments
        # Both have the length of the text, so that each place in them is one in it.
        self._bare: Final = _blank(_COMMENT, text) if comments else text
        self._plain: Final = _blank(_LAST_COMMA, self._bare) if comments else text
        try:
            self.value: Final = _DECODER.decode(self._plain)
        except json.JSONDecodeError as error:
            raise NotEditable(f"is not valid JSON: line {error.lineno}, {error.msg}") from error
        except ValueError as error:
            raise NotEditable("is not valid JSON: it has a number that is none") from error
        except RecursionError as error:
            raise NotEditable("is nested too deeply") from error
        if not isinstance(self.value, _Pairs):
            raise NotEditable("is not a JSON object")

    def get(self, section: str, name: str) -> Any:
        """The entry `name` of the object `section`; None where there is none."""
        found = self._find(section, name)[1]
        try:
            return json.loads(self._plain[found.value : found.end]) if found else None
        except ValueError as error:
            raise NotEditable(f'has a number in "{name}" that is too long') from error

    def put(self, section: str, name: str, entry: dict[str, Any]) -> str:
        """The text with that entry, in its old place or as the last of its section."""
        inner, found = self._find(section, name)
        if found is not None:
            written = self._written(entry, self._indent_at(found.start))
            if not self._has_own_line(found):
                written = _on_one_line(entry)
            new = self.text[: found.value] + written + self.text[found.end :]
        elif inner is not None:
            new = self._insert(inner, name, entry)
        else:
            new = self._insert(self._root, section, {name: entry})
        content = _with(_of(self.value, section), name, _DECODER.decode(json.dumps(entry)))
        return self._checked(new, _with(self.value, section, content))

    def take_out(self, section: str, name: str) -> str:
        """The text without that entry, and without its section where that is left with nothing in it."""
        inner, found = self._find(section, name)
        outer = self._root.member(section)
        if outer is None or inner is None or found is None:
            return self.text
        content = _Pairs(pair for pair in _of(self.value, section) if pair[0] != name)
        around = self.text[inner.start + 1 : found.start] + self.text[found.end : inner.end]
        if around.strip(_SPACE + ","):
            new, whole = self._remove(inner, found), _with(self.value, section, content)
        else:
            new = self._remove(self._root, outer)
            whole = _Pairs(pair for pair in self.value if pair[0] != section)
        return self._checked(new, whole)

    @cached_property
    def _root(self) -> _Object:
        return self._object(len(self._plain) - len(self._plain.lstrip(_SPACE)))

    def _find(self, section: str, name: str) -> tuple[_Object | None, _Member | None]:
        outer = self._root.member(section)
        if outer is None:
            return None, None
        if self._plain[outer.value] != "{":
            raise NotEditable(f'has a "{section}" that is not an object')
        inner = self._object(outer.value)
        return inner, inner.member(name)

    def _object(self, start: int) -> _Object:
        members: list[_Member] = []
        at = self._skip(start + 1)
        while self._plain[at] != "}":
            key, end = _DECODER.raw_decode(self._plain, at)
            value = self._skip(self._skip(end) + 1)
            end = _DECODER.raw_decode(self._plain, value)[1]
            members.append(_Member(str(key), at, value, end))
            at = self._skip(end)
            if self._plain[at] == ",":
                at = self._skip(at + 1)
        return _Object(start, at, tuple(members))

    def _skip(self, at: int) -> int:
        while self._plain[at] in _SPACE:
            at += 1
        return at

    def _insert(self, into: _Object, key: str, value: dict[str, Any]) -> str:
        text, end = self.text, into.end
        if not into.members:
            indent = self._indent_at(into.start)
            member = self._member(key, value, indent + self._unit)
            return f"{text[:end].rstrip(_SPACE)}{member}{self._newline}{indent}{text[end:]}"
        last = into.members[-1]
        comma = self._bare.find(",", last.end, end)
        if not self._has_own_line(last):
            after = last.end if comma < 0 else comma + 1
            first, then = (", ", "") if comma < 0 else (" ", ",")
            return f"{text[:after]}{first}{json.dumps(key)}: {_on_one_line(value)}{then}{text[after:]}"
        kept = text[:end].rstrip(_SPACE)
        if comma < 0:
            kept = f"{kept[: last.end]},{kept[last.end :]}"
        tail = text[len(text[:end].rstrip(_SPACE)) :]
        return (
            f"{kept}{self._member(key, value, self._indent_at(last.start))}{',' if comma >= 0 else ''}{tail}"
        )

    def _remove(self, out_of: _Object, member: _Member) -> str:
        text, place = self.text, out_of.members.index(member)
        following = out_of.members[place + 1 :]
        before = max(len(text[: member.start].rstrip(_SPACE)), out_of.start + 1)
        comma = self._bare.find(",", member.end, following[0].start if following else out_of.end)
        new, after = text[:before], member.end
        if comma >= 0:
            new, after = new + text[member.end : comma], comma + 1
        elif place:
            comma = self._bare.index(",", out_of.members[place - 1].end)
            new = text[:comma] + text[comma + 1 : before]
        if not (new[out_of.start + 1 :] + text[after : out_of.end]).strip(_SPACE):
            new, after = text[: out_of.start + 1], out_of.end
        return new + text[after:]

    @cached_property
    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    @cached_property
    def _unit(self) -> str:
        found = _INDENT.search(self._bare)
        return found[1] if found else "  "

    def _has_own_line(self, member: _Member) -> bool:
        return self.text[: member.start].rstrip(" \t").endswith("\n")

    def _indent_at(self, place: int) -> str:
        line = self.text[self.text.rfind("\n", 0, place) + 1 : place]
        return line[: len(line) - len(line.lstrip(" \t"))]

    def _member(self, key: str, value: Any, indent: str) -> str:
        """On a line of its own."""
        return f"{self._newline}{indent}{json.dumps(key)}: {self._written(value, indent)}"

    def _written(self, value: Any, indent: str) -> str:
        lines = json.dumps(value, indent=self._unit, ensure_ascii=False).split("\n")
        return f"{self._newline}{indent}".join(lines)

    def _checked(self, new: str, expected: _Pairs) -> str:
        """`new`, if it says what is expected, with every comment of the old text."""
        try:
            said = JsonText(new, comments=self._comments).value
        except NotEditable:
            said = None
        lost = _comments_of(self.text) - _comments_of(new) if self._comments else None
        if said != expected or lost:
            raise NotEditable("has comments in places where they would be lost")
        return new


def _on_one_line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _of(pairs: _Pairs, key: str) -> _Pairs:
    return next((value for name, value in pairs if name == key), _Pairs())


def _with(pairs: _Pairs, key: str, value: Any) -> _Pairs:
    if any(name == key for name, _ in pairs):
        return _Pairs((name, value if name == key else old) for name, old in pairs)
    return _Pairs((*pairs, (key, value)))


def _blank(pattern: re.Pattern[str], text: str) -> str:
    """The text with spaces where the pattern's group `gone` is."""
    return pattern.sub(lambda found: _NOT_LINE_END.sub(" ", found[0]) if found["gone"] else found[0], text)


def _comments_of(text: str) -> Counter[str]:
    return Counter(found["gone"] for found in _COMMENT.finditer(text) if found["gone"])
