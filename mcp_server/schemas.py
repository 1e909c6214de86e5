"""Schemas as short as they can be said: every client sends them to its model with every request."""

import json
from typing import Any, Final, TypeAlias, cast

__all__ = ["lean"]

Schema: TypeAlias = dict[str, Any]

_REF: Final = "#/$defs/"


def lean(schema: Schema, *, output: bool = False) -> Schema:
    """The same schema without what says nothing, and without definitions that are used once.

    Titles only repeat the names; nobody needs the defaults of what a tool returns.
    """
    shorter = cast("Schema", _without(schema, {"title", "default"} if output else {"title"}))
    definitions = shorter.pop("$defs", {})
    for name in list(definitions):
        reference = _REF + name
        if json.dumps([shorter, definitions]).count(json.dumps(reference)) == 1:
            definition = definitions.pop(name)
            shorter, definitions = _inlined([shorter, definitions], reference, definition)
    return shorter | ({"$defs": definitions} if definitions else {})


def _without(schema: Any, noise: set[str], *, named: bool = False) -> Any:
    """`named`: the keys are names that somebody chose, and no words of JSON Schema."""
    if isinstance(schema, list):
        return [_without(item, noise) for item in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    members = {
        key: _without(value, noise, named=not named and key in {"properties", "$defs"})
        for key, value in cast("Schema", schema).items()
        if named or (key not in noise and (key, value) != ("default", None))
    }
    return members if named else _described(members)


def _described(schema: Schema) -> Schema:
    """The same schema with the description outside of its choices, where clients look for it."""
    match schema:
        case {"anyOf": [{"description": words, **rest}, {"type": "null"} as nothing]}:
            return {"description": words, **schema, "anyOf": [rest, nothing]}
        case _:
            return schema


def _inlined(schema: Any, reference: str, definition: Schema) -> Any:
    if isinstance(schema, list):
        return [_inlined(item, reference, definition) for item in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    members = cast("Schema", schema)
    if members.get("$ref") == reference:
        return definition | {key: value for key, value in members.items() if key != "$ref"}
    return {key: _inlined(value, reference, definition) for key, value in members.items()}
