"""The evaluator: its bounds, and its arithmetic against the standard library's."""

import math
import time
import tracemalloc
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_server.arithmetic import CannotCompute, evaluate
from mcp_server.arithmetic.functions import FUNCTIONS
from mcp_server.arithmetic.real import PI

_CPU_SECONDS = 0.5
_MEMORY_BYTES = 16 * 2**20
_LONGEST_ANSWER = 1100

_HOSTILE = [
    "9**9**9",
    "9**3999999",
    "(-9)**3999999",
    "9**-3999999",
    "factorial(10**6)",
    "factorial(factorial(20))",
    "comb(10**9, 10**8)",
    "comb(10**999, 9999)",
    "perm(10**9, 10**5)",
    "1e999999999",
    "1e-999999999",
    "0.5**1000000000",
    "2**-9999999",
    "1.1**10**31",
    "1.0000001**10**31",
    "exp(10**9)",
    "exp(-10**9)",
    "lcm(9**1000, 7**1000)",
    "10**999*10",
    "9" * 1001,
    "(" * 10_000 + "1" + ")" * 10_000,
    "(" * 400 + "1" + ")" * 400,
    "-" * 900 + "1",
    "1" + "^1" * 499,
    "+".join("1" * 300),
    "sqrt(" * 150 + "1" + ")" * 150,
    "sin(10**40)",
    "round(1/3, 10**9)",
]
_SLOWEST = [
    "-".join(["e**2e3"] * 140),
    "gcd(" + ",".join(["log2(3)"] * 120) + ")",
    "hypot(" + ",".join(["7**1e3/9**1e3"] * 60) + ")",
    "+".join(["comb(3300,1650)"] * 60),
    "*".join(["acos(.3)"] * 110),
    "+".join(["cbrt(9**1e3)"] * 70),
    "<".join(["1/7**1e3"] * 100),
]


@pytest.mark.parametrize("expression", _HOSTILE)
def test_what_is_too_big_is_refused_by_name(expression: str) -> None:
    with pytest.raises(CannotCompute, match=r"too |at most"):
        evaluate(expression)


@pytest.mark.parametrize("expression", [*_HOSTILE, *_SLOWEST])
def test_no_expression_takes_long_or_much(expression: str) -> None:
    _bounded(expression)
    tracemalloc.start()
    _answer(expression)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < _MEMORY_BYTES


@pytest.mark.parametrize("expression", ["1<<2", "4>>1", "6&3", "6|1", "~1", "1:=2"])
def test_operators_of_other_languages_are_refused_by_name(expression: str) -> None:
    with pytest.raises(CannotCompute, match=r"can be computed|missing or doubled"):
        evaluate(expression)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("argument", ["2", ".3", "9**999", "1/7**999", "1e-999", "0", "-1"])
def test_no_function_escapes_the_bounds(name: str, argument: str) -> None:
    for count in (1, 2, 3):
        _bounded(f"{name}({','.join([argument] * count)})")
    _bounded(f"{name}(" * 50 + argument + ")" * 50)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_has_a_result_or_a_sentence(text: str) -> None:
    _bounded(text)


_WORDS = [
    *"0123456789.,+-*/%^()!<>=°[]' ",
    *("**", "//", " of ", " mod ", "1e300", "9**999", "pi", "e"),
    *(f"{name}(" for name in FUNCTIONS),
]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(_WORDS), max_size=40).map("".join))
def test_any_row_of_tokens_has_a_result_or_a_sentence(text: str) -> None:
    _bounded(text)


def _bounded(expression: str) -> None:
    started = time.process_time()
    said = _answer(expression)
    assert time.process_time() - started < _CPU_SECONDS
    assert len(said) < _LONGEST_ANSWER


def _answer(expression: str) -> str:
    try:
        said = evaluate(expression).text
    except CannotCompute as refusal:
        said = str(refusal)
        assert said.endswith(".")
        assert "\n" not in said
    else:
        assert said in {"true", "false"} or Decimal(said).is_finite()
    return said


_DECIMALS = st.decimals(-10_000, 10_000, places=3, allow_nan=False).map(lambda number: f"({number})")


def _combined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(parts, st.sampled_from(["+", "-", "*", "/"]), parts).map(
        lambda three: f"({''.join(three)})"
    )


@settings(max_examples=300, deadline=None)
@given(st.recursive(_DECIMALS, _combined, max_leaves=8))
def test_generated_arithmetic_agrees_with_fractions(expression: str) -> None:
    try:
        wanted = _exactly(expression)
    except ZeroDivisionError:
        with pytest.raises(CannotCompute, match="zero"):
            evaluate(expression)
        return
    answer = evaluate(expression)
    if answer.exact:
        assert Fraction(answer.text) == wanted
    else:
        assert abs(Fraction(answer.text) - wanted) <= abs(wanted) * Fraction(1, 10**14)
    assert evaluate(f"{expression} - ({wanted.numerator}/{wanted.denominator})") == ("0", True)


def _exactly(expression: str) -> Fraction:
    """What Python makes of the expression, with fractions in place of its numbers."""
    source, digits = "", ""
    for character in f"{expression} ":
        if character.isdigit() or character == ".":
            digits += character
            continue
        source += f"Fraction('{digits}')" * bool(digits) + character
        digits = ""
    return Fraction(eval(source, {"Fraction": Fraction}))


@settings(max_examples=200, deadline=None)
@given(st.decimals(-1000, 1000, places=6, allow_nan=False))
def test_real_functions_agree_with_floats(number: Decimal) -> None:
    size = abs(number) + Decimal("0.5")
    _agree(f"sin({number})", math.sin(number))
    _agree(f"cos({number})", math.cos(number))
    _agree(f"atan({number})", math.atan(number))
    _agree(f"atan2({number}, -{size})", math.atan2(number, -size))
    _agree(f"acos({number} / 2000)", math.acos(number / 2000))
    _agree(f"asin({number} / 2000)", math.asin(number / 2000))
    _agree(f"exp({number} / 2)", math.exp(number / 2))
    _agree(f"ln({size})", math.log(size))
    _agree(f"log2({size})", math.log2(size))
    _agree(f"sqrt({size})", math.sqrt(size))
    _agree(f"{size} ** 1.37", float(size) ** 1.37)


def _agree(expression: str, wanted: float) -> None:
    assert math.isclose(float(evaluate(expression).text), wanted, rel_tol=1e-11, abs_tol=1e-13)


def test_pi_is_right_to_its_last_digit() -> None:
    def inverse_tangent(divisor: int, one: int) -> int:
        total = term = one // divisor
        for odd in range(3, 500, 2):
            term = -term // divisor**2
            total += term // odd
        return total

    one = 10**170
    machin = 4 * (4 * inverse_tangent(5, one) - inverse_tangent(239, one))
    assert abs(PI.value - Fraction(machin, one)) < Fraction(1, 10**149)
