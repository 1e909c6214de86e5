"""Numbers that know whether they are exact, and the operators on them."""

from decimal import Context, Decimal
from fractions import Fraction
from math import floor
from typing import Final, NamedTuple

__all__ = [
    "DIGITS",
    "CannotCompute",
    "Number",
    "add",
    "checked",
    "divide",
    "floor_divide",
    "modulo",
    "multiply",
    "negate",
    "settled",
    "text_of",
    "to_decimal",
]

DIGITS: Final = 1000
_BEYOND: Final = 10**DIGITS
_CARRIED: Final = 50
_TRUSTED: Final = 40
_SHOWN: Final = 15
_SHOWN_DECIMALS: Final = 40
_NOISE: Final = Fraction(1, 10**_TRUSTED)
_ADJUSTED_PLAIN: Final = range(-6, _SHOWN)


class CannotCompute(Exception):
    """Why there is no result: one sentence for the person or model that asked."""


class Number(NamedTuple):
    """`exact` is false once a digit was rounded off. `share` marks a percentage of nothing named yet."""

    value: Fraction
    exact: bool = True
    share: bool = False


def to_decimal(value: Fraction, digits: int) -> Decimal:
    return Context(prec=digits).divide(Decimal(value.numerator), Decimal(value.denominator))


def checked(value: Fraction, *, exact: bool) -> Number:
    """A number within bounds: a fraction too long to carry is rounded.

    Raises CannotCompute for more than `DIGITS` digits before the point, or zeros after it.
    """
    if abs(value.numerator) >= _BEYOND * value.denominator:
        raise CannotCompute(
            f"A number is too large: the result and every step may have at most {DIGITS:,} digits."
        )
    if value and abs(value.numerator) * _BEYOND < value.denominator:
        raise CannotCompute(
            f"A number is too close to zero: there may be at most {DIGITS:,} digits after the point."
        )
    if exact and value.denominator < _BEYOND and abs(value.numerator) < _BEYOND:
        return Number(value)
    return Number(Fraction(to_decimal(value, _CARRIED)), exact=False)


def settled(number: Number) -> Fraction:
    """The value without the digits that rounding has blurred, for decisions that a last digit could tip."""
    return number.value if number.exact else Fraction(to_decimal(number.value, _TRUSTED))


def negate(number: Number) -> Number:
    return number._replace(value=-number.value)


def add(left: Number, right: Number) -> Number:
    total = left.value + right.value
    exact = left.exact and right.exact
    if not exact and abs(total) <= _NOISE * max(abs(left.value), abs(right.value)):
        total = Fraction()
    return checked(total, exact=exact)


def multiply(left: Number, right: Number) -> Number:
    return checked(left.value * right.value, exact=left.exact and right.exact)


def divide(left: Number, right: Number) -> Number:
    if not right.value:
        raise CannotCompute("Division by zero has no result: use a divisor other than zero.")
    return checked(left.value / right.value, exact=left.exact and right.exact)


def floor_divide(left: Number, right: Number) -> Number:
    quotient = divide(left, right)
    return checked(Fraction(floor(settled(quotient))), exact=quotient.exact)


def modulo(left: Number, right: Number) -> Number:
    """The remainder with the sign of `right`, as in Python."""
    if left.exact and right.exact and right.value:
        return checked(left.value % right.value, exact=True)
    return add(left, negate(multiply(right, floor_divide(left, right))))


def text_of(number: Number) -> tuple[str, bool]:
    """The number in digits, and whether these digits are all there are.

    Whole numbers and decimals of up to 40 places come out in full, anything else with 15 significant
    digits, or with all those before the point and two after it where these are more.
    """
    value = number.value
    if number.exact and value.denominator == 1:
        return str(value.numerator), True
    places = _places(value.denominator) if number.exact else None
    if places is not None and places <= _SHOWN_DECIMALS:
        whole = len(str(abs(value.numerator) // value.denominator))
        return _written(to_decimal(value, whole + places)), True
    shown = _SHOWN
    if number.exact:
        shown = max(shown, to_decimal(value, _SHOWN).adjusted() + 3)
        return _written(to_decimal(value, shown)), False
    rounded = to_decimal(settled(number), shown)
    return _written(rounded, plain=rounded.adjusted() in _ADJUSTED_PLAIN), False


def _places(denominator: int) -> int | None:
    """How many decimals a fraction with this denominator has; None where they never end."""
    twos = (denominator & -denominator).bit_length() - 1
    rest, fives = denominator >> twos, 0
    while fives <= _SHOWN_DECIMALS and rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else None


def _written(decimal: Decimal, *, plain: bool | None = None) -> str:
    if not decimal:
        return "0"
    if plain is None:
        plain = decimal.adjusted() >= _ADJUSTED_PLAIN.start
    if plain:
        text = f"{decimal:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, _, exponent = f"{decimal:e}".partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"
