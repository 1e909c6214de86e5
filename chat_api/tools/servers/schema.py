"""Schemas of arguments as other servers write them: one that a model's server refuses would fail the turn."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

__all__ = ["LONGEST_SCHEMA", "is_usable"]

LONGEST_SCHEMA: Final = 16_000
"""Characters of a schema, as JSON."""

_TYPES: Final = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_ONE: Final = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_DEEPEST: Final = 30


def is_usable(schema: Mapping[str, Any]) -> bool:
    """Whether `schema` is one of an object, short, well-formed, and whole without what is elsewhere."""
    if schema.get("type") != "object":
        return False
    text = json.dumps(schema)
    return len(text) <= LONGEST_SCHEMA and _is_sound(schema)


def _is_sound(schema: Any, left: int = _DEEPEST) -> bool:
    if isinstance(schema, bool):
        return True
    if not isinstance(schema, dict) or left == 0:
        return False
    known = cast("dict[str, Any]", schema)
    return _has_sound_words(known) and all(_is_sound(part, left - 1) for part in _parts(known))


def _has_sound_words(schema: dict[str, Any]) -> bool:
    types = schema.get("type", [])
    named = cast("list[Any]", types) if isinstance(types, list) else [types]
    return (
        all(isinstance(each, str) and each in _TYPES for each in named)
        and _is_texts(schema.get("required", []))
        and isinstance(schema.get("enum", []), list)
        and isinstance(schema.get("description", ""), str)
        and str(schema.get("$ref", "#")).startswith("#")
        and all(isinstance(schema.get(word, []), list) for word in _LISTS)
        and all(isinstance(schema.get(word, {}), dict) for word in _MAPS)
        and ("array" not in named or "items" in schema or "prefixItems" in schema)
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in cast("list[Any]", value))


def _parts(schema: dict[str, Any]) -> Iterator[Any]:
    for word in _ONE:
        if word in schema:
            yield schema[word]
    for word in _LISTS:
        yield from schema.get(word, [])
    for word in _MAPS:
        yield from schema.get(word, {}).values()
