"""How a function becomes a tool: a lean schema, right annotations, plain words for wrong arguments."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata
from mcp_types import ToolAnnotations
from pydantic import PrivateAttr, ValidationError
from pydantic_core import ErrorDetails
from typing_extensions import override

from mcp_server.effects import IDEMPOTENCY_KEY
from mcp_server.schemas import lean

__all__ = ["argument_error", "tool", "unknown_arguments", "wanted"]

_TYPE_WORDS: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


class _Arguments(FuncMetadata):
    """A list or an object may come as the text of its JSON. What may be a text is one, whatever is in it.

    Only `null` is none where nothing may be sent as well: models write it so.
    """

    _texts: frozenset[str] = PrivateAttr(default=frozenset())
    _optional: frozenset[str] = PrivateAttr(default=frozenset())

    @override
    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        properties: Mapping[str, Any] = self.arg_model.model_json_schema().get("properties", {})
        self._texts = frozenset(name for name, schema in properties.items() if _may_be("string", schema))
        self._optional = frozenset(name for name, schema in properties.items() if _may_be("null", schema))

    @override
    def pre_parse_json(self, data: dict[str, Any]) -> dict[str, Any]:
        texts = {
            name: data[name]
            for name in self._texts & data.keys()
            if not (data[name] == "null" and name in self._optional)
        }
        return super().pre_parse_json(data) | texts


def _may_be(kind: str, schema: Mapping[str, Any]) -> bool:
    return any(choice.get("type") == kind for choice in _choices(schema))


def tool(
    function: Callable[..., Any],
    *,
    title: str,
    read_only: bool = False,
    destructive: bool = False,
    idempotent: bool = False,
    open_world: bool = False,
    once: bool = False,
) -> Tool:
    """Make a tool of `function`: its docstring is the description, its return type the output schema.

    `once`: with a key, repeats have one effect, as the tool leaves its changes to `effects`. The other flags
    are the hints of the MCP specification (2026-07-28, server/tools, annotations).
    """
    made = Tool.from_function(
        function,
        title=title,
        description=" ".join((function.__doc__ or "").split()),
        annotations=ToolAnnotations(
            read_only_hint=read_only,
            destructive_hint=destructive,
            idempotent_hint=idempotent or read_only,
            open_world_hint=open_world,
        ),
        structured_output=True,
        meta={IDEMPOTENCY_KEY: True} if once else None,
    )
    made.parameters = lean(made.parameters) | {"additionalProperties": False}
    made.fn_metadata = _Arguments.model_validate(dict(made.fn_metadata))
    if made.fn_metadata.output_schema is not None:
        made.fn_metadata.output_schema = lean(made.fn_metadata.output_schema, output=True)
    return made


def unknown_arguments(name: str, known: Iterable[str]) -> str:
    return f"{name} takes only these arguments: {', '.join(known) or 'none at all'}."


def argument_error(name: str, schema: Mapping[str, Any], error: ValidationError) -> str:
    """One plain sentence for the model: what to send instead, without the value that was sent."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    wants = {str(detail["loc"][0]): _wanted(properties, detail) for detail in error.errors() if detail["loc"]}
    return f"{name} needs {' and '.join(wants.values())}." if wants else f"{name} cannot use these arguments."


def _wanted(properties: Mapping[str, Any], detail: ErrorDetails) -> str:
    field = str(detail["loc"][0])
    return wanted(field, properties.get(field, {}))


def wanted(field: str, schema: Mapping[str, Any]) -> str:
    """What to send as `field`, which has to fit `schema`."""
    words = f"`{field}` to be {_words(schema)}"
    purpose = schema.get("description")
    return f"{words} ({purpose.rstrip('.')})" if purpose else words


def _words(schema: Mapping[str, Any]) -> str:
    choices = [option for option in _choices(schema) if option.get("type") != "null"]
    return " or ".join(_word(choice) for choice in choices) or "null"


def _choices(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return [{**schema, "type": kind} for kind in cast("list[str]", kinds)]
    return schema.get("anyOf") or schema.get("oneOf") or [schema]


def _word(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    kind = str(schema.get("type"))
    word = _TYPE_WORDS.get(kind, "a value")
    if kind == "array" and schema.get("items", {}).get("type") == "string":
        word = "a list of texts"
    if "pattern" in schema:
        word += f" that fits {schema['pattern']}"
    match kind:
        case "string":
            return _within(word, schema.get("minLength"), schema.get("maxLength"), " of", " characters")
        case "array":
            return _within(word, schema.get("minItems"), schema.get("maxItems"), ",")
        case "object" if schema.get("properties"):
            return f"{word} of {', '.join(schema['properties'])}"
        case _:
            return _within(word, schema.get("minimum"), schema.get("maximum"))


def _within(word: str, low: Any, high: Any, before: str = "", after: str = "") -> str:
    if low is not None and high is not None:
        return f"{word}{before or ' from'} {low} to {high}{after}"
    if high is not None:
        return f"{word}{before} at most {high}{after}"
    return word if low is None else f"{word}{before} at least {low}{after}"
