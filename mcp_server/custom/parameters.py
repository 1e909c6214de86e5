"""JSON Schemas of what custom tools take: a part of the standard that can be checked in bounded time."""

import json
import keyword
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, Protocol, TypeAlias, cast

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

from mcp_server.custom.errors import Unfit
from mcp_server.schemas import lean

__all__ = ["Fault", "Schema", "Validator", "checked_parameters", "validator_of"]

Schema: TypeAlias = dict[str, Any]

_MOST_TEXT: Final = 10_000
_DEEPEST: Final = 20
_MOST_SCHEMAS: Final = 100
_MOST_PATTERN: Final = 200
_FIELD: Final = "parameters"
_PROPERTY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_DIALECT: Final = "$schema"
_TOP: Final = frozenset({"type", "properties", "required", "additionalProperties", "description", "title"})
_NESTED: Final = _TOP | {
    *("items", "enum", "const", "anyOf", "oneOf", "allOf", "default", "examples", "format", "pattern"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("minLength", "maxLength", "minItems", "maxItems"),
}


class Fault(Protocol):
    """A `ValidationError` of jsonschema, which comes without types."""

    validator: str
    validator_value: Any
    instance: Any
    schema: Schema
    absolute_schema_path: Iterable[str | int]


class Validator(Protocol):
    def iter_errors(self, instance: Any) -> Iterator[Fault]: ...


def checked_parameters(parameters: Schema) -> Schema:
    """The same schema, closed and without what says nothing. Raises Unfit."""
    _check_plain(parameters)
    schema = {key: value for key, value in parameters.items() if key != _DIALECT}
    if schema.get("type") != "object" or not isinstance(schema.get("properties", {}), dict):
        raise Unfit(_FIELD, 'begin it with {"type": "object", "properties": {…}}.')
    if schema.get("additionalProperties", False) is not False:
        raise Unfit(_FIELD, "a tool takes nothing but its properties: leave additionalProperties out.")
    _check_words(schema, "", _TOP, [0])
    properties = cast("Schema", schema.get("properties", {}))
    for name in properties:
        if not _PROPERTY.fullmatch(name) or keyword.iskeyword(name):
            raise Unfit(_FIELD, "a property's name is that of an argument: letters a to z, digits and _.")
    _check_kinds(schema)
    required = schema.get("required", [])
    if not properties.keys() >= set(required):
        raise Unfit(_FIELD, "required names what properties does not have.")
    order = [name for name in properties if name in required]
    closed = {"required": order, "additionalProperties": False}
    empty: Schema = {"type": "object", "properties": {}}
    return empty | lean(schema) | closed


def validator_of(parameters: Schema) -> Validator:
    """What finds the faults of arguments. It looks nothing up anywhere, and its time is bounded."""
    # It takes 70 ms to import, which a server without custom tools need not pay.
    from jsonschema import Draft202012Validator, validators  # noqa: PLC0415
    from jsonschema import ValidationError as Found  # noqa: PLC0415

    def pattern(_: object, wanted: str, instance: object, __: object) -> Iterator[Found]:
        if isinstance(instance, str) and not _matches(wanted, instance):
            yield Found("it does not match")

    made: Any = validators.extend(Draft202012Validator, {"pattern": pattern})  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return cast("Validator", made(parameters))


def _check_plain(parameters: Schema) -> None:
    """That it is JSON of bounded depth and size, without invisible characters."""
    for text in _texts(parameters, 0):
        if not all(character.isprintable() or character in "\n\t" for character in text):
            raise Unfit(_FIELD, "it has invisible characters.")
    try:
        size = len(json.dumps(parameters, ensure_ascii=False, allow_nan=False))
    except ValueError as error:
        raise Unfit(_FIELD, "it has a number that JSON does not have.") from error
    if size > _MOST_TEXT:
        raise Unfit(_FIELD, f"it has more than {_MOST_TEXT} characters.")


def _texts(value: Any, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        raise Unfit(_FIELD, f"it is deeper than {_DEEPEST} levels.")
    match value:
        case str():
            yield value
        case list():
            for item in cast("list[Any]", value):
                yield from _texts(item, depth + 1)
        case dict():
            for key, item in cast("Schema", value).items():
                yield key
                yield from _texts(item, depth + 1)
        case _:
            pass


def _check_words(schema: Any, place: str, known: frozenset[str], seen: list[int]) -> None:
    """That every schema in it has only words of which we know what they cost."""
    seen[0] += 1
    if seen[0] > _MOST_SCHEMAS:
        raise Unfit(_FIELD, f"it has more than {_MOST_SCHEMAS} schemas.")
    where = f" (in `{place}`)" if place else ""
    if not isinstance(schema, dict):
        raise Unfit(_FIELD, f"a schema is an object{where}.")
    members = cast("Schema", schema)
    if "$ref" in members:
        raise Unfit(_FIELD, f"$ref is not followed{where}: write what it means in its place.")
    if not members.keys() <= known:
        raise Unfit(_FIELD, f"only these words are known{where}: {', '.join(sorted(known))}.")
    _check_pattern(members.get("pattern"), where)
    for name, inner in _inner(members):
        _check_words(inner, f"{place}.{name}" if place else name, _NESTED, seen)


def _inner(members: Schema) -> Iterator[tuple[str, Any]]:
    properties = members.get("properties", {})
    if isinstance(properties, dict):
        yield from cast("Schema", properties).items()
    for word in ("items", "additionalProperties"):
        if word in members and not isinstance(members[word], bool):
            yield word, members[word]
    for word in ("anyOf", "oneOf", "allOf"):
        choices = members.get(word, [])
        if isinstance(choices, list):
            for choice in cast("list[Any]", choices):
                yield word, choice


def _check_pattern(pattern: Any, where: str) -> None:
    if pattern is None:
        return
    if not isinstance(pattern, str) or len(pattern) > _MOST_PATTERN:
        raise Unfit(_FIELD, f"a pattern has at most {_MOST_PATTERN} characters{where}.")
    try:
        _matches(pattern, "")
    except SchemaError as error:
        raise Unfit(_FIELD, f"the pattern cannot be used, perhaps as it looks around{where}.") from error


def _matches(pattern: str, text: str) -> bool:
    """In linear time, by Rust's `regex`: Python's own `re` may take for ever."""
    validator = SchemaValidator(core_schema.str_schema(pattern=pattern))
    try:
        validator.validate_python(text)
    except ValidationError:
        return False
    return True


def _check_kinds(schema: Schema) -> None:
    """That each word has a value of its kind."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415
    from jsonschema import SchemaError as NoSchema  # noqa: PLC0415

    try:
        Draft202012Validator.check_schema(schema)  # pyright: ignore[reportUnknownMemberType]
    except NoSchema as error:
        place = ".".join(str(part) for part in error.absolute_path)
        raise Unfit(_FIELD, f"`{place}` is not what JSON Schema wants there.") from error
