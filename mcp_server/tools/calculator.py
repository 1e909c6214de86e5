"""Arithmetic, exact where it can be."""

from typing import Annotated, Final

from pydantic import BaseModel, Field

from mcp_server.arithmetic import CannotCompute, evaluate
from mcp_server.context import ToolError
from mcp_server.tooling import tool

__all__ = ["TOOLS"]


class Result(BaseModel):
    result: str = Field(description="The number, or true or false for a comparison")
    exact: bool = Field(description="False when the digits are rounded")


async def calculator(
    expression: Annotated[
        str,
        Field(
            min_length=1,
            max_length=1000,
            description="Numbers, operators and functions; a percentage keeps its % sign",
        ),
    ],
) -> Result:
    """Compute a numeric expression. Use it for every calculation, also for easy ones.

    Operators are + - * / // % ** and parentheses. It knows percentages, roots, logarithms, rounding,
    trigonometry in radians, and combinatorics. log is the natural logarithm.
    """
    try:
        answer = evaluate(expression)
    except CannotCompute as error:
        raise ToolError(str(error)) from error
    return Result(result=answer.text, exact=answer.exact)


TOOLS: Final = (tool(calculator, title="Calculate", read_only=True),)
