"""Schemas of custom tools: what takes too long to check, or lies elsewhere, is refused."""

import json
import socket
import time
from dataclasses import replace
from typing import Any

import pytest

from kit.postgres import Db
from mcp_server.custom.registry import listed
from tests.mcp_server.custom import catalogue, draft, unfit

_QUICK = 3.0


def _deep(levels: int) -> Any:
    schema: Any = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def _parameters(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, 'begin it with {"type": "object"'),
        ({"type": "string"}, 'begin it with {"type": "object"'),
        ({"type": "object", "properties": []}, 'begin it with {"type": "object"'),
        ({"type": ["object"], "properties": {}}, 'begin it with {"type": "object"'),
        ({"type": "object", "additionalProperties": True}, "leave additionalProperties out"),
        ({"type": "object", "properties": {"x": True}}, "a schema is an object (in `x`)"),
        (_parameters(x={"type": "text"}), "`properties.x.type` is not what JSON Schema wants"),
        (_parameters(x={"minLength": -1}), "`properties.x.minLength` is not"),
        (_parameters(x={"enum": 3}), "`properties.x.enum` is not"),
        (_parameters(x={"type": "array", "items": [{}]}), "a schema is an object (in `x.items`)"),
        (_parameters(x={"uniqueItems": True}), "only these words are known (in `x`)"),
        (_parameters(x={"patternProperties": {"(a+)+$": {}}}), "only these words are known"),
        (_parameters(x={"$ref": "#"}), "$ref is not followed (in `x`)"),
        (_parameters(x={"$ref": "http://127.0.0.1:PORT/schema.json"}), "$ref is not followed"),
        (_parameters(x={"type": "array", "items": {"$ref": "#/properties/x"}}), "$ref is not followed"),
        (_parameters(x={"anyOf": [{"$dynamicRef": "#x"}]}), "only these words are known"),
        ({"type": "object", "properties": {}, "$defs": {"a": {"$ref": "#/$defs/a"}}}, "only these words"),
        ({"type": "object", "properties": {}, "$id": "http://127.0.0.1:PORT/"}, "only these words"),
        (_parameters(x={"pattern": "(?=a)b"}), "the pattern cannot be used"),
        (_parameters(x={"pattern": "("}), "the pattern cannot be used"),
        (_parameters(x={"pattern": "((a{1,1000}){1,1000}){1,1000}"}), "the pattern cannot be used"),
        (_parameters(x={"pattern": "a" * 201}), "at most 200 characters"),
        (_parameters(x=_deep(25)), "deeper than 20 levels"),
        (_parameters(x=_deep(900)), "deeper than 20 levels"),
        (_parameters(x={"default": _deep(900)}), "deeper than 20 levels"),
        (_parameters(x={"description": "a" * 10_001}), "more than 10000 characters"),
        (_parameters(x={"anyOf": [{}] * 200}), "more than 100 schemas"),
        (_parameters(x={"description": "hid\u200bden"}), "invisible characters"),
        (_parameters(x={"enum": ["\u202eevil"]}), "invisible characters"),
        (_parameters(x={"default": "\x00"}), "invisible characters"),
        (_parameters(x={"default": "\ud800"}), "invisible characters"),
        (_parameters(x={"minimum": float("nan")}), "a number that JSON does not have"),
        (_parameters(**{"x y": {}}), "a property's name is that of an argument"),
        (_parameters(х={}), "a property's name is that of an argument"),
        (_parameters(**{"class": {}}), "a property's name is that of an argument"),
        ({"type": "object", "properties": {"x": {}}, "required": ["y"]}, "required names what"),
        ({"type": "object", "properties": {"x": {}}, "required": "x"}, "`required` is not"),
        (_parameters(y={}), "the function takes `x`, and the properties are `y`"),
        (_parameters(x={}, y={}), "the function takes `x`, and the properties are `x`, `y`"),
        (_parameters(), "the function takes `x`, and the properties are nothing"),
    ],
)
async def test_a_schema_that_cannot_be_checked_is_refused(
    shared_db: Db, listener: socket.socket, parameters: dict[str, Any], said: str
) -> None:
    port = str(listener.getsockname()[1])
    if "PORT" in repr(parameters):
        parameters = json.loads(json.dumps(parameters).replace("PORT", port))
    began = time.monotonic()
    refused = await unfit(
        catalogue(shared_db), replace(draft("def probe(x): return 1"), parameters=parameters)
    )
    assert time.monotonic() - began < _QUICK
    assert said in refused.message
    assert [detail["field"] for detail in refused.details] == ["parameters"]
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert await listed(shared_db) == []
