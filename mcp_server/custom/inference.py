"""A custom tool from a file of Python: what its function says of itself is read, and nothing is run."""

import ast
from pathlib import PurePath
from typing import Final

from mcp_server.custom.checking import Draft
from mcp_server.custom.errors import Unfit
from mcp_server.custom.parameters import Schema
from mcp_server.custom.signature import function_of, public_functions

__all__ = ["draft_of"]

_KINDS: Final[dict[str, Schema]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "list": {"type": "array"},
    "dict": {"type": "object"},
    "None": {"type": "null"},
    "Any": {},
}


def draft_of(
    path: PurePath, code: str, name: str | None, description: str | None, parameters: Schema | None
) -> Draft:
    """What is not given comes from the file: the name of its function, its docstring, its annotations.

    Raises Unfit.
    """
    name = name or _name(path, code)
    function = function_of(code, name)
    description = description or " ".join((ast.get_docstring(function) or "").split())
    if not description:
        raise Unfit("description", "write a docstring for the function, or give --description.")
    return Draft(name, description, _parameters(function) if parameters is None else parameters, code)


def _name(path: PurePath, code: str) -> str:
    names = public_functions(code)
    if len(names) == 1:
        return names[0]
    if path.stem in names:
        return path.stem
    raise Unfit("name", "say with --name which function of the file is the tool.")


def _parameters(function: ast.FunctionDef) -> Schema:
    taken = function.args
    defaults: list[ast.expr | None] = [
        *[None] * (len(taken.args) - len(taken.defaults)),
        *taken.defaults,
        *taken.kw_defaults,
    ]
    arguments = [*taken.args, *taken.kwonlyargs]
    properties: Schema = {}
    for argument, default in zip(arguments, defaults, strict=True):
        properties[argument.arg] = _schema(argument.annotation, argument) | _default(default)
    required = [each.arg for each, default in zip(arguments, defaults, strict=True) if default is None]
    return {"type": "object", "properties": properties, "required": required}


def _schema(annotation: ast.expr | None, argument: ast.arg) -> Schema:
    match annotation:
        case ast.Name(id=name) if name in _KINDS:
            return dict(_KINDS[name])
        case ast.Constant(value=None):
            return {"type": "null"}
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _either(_schema(left, argument), _schema(right, argument))
        case ast.Subscript(value=ast.Name(id=of), slice=inner):
            return _of(of, inner, argument)
        case _:
            raise _unclear(argument)


def _of(of: str, inner: ast.expr, argument: ast.arg) -> Schema:
    """The schema of `of[inner]`."""
    match of, inner:
        case "Optional", _:
            return _either(_schema(inner, argument), {"type": "null"})
        case "list", _:
            return {"type": "array", "items": _schema(inner, argument)}
        case "dict", ast.Tuple(elts=[ast.Name(id="str"), values]):
            return {"type": "object", "additionalProperties": _schema(values, argument)}
        case "Literal", _:
            return _choice(inner.elts if isinstance(inner, ast.Tuple) else [inner], argument)
        case "Annotated", ast.Tuple(elts=[kind, ast.Constant(value=str(words))]):
            return _schema(kind, argument) | {"description": words}
        case _:
            raise _unclear(argument)


def _either(one: Schema, other: Schema) -> Schema:
    return {"anyOf": [choice for part in (one, other) for choice in part.get("anyOf", [part])]}


def _choice(choices: list[ast.expr], argument: ast.arg) -> Schema:
    values = [choice.value for choice in choices if isinstance(choice, ast.Constant)]
    if len(values) == len(choices) and all(isinstance(value, str) for value in values):
        return {"type": "string", "enum": values}
    if len(values) == len(choices) and all(isinstance(value, int) for value in values):
        return {"enum": values}
    raise _unclear(argument)


def _default(node: ast.expr | None) -> Schema:
    """What is told of the default: plain values only."""
    match node:
        case ast.Constant(value=str() | bool() | int() | float() as value):
            return {"default": value}
        case _:
            return {}


def _unclear(argument: ast.arg) -> Unfit:
    return Unfit(
        "parameters",
        f"annotate `{argument.arg}` in line {argument.lineno} with str, int, float, bool, list, dict, Any, "
        'Literal, a choice of these, or Annotated[str, "what it is"]; or give --parameters.',
    )
