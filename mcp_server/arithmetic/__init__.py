"""Arithmetic on text: exact where it can be, bounded in time and memory always.

`evaluate` reads what people and small models write: Python's operators, `^`, the signs of
print for times, divided by and minus, `5!`, `30°`, `1,234.5` outside of function arguments, a leading
or trailing `=`.

- A number is a rational until something irrational happens to it; from then on it carries 50 digits.
  A difference that is 40 digits smaller than what it was made of is zero, so `sin(pi)` is 0.
- `%` directly before an operand is the remainder, with Python's sign. Elsewhere it is a percentage:
  a hundredth, except after + or -, where it is that share of what stands before it, as on a desk
  calculator: `200 + 10%` is 220. Percentages among themselves just add: `10% + 5%` is 0.15.
  `a% of b` multiplies. Where spaces leave open which is meant, it is refused.
- `round` takes halves away from zero. Angles are radians. `log` is natural.
"""

from mcp_server.arithmetic.evaluation import Answer, evaluate
from mcp_server.arithmetic.numbers import CannotCompute

__all__ = ["Answer", "CannotCompute", "evaluate"]
