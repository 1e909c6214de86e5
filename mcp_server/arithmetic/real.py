"""Powers, roots, logarithms and angles, in decimals of 70 digits."""

from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Final

from mcp_server.arithmetic.numbers import (
    DIGITS,
    CannotCompute,
    Number,
    add,
    checked,
    divide,
    multiply,
    negate,
    settled,
    to_decimal,
)

__all__ = [
    "EULER",
    "PI",
    "acos",
    "asin",
    "atan",
    "atan2",
    "cbrt",
    "cos",
    "exp",
    "log",
    "power",
    "sin",
    "sqrt",
    "tan",
]

_WORK: Final = 70
_PI: Final = Fraction(
    "3.14159265358979323846264338327950288419716939937510"
    "58209749445923078164062862089986280348253421170679"
    "82148086513282306647093844609550582231725359408128"
)
PI: Final = Number(_PI, exact=False)
EULER: Final = Number(Fraction(Decimal(1).exp(Context(prec=_WORK))), exact=False)

_LARGEST: Final = 10**30  # with 50 digits carried, 20 are left to trust
_LARGEST_EXPONENT: Final = Decimal(DIGITS * 2303) / 1000
_BITS: Final = DIGITS * 10 // 3
_HIGHEST_ROOT: Final = 64
_NEAR: Final = Fraction(1, 10**25)
_NOISE: Final = Fraction(1, 10**40)
_HALVINGS: Final = 4


def power(base: Number, exponent: Number) -> Number:
    wanted, exact = settled(exponent), base.exact and exponent.exact
    base = Number(base.value, exact)
    if wanted.denominator == 1:
        return _whole_power(base, wanted.numerator)
    if base.value < 0:
        raise CannotCompute(
            "A negative number to a fractional power is not real: "
            "use a whole exponent, or cbrt for cube roots."
        )
    if not base.value:
        return _whole_power(base, 1 if wanted > 0 else -1)
    if exact and wanted.denominator <= _HIGHEST_ROOT:
        root = _exact_root(base.value, wanted.denominator)
        if root is not None:
            return _whole_power(Number(root), wanted.numerator)
    return _real_power(base.value, exponent.value)


def _whole_power(base: Number, exponent: int) -> Number:
    value = base.value
    if not value and exponent < 0:
        raise CannotCompute("Zero to a negative power divides by zero: use a base other than zero.")
    if value in (0, 1, -1):
        return Number(value ** (exponent % 2 or (2 if exponent else 0)), base.exact)
    if base.exact and _is_short_power(value, exponent):
        return checked(value**exponent, exact=True)
    size = _real_power(abs(value), Fraction(exponent))
    return negate(size) if value < 0 and exponent % 2 else size


def _is_short_power(base: Fraction, exponent: int) -> bool:
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    return (bits - 1) * abs(exponent) <= 2 * _BITS


def _real_power(base: Fraction, exponent: Fraction) -> Number:
    if abs(exponent) > _LARGEST:
        raise CannotCompute("The exponent is too large: it may have at most 30 digits.")
    growth = Context(prec=_WORK).multiply(_ln(base), to_decimal(exponent, _WORK))
    return _exp(growth, "power")


def exp(number: Number) -> Number:
    if not number.value:
        return Number(Fraction(1), number.exact)
    return _exp(to_decimal(number.value, _WORK), "exponential")


def _exp(exponent: Decimal, word: str) -> Number:
    if exponent > _LARGEST_EXPONENT:
        raise CannotCompute(f"The {word} is too large: it would have more than {DIGITS:,} digits.")
    if exponent < -_LARGEST_EXPONENT:
        raise CannotCompute(
            f"The {word} is too close to zero: it would have more than {DIGITS:,} zeros after the point."
        )
    return _inexact(exponent.exp(Context(prec=_WORK)))


def sqrt(number: Number) -> Number:
    if number.value < 0:
        raise CannotCompute("The square root of a negative number is not real: use a number from zero up.")
    root = _exact_root(number.value, 2) if number.exact else None
    if root is not None:
        return Number(root)
    return _inexact(to_decimal(number.value, _WORK).sqrt(Context(prec=_WORK)))


def cbrt(number: Number) -> Number:
    root = power(Number(abs(number.value), number.exact), Number(Fraction(1, 3)))
    return negate(root) if number.value < 0 else root


