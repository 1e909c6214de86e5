"""What a function says of itself, read from its text."""

import ast
from dataclasses import dataclass
from typing import Final

from mcp_server.custom.errors import Unfit

__all__ = ["Signature", "function_of", "public_functions", "signature_of"]

_FIELD: Final = "code"


@dataclass(frozen=True, slots=True)
class Signature:
    """`required`: the arguments without a default."""

    names: tuple[str, ...]
    required: frozenset[str]


def public_functions(code: str) -> list[str]:
    """The names of the functions at the top of `code` that do not begin with `_`. Raises Unfit."""
    functions = (node.name for node in _parsed(code).body if isinstance(node, ast.FunctionDef))
    return [name for name in functions if not name.startswith("_")]


def function_of(code: str, name: str) -> ast.FunctionDef:
    """The one function of that name at the top of `code`. Nothing is run. Raises Unfit."""
    found = [
        node
        for node in _parsed(code).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
    ]
    if len(found) != 1:
        said = "has none" if not found else f"has {len(found)}"
        raise Unfit(_FIELD, f"it is to have one function that is called `{name}`, and {said}.")
    function = found[0]
    if isinstance(function, ast.AsyncFunctionDef):
        raise Unfit(_FIELD, f"write `def`, not `async def`, in line {function.lineno}.")
    if function.decorator_list:
        raise Unfit(_FIELD, f"leave the decorator in line {function.decorator_list[0].lineno} out.")
    return function


def signature_of(function: ast.FunctionDef) -> Signature:
    """Raises Unfit for arguments that cannot be given by name."""
    taken = function.args
    if taken.posonlyargs or taken.vararg or taken.kwarg:
        raise Unfit(
            _FIELD, f"name each argument in line {function.lineno}: no `*args`, no `**kwargs`, no `/`."
        )
    plain = [argument.arg for argument in taken.args]
    without = plain[: len(plain) - len(taken.defaults)]
    by_name = [argument.arg for argument in taken.kwonlyargs]
    without += [name for name, default in zip(by_name, taken.kw_defaults, strict=True) if default is None]
    return Signature((*plain, *by_name), frozenset(without))


def _parsed(code: str) -> ast.Module:
    try:
        return ast.parse(code)
    except SyntaxError as error:
        raise Unfit(_FIELD, f"it is not valid Python in line {error.lineno}: {error.msg}.") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unfit(_FIELD, "it is not valid Python.") from error
