"""Whether an answer is what a transcript says: `…` is anything, `<name>` is a value with a name."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, cast

__all__ = ["differences", "names_in"]

_ANY: Final = "…"
_NAME: Final = re.compile(r"<([A-Za-z_]\w*)>")
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|…|<[A-Za-z_]\w*>|[{}\[\]:,]|[^\s…<{}\[\]:,"]+|.', re.DOTALL)
_FRAME: Final = re.compile(r"((?:\w+:)?\s*)(\{.*\})\s*")
_OPEN: Final = {"{": "}", "[": "]"}
_MISSING: Final = object()


def names_in(expected: str) -> list[str]:
    return list(dict.fromkeys(_NAME.findall(expected)))


def differences(expected: str, answer: str, bound: dict[str, str]) -> list[str]:
    """What differs, a line each; names that are new are put into `bound`.

    Where both are JSON, or lines of it as streams have them, the order of keys does not count; white space
    never does. `…` stands for values, the other keys of an object, elements, parts of texts, and lines.
    """
    wanted, got = _parsed(_as_json(expected)), _parsed(answer)
    if wanted is not _MISSING and got is not _MISSING:
        return list(_unlike("", wanted, got, bound))
    if _matches(expected, answer, bound, spaced=True):
        return []
    unwrapped = re.sub(r"\n[ \t]+(?=\S)", " ", expected).splitlines()
    return _lines([line for line in unwrapped if line.strip()], answer.split("\n"), bound)


def _lines(wanted: list[str], got: list[str], bound: dict[str, str]) -> list[str]:
    lines = iter([line for line in got if line.strip()])
    after_any = False
    for each in wanted:
        if each == _ANY:
            after_any = True
            continue
        for line in lines:
            trial = dict(bound)
            unlike = _line(each, line, trial)
            if not unlike:
                bound.update(trial)
                break
            if not after_any:
                return unlike
        else:
            return [f"there is no line {each}"]
        after_any = False
    more = [] if after_any else list(lines)
    return [f"there is more: {line}" for line in more]


def _line(wanted: str, got: str, bound: dict[str, str]) -> list[str]:
    left, right = _FRAME.fullmatch(_as_json(wanted)), _FRAME.fullmatch(got)
    if left and right and left[1].strip() == right[1].strip():
        frames = _parsed(left[2]), _parsed(right[2])
        if _MISSING not in frames:
            return list(_unlike("", *frames, bound))
    return [] if _matches(wanted, got, bound, spaced=True) else [f"there is {got}, not {wanted}"]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return _MISSING


def _as_json(expected: str) -> str:
    """`…` and `<name>` in quotation marks where they stand for values or for the other keys of an object."""
    out: list[str] = []
    closing: list[str] = []
    before = ""
    for token in _TOKEN.findall(expected):
        if token == _ANY and before != ":" and closing and closing[-1] == "}":
            out.append(f'"{_ANY}": null')
        elif token == _ANY or _NAME.fullmatch(token):
            out.append(f'"{token}"')
        else:
            out.append(token)
        if token in _OPEN:
            closing.append(_OPEN[token])
        elif closing and token == closing[-1]:
            closing.pop()
        before = before if token.isspace() else token
    return "".join(out)


def _unlike(where: str, wanted: Any, got: Any, bound: dict[str, str]) -> Iterator[str]:
    if wanted == _ANY:
        return
    if isinstance(wanted, dict) and isinstance(got, dict):
        yield from _objects(where, cast("dict[str, Any]", wanted), cast("dict[str, Any]", got), bound)
    elif isinstance(wanted, list) and isinstance(got, list):
        yield from _arrays(where, cast("list[Any]", wanted), cast("list[Any]", got), bound)
    elif not _same(wanted, got, bound):
        yield f"{where or 'the answer'} is {_shown(got)}, not {_shown(wanted)}"


def _objects(where: str, wanted: dict[str, Any], got: dict[str, Any], bound: dict[str, str]) -> Iterator[str]:
    for key, value in wanted.items():
        if key == _ANY:
            continue
        place = f"{where}.{key}".lstrip(".")
        if key in got:
            yield from _unlike(place, value, got[key], bound)
        else:
            yield f"{place} is missing"
    if _ANY not in wanted:
        for key in [key for key in got if key not in wanted]:
            yield f"{where}.{key}".lstrip(".") + f" is there with {_shown(got[key])}"


def _arrays(where: str, wanted: list[Any], got: list[Any], bound: dict[str, str]) -> Iterator[str]:
    """One `…` among the elements stands for any number of them."""
    head = wanted.index(_ANY) if _ANY in wanted else len(wanted)
    tail = wanted[head + 1 :]
    enough = len(got) == head if head == len(wanted) else len(got) >= head + len(tail)
    if not enough:
        yield f"{where or 'the answer'} has {len(got)} elements: {_shown(got)}"
        return
    for index, value in enumerate(wanted[:head]):
        yield from _unlike(f"{where}[{index}]", value, got[index], bound)
    for index, value in enumerate(tail, len(got) - len(tail)):
        yield from _unlike(f"{where}[{index}]", value, got[index], bound)


def _same(wanted: Any, got: Any, bound: dict[str, str]) -> bool:
    if isinstance(wanted, str) and isinstance(got, str):
        return _matches(wanted, got, bound, spaced=False)
    if isinstance(wanted, str) and _NAME.fullmatch(wanted) and isinstance(got, int | float):
        return _matches(wanted, json.dumps(got), bound, spaced=False)
    return type(wanted) is type(got) and wanted == got


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 200 else f"{text[:200]}…"


def _matches(wanted: str, got: str, bound: dict[str, str], *, spaced: bool) -> bool:
    """`spaced`: white space does not count."""
    known = dict(bound)
    first, *others = [_pattern(part, known, spaced=spaced) for part in wanted.split(_ANY)]
    pattern = first
    if others:
        # Atomic groups: the first place at which a part fits is as good as any, so nothing is tried twice.
        pattern += "".join(f"(?>.*?{each})" for each in others[:-1]) + f".*{others[-1]}"
    found = re.fullmatch(rf"\s*{pattern}\s*" if spaced else pattern, got, re.DOTALL)
    if found:
        bound.update({name: found[name] for name in found.groupdict()})
    return found is not None


def _pattern(part: str, known: dict[str, str], *, spaced: bool) -> str:
    out: list[str] = []
    for index, piece in enumerate(_NAME.split(part)):
        if index % 2 == 0:
            letters = piece.split() if spaced else [piece]
            out += [re.escape(letter) for word in letters for letter in word]
        elif piece not in known:
            known[piece] = ""
            out.append(rf"(?P<{piece}>[^\s\"',;}}\]]+)" if spaced else f"(?P<{piece}>.+)")
        else:
            out.append(re.escape(known[piece]) if known[piece] else f"(?P={piece})")
    gap = r"\s*" if spaced else ""
    return gap.join(["", *out, ""])
