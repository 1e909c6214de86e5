"""The functions and constants that an expression can name."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Final

from mcp_server.arithmetic import real
from mcp_server.arithmetic.numbers import (
    DIGITS,
    CannotCompute,
    Number,
    add,
    checked,
    divide,
    modulo,
    multiply,
    settled,
)

__all__ = ["CONSTANTS", "FUNCTIONS", "KNOWN", "Function", "call", "factorial", "radians"]

_BITS: Final = DIGITS * 10 // 3
_MOST_PLACES: Final = 100
_HALF: Final = Fraction(1, 2)
_HALF_TURN: Final = Number(Fraction(180))


@dataclass(frozen=True, slots=True)
class Function:
    """`most` is None where any number of arguments will do; these also take one list."""

    apply: Callable[..., Number]
    least: int = 1
    most: int | None = 1


def call(name: str, arguments: list[Number]) -> Number:
    """The value of a known function. Raises CannotCompute for what it is not defined on."""
    function = FUNCTIONS[name]
    if function.least <= len(arguments) <= (function.most or len(arguments)):
        return function.apply(*arguments)
    counts = f"{function.least}"
    if function.most is None:
        counts += " or more"
    elif function.most > function.least:
        counts += f" to {function.most}"
    plural = "" if counts == "1" else "s"
    raise CannotCompute(
        f"{name} takes {counts} argument{plural}: a comma always separates two arguments, "
        "so write numbers in it without thousands separators."
    )


def factorial(number: Number) -> Number:
    count = _natural(number, "A factorial")
    if count > _BITS:
        raise CannotCompute(f"The factorial is too large: it would have more than {DIGITS:,} digits.")
    return checked(Fraction(math.factorial(count)), exact=number.exact)


def radians(angle: Number) -> Number:
    return multiply(divide(angle, _HALF_TURN), real.PI)


def _degrees(angle: Number) -> Number:
    return multiply(divide(angle, real.PI), _HALF_TURN)


def _comb(total: Number, chosen: Number) -> Number:
    n, k = _natural(total, "comb"), _natural(chosen, "comb")
    k = min(k, n - k)
    # n over k is at least (n / k) ** k, and at least 2 ** k.
    if k > _BITS or k * (n.bit_length() - 1 - k.bit_length()) > _BITS:
        raise CannotCompute(
            f"The number of combinations is too large: it would have more than {DIGITS:,} digits."
        )
    count = math.comb(n, k) if k >= 0 else 0
    return checked(Fraction(count), exact=total.exact and chosen.exact)


def _perm(total: Number, chosen: Number) -> Number:
    n, k = _natural(total, "perm"), _natural(chosen, "perm")
    # n! / (n - k)! is at least (n / e) ** k.
    if k <= n and k * (n.bit_length() - 3) > _BITS:
        raise CannotCompute(
            f"The number of permutations is too large: it would have more than {DIGITS:,} digits."
        )
    return checked(Fraction(math.perm(n, k) if k <= n else 0), exact=total.exact and chosen.exact)


def _natural(number: Number, word: str) -> int:
    whole = _whole(number, word)
    if whole < 0:
        raise CannotCompute(f"{word} is defined for whole numbers from zero up: use such numbers.")
    return whole


def _whole(number: Number, word: str) -> int:
    value = settled(number)
    if value.denominator != 1:
        raise CannotCompute(f"{word} is defined for whole numbers only: round the number first.")
    return value.numerator


def _gcd(*numbers: Number) -> Number:
    found = math.gcd(*(_whole(number, "gcd") for number in numbers))
    return Number(Fraction(found), all(number.exact for number in numbers))


def _lcm(*numbers: Number) -> Number:
    return reduce(_lcm_of_two, numbers, Number(Fraction(1)))


def _lcm_of_two(left: Number, right: Number) -> Number:
    multiple = math.lcm(_whole(left, "lcm"), _whole(right, "lcm"))
    return checked(Fraction(multiple), exact=left.exact and right.exact)


def _abs(number: Number) -> Number:
    return Number(abs(number.value), number.exact)


def _floor(number: Number) -> Number:
    return checked(Fraction(math.floor(settled(number))), exact=True)


def _ceil(number: Number) -> Number:
    return checked(Fraction(math.ceil(settled(number))), exact=True)


def _round(number: Number, places: Number | None = None) -> Number:
    """Halves go away from zero, as at school."""
    digits = _whole(places, "The number of places in round") if places else 0
    if abs(digits) > _MOST_PLACES:
        raise CannotCompute(f"The number of places in round is too large: it may be at most {_MOST_PLACES}.")
    value, scale = settled(number), Fraction(10) ** digits
    size = math.floor(abs(value) * scale + _HALF) / scale
    return checked(size if value >= 0 else -size, exact=True)


def _smallest(*numbers: Number) -> Number:
    return _unshared(min(numbers, key=_value))


def _largest(*numbers: Number) -> Number:
    return _unshared(max(numbers, key=_value))


def _value(number: Number) -> Fraction:
    return number.value


def _unshared(number: Number) -> Number:
    return Number(number.value, number.exact)


def _sum(*numbers: Number) -> Number:
    return reduce(add, numbers, Number(Fraction()))


def _mean(*numbers: Number) -> Number:
    return divide(_sum(*numbers), Number(Fraction(len(numbers))))


def _hypot(*legs: Number) -> Number:
    return real.sqrt(_sum(*(multiply(leg, leg) for leg in legs)))


def _log10(number: Number) -> Number:
    return real.log(number, Number(Fraction(10)))


def _log2(number: Number) -> Number:
    return real.log(number, Number(Fraction(2)))


FUNCTIONS: Final[Mapping[str, Function]] = {
    "sqrt": Function(real.sqrt),
    "cbrt": Function(real.cbrt),
    "pow": Function(real.power, 2, 2),
    "abs": Function(_abs),
    "round": Function(_round, 1, 2),
    "floor": Function(_floor),
    "ceil": Function(_ceil),
    "min": Function(_smallest, 1, None),
    "max": Function(_largest, 1, None),
    "sum": Function(_sum, 1, None),
    "mean": Function(_mean, 1, None),
    "mod": Function(modulo, 2, 2),
    "log": Function(real.log, 1, 2),
    "ln": Function(real.log),
    "log10": Function(_log10),
    "log2": Function(_log2),
    "exp": Function(real.exp),
    "sin": Function(real.sin),
    "cos": Function(real.cos),
    "tan": Function(real.tan),
    "asin": Function(real.asin),
    "acos": Function(real.acos),
    "atan": Function(real.atan),
    "atan2": Function(real.atan2, 2, 2),
    "degrees": Function(_degrees),
    "radians": Function(radians),
    "hypot": Function(_hypot, 1, None),
    "factorial": Function(factorial),
    "gcd": Function(_gcd, 1, None),
    "lcm": Function(_lcm, 1, None),
    "comb": Function(_comb, 2, 2),
    "perm": Function(_perm, 2, 2),
}
CONSTANTS: Final[Mapping[str, Number]] = {
    "pi": real.PI,
    "e": real.EULER,
    "tau": Number(2 * real.PI.value, exact=False),
}
KNOWN: Final = f"the functions {', '.join(FUNCTIONS)} and the constants {', '.join(CONSTANTS)}"
