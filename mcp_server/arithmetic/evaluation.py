"""The value of a syntax tree."""

import ast
from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import pairwise
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final, NamedTuple

from mcp_server.arithmetic.functions import CONSTANTS, FUNCTIONS, call, factorial, radians
from mcp_server.arithmetic.notation import UNREADABLE, Parsed, parse
from mcp_server.arithmetic.numbers import (
    CannotCompute,
    Number,
    add,
    divide,
    floor_divide,
    modulo,
    multiply,
    negate,
    text_of,
)
from mcp_server.arithmetic.real import power

__all__ = ["MOST_OPERATIONS", "Answer", "evaluate"]

MOST_OPERATIONS: Final = 200

_HUNDRED: Final = Number(Fraction(100))
_OPERATORS: Final[Mapping[type[ast.operator], Callable[[Number, Number], Number]]] = {
    ast.Mult: multiply,
    ast.MatMult: multiply,
    ast.Div: divide,
    ast.FloorDiv: floor_divide,
    ast.Mod: modulo,
    ast.Pow: power,
}
_COMPARISONS: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Eq: eq,
    ast.NotEq: ne,
    ast.Lt: lt,
    ast.LtE: le,
    ast.Gt: gt,
    ast.GtE: ge,
}


class Answer(NamedTuple):
    """`text` is a number, or true or false; `exact` says whether nothing was rounded."""

    text: str
    exact: bool


def evaluate(expression: str) -> Answer:
    """Raises CannotCompute where there is no result, or it would take more than the bounds allow."""
    parsed = parse(expression)
    if isinstance(parsed.tree, ast.Compare):
        return _compare(parsed.tree, parsed.numbers)
    return Answer(*text_of(_value(parsed)))


def _compare(tree: ast.Compare, numbers: dict[str, Number]) -> Answer:
    values = [_value(Parsed(side, numbers)) for side in (tree.left, *tree.comparators)]
    gaps = [add(left, negate(right)) for left, right in pairwise(values)]
    holds = all(_COMPARISONS[type(op)](gap.value, 0) for op, gap in zip(tree.ops, gaps, strict=True))
    return Answer("true" if holds else "false", all(gap.exact for gap in gaps))


def _value(parsed: Parsed) -> Number:
    """Works on a stack of its own: a long sum is a deep tree."""
    stack: list[Number] = []
    for node, arity in _postfix(parsed.tree):
        operands = stack[len(stack) - arity :]
        del stack[len(stack) - arity :]
        stack.append(_applied(node, operands, parsed.numbers))
    return stack.pop()


def _postfix(tree: ast.expr) -> list[tuple[ast.expr, int]]:
    """Every node after its operands, with how many these are."""
    pending, ordered, operations = [tree], list[tuple[ast.expr, int]](), 0
    while pending:
        node = pending.pop()
        operands = _operands(node)
        operations += not isinstance(node, ast.Name)
        if operations > MOST_OPERATIONS:
            raise CannotCompute(
                f"The expression has too many operations: send at most {MOST_OPERATIONS} in one call."
            )
        ordered.append((node, len(operands)))
        pending.extend(operands)
    return ordered[::-1]


def _operands(node: ast.expr) -> list[ast.expr]:
    match node:
        case ast.Name():
            return []
        case ast.BinOp(left=left, op=op, right=right):
            if isinstance(op, ast.MatMult):
                _check_share(left)
            return [left, right]
        case ast.UnaryOp(operand=operand) | ast.Attribute(value=operand):
            return [operand]
        case ast.Call(func=ast.Name(id=name), args=[ast.List(elts=elements)], keywords=[]):
            if FUNCTIONS[name].most is None:
                return elements
        case ast.Call(args=arguments, keywords=[]):
            return arguments
        case ast.Compare():
            raise CannotCompute("A comparison must be the whole expression: send its sides on their own.")
        case _:
            pass
    raise CannotCompute(UNREADABLE)


def _check_share(left: ast.expr) -> None:
    """Refuse 100 / 50% of 10, which people and operators group differently."""
    match left:
        case ast.Attribute() | ast.UnaryOp():
            return
        case ast.BinOp(op=ast.Mult() | ast.MatMult()):
            return
        case _:
            raise CannotCompute("It is unclear what the percentage applies to: put parentheses around it.")


def _applied(node: ast.expr, operands: list[Number], numbers: Mapping[str, Number]) -> Number:
    match node, operands:
        case ast.Name(id=name), []:
            return numbers[name] if name in numbers else CONSTANTS[name]
        case ast.UnaryOp(op=op), [operand]:
            return negate(operand) if isinstance(op, ast.USub) else operand
        case ast.Attribute(attr=name), [operand]:
            return _postfix_operator(name, operand)
        case ast.Call(func=ast.Name(id=name)), _:
            return call(name, operands)
        case ast.BinOp(op=ast.Add()), [left, right]:
            return _added(left, right)
        case ast.BinOp(op=ast.Sub()), [left, right]:
            return _added(left, negate(right))
        case ast.BinOp(op=op), [left, right] if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](left, right)
        case _:
            raise CannotCompute(UNREADABLE)


def _postfix_operator(name: str, operand: Number) -> Number:
    if name == "percent":
        return divide(operand, _HUNDRED)._replace(share=True)
    return factorial(operand) if name == "factorial" else radians(operand)


def _added(left: Number, right: Number) -> Number:
    """The sum; a percentage is added as a share of what is no percentage itself."""
    if right.share and not left.share:
        return multiply(left, add(Number(Fraction(1)), right))
    return add(left, right)._replace(share=left.share and right.share)
