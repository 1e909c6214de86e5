"""Schemas of arguments as other servers write them: one that a model's server refuses would fail the turn."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast
from urllib.parse import unquote

from chat_api.tools.servers.patterns import are_patterns

__all__ = ["LONGEST_SCHEMA", "is_usable"]

LONGEST_SCHEMA: Final = 16_000
"""Characters of a schema, as JSON."""

_Schema: TypeAlias = dict[str, Any]
_TYPES: Final = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_ONE: Final = (
    *("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"),
    *("unevaluatedItems", "unevaluatedProperties", "contentSchema"),
)
_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_REFERENCES: Final = ("$ref", "$dynamicRef")
_DEEPEST: Final = 30


def is_usable(schema: Mapping[str, Any]) -> bool:
    """Whether `schema` is one of an object, short, well-formed, and whole without what is elsewhere."""
    if schema.get("type") != "object":
        return False
    try:
        text = json.dumps(schema, allow_nan=False)
    except ValueError:
        # `1e999` is a number in JSON, but infinite here, and no JSON any more when it is sent on.
        return False
    parts: list[_Schema] = []
    return (
        len(text) <= LONGEST_SCHEMA
        and _collect(schema, parts, _DEEPEST)
        and are_patterns(_patterns(parts))
        and _is_whole(parts)
    )


def _collect(schema: Any, parts: list[_Schema], left: int) -> bool:
    """Whether it and all schemas in it are sound; adds them to `parts`, but for those that are a boolean."""
    if isinstance(schema, bool):
        return True
    if not isinstance(schema, dict) or left == 0:
        return False
    known = cast("_Schema", schema)
    if not all(_WORDS[word](value) for word, value in known.items() if word in _WORDS):
        return False
    if "array" in known.get("type", "") and not ("items" in known or "prefixItems" in known):
        return False
    parts.append(known)
    return all(_collect(part, parts, left - 1) for part in _inner(known))


def _inner(schema: _Schema) -> Iterator[Any]:
    for word in _ONE:
        if word in schema:
            yield schema[word]
    for word in _LISTS:
        yield from schema.get(word, [])
    for word in _MAPS:
        yield from schema.get(word, {}).values()


def _patterns(parts: Sequence[_Schema]) -> Iterator[str]:
    for part in parts:
        yield from part.get("patternProperties", {})
        if "pattern" in part:
            yield part["pattern"]


def _is_whole(parts: Sequence[_Schema]) -> bool:
    """Whether all references lead to one of the `parts`, the first of which is the whole schema."""
    known = {id(part) for part in parts}
    anchors = {part[word] for part in parts for word in ("$anchor", "$dynamicAnchor") if word in part}
    references = {part[word] for part in parts for word in _REFERENCES if word in part}
    return all(
        reference[1:] in anchors
        or isinstance(place := _place(parts[0], unquote(reference[1:])), bool)
        or id(place) in known
        for reference in references
    )


def _place(schema: Any, pointer: str) -> Any:
    """What a JSON pointer leads to; None for nothing."""
    if not pointer:
        return schema
    if not pointer.startswith("/"):
        return None
    place = schema
    for step in pointer[1:].split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(place, list) and re.fullmatch(r"[0-9]{1,5}", key):
            place = dict(enumerate(cast("list[Any]", place))).get(int(key))
        elif isinstance(place, dict):
            place = cast("_Schema", place).get(key)
        else:
            return None
    return place


def _is_type(value: Any) -> bool:
    named = cast("list[Any]", value) if isinstance(value, list) else [value]
    known = all(isinstance(each, str) and each in _TYPES for each in named)
    return known and len(named) == len(set(named)) > 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return (
        isinstance(value, list)
        and all(map(_is_text, texts := cast("list[Any]", value)))
        and (len(texts) == len(set(texts)))
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_choice(value: Any) -> bool:
    return isinstance(value, list) and bool(cast("list[Any]", value))


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


_WORDS: Final[dict[str, Callable[[Any], bool]]] = {
    "type": _is_type,
    "required": _is_texts,
    "multipleOf": lambda value: _is_number(value) and value > 0,
    "dependentRequired": lambda value: (
        isinstance(value, dict) and all(map(_is_texts, cast("_Schema", value).values()))
    ),
    **dict.fromkeys(("title", "description", "$comment", "format", "pattern"), _is_text),
    **dict.fromkeys(("$id", "$schema", "$anchor", "$dynamicAnchor"), _is_text),
    **dict.fromkeys(("contentEncoding", "contentMediaType"), _is_text),
    **dict.fromkeys(_REFERENCES, lambda value: isinstance(value, str) and value.startswith("#")),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _is_count),
    **dict.fromkeys(("minProperties", "maxProperties", "minContains", "maxContains"), _is_count),
    **dict.fromkeys(("uniqueItems", "deprecated", "readOnly", "writeOnly"), _is_flag),
    **dict.fromkeys(("enum", "examples"), _is_list),
    **dict.fromkeys(_LISTS, _is_choice),
    **dict.fromkeys(_MAPS, _is_map),
}
"""What JSON Schema wants of its words. To check by its own schema can take seconds, of which all wait."""
