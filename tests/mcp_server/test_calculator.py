"""The calculator, through the official client."""

from collections.abc import Awaitable, Callable

from tests.clients import Call

_EXACT = {
    "0.1 + 0.2": "0.3",
    "10/4": "2.5",
    "6/3": "2",
    "2**100": "1267650600228229401496703205376",
    "1/3*3": "1",
    "7 // -2": "-4",
    "-7 % 3": "2",
    "-2**2": "-4",
    "8**(1/3)": "2",
    "sqrt(2.25)": "1.5",
    "cbrt(-27)": "-3",
    "log10(1000)": "3",
    "log(8, 2)": "3",
    "factorial(20)": "2432902008176640000",
    "5! + comb(5, 2) + perm(5, 2)": "150",
    "gcd(12, 18) + lcm(4, 6) + mod(-7, 3)": "20",
    "mean(1, 2, 3, 4) + sum([1, 2]) + max([1, 5]) + min(2, 1)": "11.5",
    "round(2.675, 2)": "2.68",
    "round(2.5) + round(-2.5) + floor(-1.5) + ceil(1.2)": "0",
    "round(1234, -2)": "1200",
    "abs(-3) + hypot(3, 4) + pow(2, 3)": "16",
    "1e-10": "1e-10",
    "9.11 > 9.9": "false",
    "0.1 + 0.2 == 0.3": "true",
}
_ROUNDED = {
    "1/3": "0.333333333333333",
    "2/3*100": "66.6666666666667",
    "10**30/3": "333333333333333333333333333333.33",
    "sqrt(2)": "1.4142135623731",
    "sqrt(2)**2": "2",
    "sqrt(2)*sqrt(3) - sqrt(6)": "0",
    "sin(pi)": "0",
    "sin(30°) + cos(tau)": "1.5",
    "sin(1e22)": "-0.852200849767189",
    "exp(100)": "2.68811714181614e43",
    "(1 + 0.0725/365)**(365*30)": "8.80028421679664",
    "log(1 + 10**-200)": "1e-200",
}
_PERCENTAGES = {
    "17%": "0.17",
    "17% of 2340": "397.8",
    "50% of 20% of 1000": "100",
    "200 * 10%": "20",
    "200 + 10%": "220",
    "200 - 10%": "180",
    "100 + 10% + 10%": "121",
    "10% + 5%": "0.15",
    "200 + (10% + 5%)": "230",
    "10% - 3": "-2.9",
    "10 % 3": "1",
    "10%3": "1",
    "10 % -3": "-2",
    "17 mod 5": "2",
}
_FORGIVEN = {
    " 2 + 2 = ": "4",
    "2+2=?": "4",
    "=2+2": "4",
    "2^10": "1024",
    "5 \N{MULTIPLICATION SIGN} 3 \N{DIVISION SIGN} 2 \N{MINUS SIGN} 1": "6.5",
    "5 x 3": "15",
    "1,234.5 * 2": "2469",
    "(1,234,567)": "1234567",
    "max(1,234)": "234",
    "1_000 + .5 + 5.": "1005.5",
    "math.sqrt(4) + SQRT(4)": "4",
    "1\n+ 2": "3",
}
_REFUSED = {
    "": "1 to 1000 characters",
    " ": "empty",
    "1/0": "Division by zero",
    "5 % (1 - 1)": "Division by zero",
    "0**-1": "divides by zero",
    "sqrt(-1)": "square root of a negative number",
    "(-8)**(1/3)": "cbrt",
    "log(0)": "above zero",
    "log(2, 1)": "base 1",
    "asin(2)": "from -1 to 1",
    "tan(pi/2)": "right angle",
    "atan2(0, 0)": "no angle",
    "factorial(-1)": "from zero up",
    "gcd(1.5, 3)": "whole numbers",
    "secret + 1": "no variables",
    "secret(1)": "only the functions sqrt",
    "sqrt": "parentheses",
    "sqrt()": "sqrt takes 1 argument",
    "sqrt(1,234)": "thousands separators",
    "pow(1, 2, 3)": "pow takes 2 arguments",
    "max()": "1 or more",
    "'secret'": "quotes",
    "(1).__class__": "leave out everything else",
    "lambda: 1": "leave out everything else",
    "[secret for secret in 1]": "no variables",
    "max(*1)": "missing or doubled",
    "max(**1)": "missing or doubled",
    "1j": "real numbers",
    "nan": "real numbers",
    "inf": "real numbers",
    "$5": "currency",
    "2 + 2 = 5": "leave out the = sign",
    "0x10": "no variables",
    "2(3)": "write *",
    "1 234": "write *",
    "1,23": "decimal point",
    "0,123": "decimal point",
    "(1, 2)": "decimal point",
    "2 +": "missing or doubled",
    "(2": "missing or doubled",
    "10% 3": "mod(a, b)",
    "10%-3": "mod(a, b)",
    "100 / 50% of 10": "parentheses",
    "3!!": "doubled",
    "1 + (2 < 3)": "comparison",
    "5\N{SUPERSCRIPT TWO}": "leave out everything else",
}
_TOO_BIG = [
    "9**9**9",
    "9**3999999",
    "factorial(10**6)",
    "comb(10**9, 10**8)",
    "1e999999999",
    "0.5**1000000000",
    "2**-9999999",
    "(" * 10_000 + "1" + ")" * 10_000,
    "(" * 400 + "1" + ")" * 400,
    "-" * 900 + "1",
    "+".join("1" * 300),
]


async def test_what_can_be_exact_is_exact(call: Call) -> None:
    answers = {expression: await call("calculator", expression=expression) for expression in _EXACT}
    assert answers == {expression: {"result": result, "exact": True} for expression, result in _EXACT.items()}


async def test_what_is_rounded_says_so(call: Call) -> None:
    answers = {expression: await call("calculator", expression=expression) for expression in _ROUNDED}
    assert answers == {
        expression: {"result": result, "exact": False} for expression, result in _ROUNDED.items()
    }


async def test_a_percentage_is_told_from_a_remainder(call: Call) -> None:
    answers = {text: (await call("calculator", expression=text))["result"] for text in _PERCENTAGES}
    assert answers == _PERCENTAGES


async def test_what_people_write_is_understood(call: Call) -> None:
    answers = {text: (await call("calculator", expression=text))["result"] for text in _FORGIVEN}
    assert answers == _FORGIVEN


async def test_what_has_no_result_is_answered_with_what_to_do(
    refused: Callable[..., Awaitable[str]],
) -> None:
    for expression, words in _REFUSED.items():
        said = await refused("calculator", expression=expression)
        assert words in said, expression
        assert "secret" not in said


async def test_what_is_too_big_is_named(refused: Callable[..., Awaitable[str]]) -> None:
    for expression in _TOO_BIG:
        said = await refused("calculator", expression=expression)
        assert any(word in said for word in ("too ", "at most", "1000 characters")), said
