"""A tool call as it is kept, and as a model is told of it: the same now and whenever it is replayed."""

import json
import re
from math import isfinite
from typing import Any, Final, cast

__all__ = [
    "LONGEST_RESULT",
    "NOT_JSON",
    "UNUSABLE",
    "arguments_of",
    "clean_text",
    "is_object",
    "keepable",
    "told",
    "usable_arguments",
]

NOT_JSON: Final = "not_json"
"""The one argument of a call whose arguments cannot be used: what goes back to a model must be JSON."""

LONGEST_RESULT: Final = 50_000
"""Characters of a result that are kept, and told, at most."""

UNUSABLE: Final = json.dumps({NOT_JSON: True})
"""Such arguments."""

_DEEPEST: Final = 100
_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def told(call: dict[str, Any], *, longest: int = LONGEST_RESULT) -> str:
    """What a model is told that `call` came to, in about `longest` characters at most."""
    error = call.get("error")
    text = _cut(str(error) if error else json.dumps(call.get("result"), ensure_ascii=False), longest)
    if call.get("changed"):
        # The model still has before it what it had asked for.
        arguments = _cut(json.dumps(call["args"], ensure_ascii=False), longest // 4)
        text = f"The user put in these arguments instead: {arguments}\n{text}"
    return text


def keepable(value: Any) -> Any:
    """`value`, which came as JSON, without what Postgres cannot keep; cut where it is too long."""
    cleaned = _clean(value)
    text = json.dumps(cleaned, ensure_ascii=False)
    return cleaned if len(text) <= LONGEST_RESULT else _cut(text, LONGEST_RESULT)


def arguments_of(text: str) -> dict[str, Any]:
    """The arguments of a call, which came as JSON, as they are kept."""
    wanted: Any = json.loads(text)
    if wanted == {NOT_JSON: True}:
        return {}
    kept = keepable(wanted)
    return cast("dict[str, Any]", kept) if isinstance(kept, dict) else {"cut": kept}


def clean_text(text: str) -> str:
    """The text without what Postgres cannot keep: NUL, and surrogates that stand alone."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]} (cut here: it is too long)"


def _clean(value: Any) -> Any:
    match value:
        case str():
            return clean_text(value)
        case float() if not isfinite(value):
            return str(value)
        case dict():
            members = cast("dict[str, Any]", value)
            return {clean_text(name): _clean(member) for name, member in members.items()}
        case list():
            return [_clean(member) for member in cast("list[Any]", value)]
        case _:
            return value


def is_object(text: str) -> bool:
    """Whether `text` is a JSON object, for all its length."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def usable_arguments(text: str) -> str:
    """`text` where it is a JSON object that can be kept: no NUL, lone surrogate, NaN; not too deep."""
    try:
        value = json.loads(text)
        kept = json.dumps(value, ensure_ascii=False, allow_nan=False)
        kept.encode()
    except (ValueError, RecursionError):
        return UNUSABLE
    usable = isinstance(value, dict) and not _NUL.search(kept) and not _is_deep(value)
    return text if usable else UNUSABLE


def _is_deep(value: Any, left: int = _DEEPEST) -> bool:
    """Whether `value` nests further than the SDK and the database follow."""
    match value:
        case dict():
            parts = list(cast("dict[str, Any]", value).values())
        case list():
            parts = cast("list[Any]", value)
        case _:
            return False
    return left == 0 or any(_is_deep(part, left - 1) for part in parts)
