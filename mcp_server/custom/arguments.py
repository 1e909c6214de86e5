"""Arguments of a call of a custom tool, and what is told of those that do not fit."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, TypeAlias

from anyio import to_thread

from mcp_server.context import ToolError
from mcp_server.custom.catalogue import Enabled
from mcp_server.custom.parameters import Fault, Schema
from mcp_server.sandbox import Plain
from mcp_server.tooling import unknown_arguments, wanted

__all__ = ["check_arguments"]

_MOST: Final = 20_000
_MOST_AT_ONCE: Final = 2_000
_MOST_FAULTS: Final = 50
_MOST_TOLD: Final = 5

Place: TypeAlias = tuple[str, Schema]


async def check_arguments(tool: Enabled, arguments: dict[str, Any]) -> None:
    """Raises ToolError with a sentence that says what to send, and repeats nothing of what was sent."""
    known = tool.parameters["properties"]
    if not arguments.keys() <= known.keys():
        raise ToolError(unknown_arguments(tool.name, known))
    if not _is_plain(arguments):
        raise ToolError(
            f"{tool.name} takes plain JSON: at most {_MOST} characters, and whole numbers up to 2 to the 53."
        )
    # While much is looked at, others are to go on.
    much = len(json.dumps(arguments)) > _MOST_AT_ONCE
    faults = await to_thread.run_sync(_faults, tool, arguments) if much else _faults(tool, arguments)
    if faults:
        raise ToolError(f"{tool.name} needs {' and '.join(faults)}.")


def _is_plain(arguments: dict[str, Any]) -> bool:
    plain = Plain(_MOST)
    plain.of(arguments)
    if plain.cut or plain.odd:
        return False
    try:
        json.dumps(arguments, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _faults(tool: Enabled, arguments: dict[str, Any]) -> list[str]:
    found = islice(tool.validator.iter_errors(arguments), _MOST_FAULTS)
    told = dict.fromkeys(wanted(*place) for fault in found for place in _places(fault))
    return list(islice(told, _MOST_TOLD))


def _places(fault: Fault) -> Iterator[Place]:
    """What is to be different, and what is wanted there."""
    path = _path(fault)
    if fault.validator == "required":
        for name in fault.validator_value:
            if name not in fault.instance:
                inner = fault.schema.get("properties", {}).get(name, {})
                yield ".".join(filter(None, (path, name))), inner
    else:
        yield path.removesuffix("[]") if fault.validator == "additionalProperties" else path, fault.schema


def _path(fault: Fault) -> str:
    """Where it is, by the names of the schema: those of the arguments are the caller's."""
    path, steps = "", iter(fault.absolute_schema_path)
    for step in steps:
        match step:
            case "properties":
                path += f".{next(steps)}"
            case "items" | "additionalProperties":
                path += "[]"
            case "allOf" | "anyOf" | "oneOf":
                next(steps, None)
            case _:
                break
    return path.removeprefix(".")
