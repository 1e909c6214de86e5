"""A tool call as it is kept, and as a model is told of it: the same now and whenever it is replayed."""

import json
from math import isfinite
from typing import Any, Final, cast

__all__ = ["LONGEST_RESULT", "clean_text", "keepable", "told"]

LONGEST_RESULT: Final = 50_000
"""Characters of a result that are kept, and told, at most."""


def told(call: dict[str, Any], *, longest: int = LONGEST_RESULT) -> str:
    """What a model is told that `call` came to, in `longest` characters at most."""
    error = call.get("error")
    text = str(error) if error else json.dumps(call.get("result"), ensure_ascii=False)
    return _cut(text, longest)


def keepable(value: Any) -> Any:
    """`value`, which came as JSON, without what Postgres cannot keep; cut where it is too long."""
    cleaned = _clean(value)
    text = json.dumps(cleaned, ensure_ascii=False)
    return cleaned if len(text) <= LONGEST_RESULT else _cut(text, LONGEST_RESULT)


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