def log(number: Number, base: Number = EULER) -> Number:
    if number.value <= 0 or base.value <= 0:
        raise CannotCompute("A logarithm exists only for numbers above zero: use a number above zero.")
    if base.value == 1:
        raise CannotCompute("A logarithm to base 1 does not exist: use another base.")
    if base is EULER:
        return _inexact(_ln(number.value)) if number.value != 1 else Number(Fraction(), number.exact)
    found = _inexact(Context(prec=_WORK).divide(_ln(number.value), _ln(base.value)))
    whole = settled(found)
    exact = number.exact and base.exact and whole.denominator == 1
    if exact and _is_short_power(base.value, whole.numerator) and base.value**whole == number.value:
        return Number(whole)
    return found


def _ln(value: Fraction) -> Decimal:
    near = value - 1
    if near and abs(near) < _NEAR:
        # Rounding 1 + near to decimals would lose what matters.
        small = to_decimal(near, _WORK)
        with localcontext(Context(prec=_WORK)):
            return small * (1 - small / 2 + small * small / 3)
    return to_decimal(value, _WORK + 30).ln(Context(prec=_WORK))


def _exact_root(value: Fraction, degree: int) -> Fraction | None:
    root = Fraction(_floor_root(value.numerator, degree), _floor_root(value.denominator, degree))
    return root if root**degree == value else None


def _floor_root(number: int, degree: int) -> int:
    if number in (0, 1):
        return number
    guess = 1 << -(-number.bit_length() // degree)
    while (better := ((degree - 1) * guess + number // guess ** (degree - 1)) // degree) < guess:
        guess = better
    return guess


def sin(angle: Number) -> Number:
    return _wave(angle, 0)


def cos(angle: Number) -> Number:
    return _wave(angle, 1)


def tan(angle: Number) -> Number:
    below = cos(angle)
    if not below.value:
        raise CannotCompute("The tangent does not exist at a right angle: use another angle.")
    return divide(sin(angle), below)


def _wave(angle: Number, quarters: int) -> Number:
    """The sine of `angle` plus that many right angles."""
    if abs(angle.value) > _LARGEST:
        raise CannotCompute("The angle is too large: it may have at most 30 digits before the point.")
    turned = round(angle.value / (_PI / 2))
    rest = angle.value - turned * _PI / 2
    if not angle.exact and abs(rest) <= _NOISE * max(1, abs(angle.value)):
        rest = Fraction()
    quarters += turned
    if not rest:
        return Number(Fraction((0, 1, 0, -1)[quarters % 4]), angle.exact)
    size = _inexact(_series(to_decimal(rest, _WORK), start=quarters % 2))
    return negate(size) if quarters % 4 in (2, 3) else size


def _series(x: Decimal, *, start: int) -> Decimal:
    """Sum the cosine's (start 1) or the sine's (start 0) series at a small `x`."""
    with localcontext(Context(prec=_WORK)):
        square, order = x * x, 0 if start else 1
        term = total = Decimal(1) if start else x
        while term and term.adjusted() > total.adjusted() - _WORK:
            term = -term * square / ((order + 1) * (order + 2))
            total += term
            order += 2
        return total


def asin(ratio: Number) -> Number:
    return atan2(ratio, _other_leg(ratio))


def acos(ratio: Number) -> Number:
    return atan2(_other_leg(ratio), ratio)


def _other_leg(ratio: Number) -> Number:
    if abs(settled(ratio)) > 1:
        raise CannotCompute("asin and acos exist only from -1 to 1: use a number in that range.")
    square = add(Number(Fraction(1)), negate(multiply(ratio, ratio)))
    return sqrt(square._replace(value=max(square.value, Fraction())))


def atan(ratio: Number) -> Number:
    return atan2(ratio, Number(Fraction(1)))


def atan2(y: Number, x: Number) -> Number:
    exact = y.exact and x.exact
    if not y.value:
        if not x.value:
            raise CannotCompute("atan2 of zero and zero has no angle: one of them must not be zero.")
        return Number(Fraction(), exact) if x.value > 0 else PI
    if abs(y.value) > abs(x.value):
        turn = Number(_PI / 2 if y.value > 0 else -_PI / 2, exact=False)
        return add(turn, negate(_flat_angle(x.value / y.value)))
    angle = _flat_angle(y.value / x.value)
    return angle if x.value > 0 else add(angle, PI if y.value > 0 else negate(PI))


def _flat_angle(ratio: Fraction) -> Number:
    """The arc tangent of a ratio from -1 to 1."""
    with localcontext(Context(prec=_WORK)):
        x = to_decimal(ratio, _WORK)
        for _ in range(_HALVINGS):
            x /= 1 + (1 + x * x).sqrt()
        square, total, term, order = x * x, x, x, 1
        while term and term.adjusted() > total.adjusted() - _WORK:
            term = -term * square
            order += 2
            total += term / order
        return _inexact(total * 2**_HALVINGS)


def _inexact(decimal: Decimal) -> Number:
    return checked(Fraction(decimal), exact=False)
