"""From text to a syntax tree, without trusting the parser with the text.

What people write is first cut into tokens and rewritten with nothing in it but operators, parentheses,
known names, and n0, n1, … for the numbers. Postfix operators become attributes, which bind as tightly.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Final, NamedTuple

from mcp_server.arithmetic.functions import CONSTANTS, FUNCTIONS, KNOWN
from mcp_server.arithmetic.numbers import DIGITS, CannotCompute, Number, checked

__all__ = ["LONGEST", "UNREADABLE", "Parsed", "parse"]

LONGEST: Final = 1000
_DEEPEST: Final = 50

UNREADABLE: Final = (
    "The expression has something missing or doubled: "
    "every operator needs a value on each side, and every parenthesis its partner."
)
_NO_OPERATOR: Final = "An operator is missing between two values: write * where they are to be multiplied."
_TWO_READINGS: Final = (
    "One % can be read in two ways: "
    "write mod(a, b) for a remainder, or put parentheses around the percentage."
)
_COMMA: Final = (
    "A comma may only separate the arguments of a function: write numbers with a decimal point and "
    "without thousands separators."
)
_ALPHABET: Final = (
    "Only numbers, + - * / // % **, parentheses and functions can be computed: leave out everything else."
)
_EXPLAINED: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        "'\"`\u2018\u2019\u201c\u201d", "Only numbers can be computed: leave out quotes and text."
    ),
    **dict.fromkeys("$€£¥₹", "Only numbers can be computed: leave out currency signs and units."),
    "=": "Only one value can be computed: leave out the = sign, and put numbers in place of variables.",
}
_NOT_REAL: Final = frozenset({"i", "j", "nan", "inf", "infinity"})

_TRANSLATED: Final = str.maketrans(
    {
        **dict.fromkeys("\N{MULTIPLICATION SIGN}\N{DOT OPERATOR}\N{MIDDLE DOT}\N{BULLET OPERATOR}", "*"),
        **dict.fromkeys("\N{MINUS SIGN}\N{EN DASH}\N{EM DASH}", "-"),
        **dict.fromkeys("\N{DIVISION SIGN}\N{DIVISION SLASH}", "/"),
        "\N{GREEK SMALL LETTER PI}": " pi ",
    }
)
_TOKEN: Final = re.compile(
    r"""(?P<number>(?:[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<name>(?:math\.)?[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>\*\*|//|==|!=|<=|>=|[-+*/%^()!,<>°\[\]])""",
    re.VERBOSE | re.ASCII,
)
_GROUPED: Final = re.compile(r"(?P<number>[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]*)?)(?![0-9,])", re.ASCII)
_NUMBER: Final = re.compile(r"(?P<whole>[0-9]*)\.?(?P<decimals>[0-9]*)(?:e(?P<exponent>.+))?")

_POSTFIX: Final[Mapping[str, str]] = {"%": " .percent", "!": " .factorial", "°": " .degrees"}
_CLOSING: Final = frozenset({")", "]"})


class Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


class Parsed(NamedTuple):
    """`numbers` are the values of the names n0, n1, … in the tree."""

    tree: ast.expr
    numbers: dict[str, Number]


def parse(text: str) -> Parsed:
    """Raises CannotCompute for whatever is no expression of bounded size."""
    if len(text) > LONGEST:
        raise CannotCompute(
            f"The expression is too long: send at most {LONGEST:,} characters, and the rest in another call."
        )
    tokens = list(_tokens(_bare(text.translate(_TRANSLATED))))
    if not tokens:
        raise CannotCompute("The expression is empty: send numbers and operators.")
    _check_depth(tokens)
    numbers: dict[str, Number] = {}
    source = "".join(_rewritten(tokens, numbers)).lstrip()
    try:
        return Parsed(ast.parse(source, mode="eval").body, numbers)
    except (SyntaxError, RecursionError, MemoryError):
        raise CannotCompute(UNREADABLE) from None


def _bare(text: str) -> str:
    """The text without an equals sign before or after, as in a spreadsheet or on a key pad."""
    text = text.strip()
    if text.startswith("=") and not text.startswith("=="):
        text = text[1:]
    return text.removesuffix("?").rstrip().removesuffix("=")


def _tokens(text: str) -> Iterator[Token]:
    position, calls, previous = 0, list[bool](), ""
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        found = (None if any(calls) else _GROUPED.match(text, position)) or _TOKEN.match(text, position)
        if found is None:
            raise CannotCompute(_EXPLAINED.get(text[position], _ALPHABET))
        kind = str(found.lastgroup)
        token = Token(kind, found[0].lower().removeprefix("math."), position, found.end())
        if token.text == "(":
            calls.append(previous in FUNCTIONS)
        elif token.text == ")" and calls:
            calls.pop()
        elif token.text == "," and not any(calls):
            raise CannotCompute(_COMMA)
        previous, position = token.text, token.end
        yield token


def _check_depth(tokens: list[Token]) -> None:
    depth = signs = 0
    for token in tokens:
        signs = signs + 1 if token.text in {"+", "-", "**", "^"} else 0
        depth += (token.text in {"(", "["}) - (token.text in _CLOSING)
        if max(depth, signs) > _DEEPEST:
            raise CannotCompute(
                f"The expression is nested too deep: use at most {_DEEPEST} levels of parentheses or signs."
            )


def _rewritten(tokens: list[Token], numbers: dict[str, Number]) -> Iterator[str]:
    """The pieces of the source. Fills `numbers`."""
    complete = False  # whether a value has just ended, so that only an operator can follow
    for index, token in enumerate(tokens):
        if complete:
            piece, complete = _after_value(tokens, index)
        elif token.kind == "number":
            piece, complete = f" n{len(numbers)}", True
            numbers[piece.strip()] = _number(token.text)
        elif token.kind == "name":
            piece, complete = _name(token, tokens[index + 1 : index + 2]), token.text in CONSTANTS
        else:
            piece, complete = _sign(token.text), token.text in _CLOSING
        yield piece


def _sign(text: str) -> str:
    return "**" if text == "^" else text


def _name(token: Token, following: list[Token]) -> str:
    if token.text in CONSTANTS:
        return f" {token.text}"
    if token.text in _NOT_REAL:
        raise CannotCompute("Only finite real numbers can be computed: use numbers of that kind.")
    if token.text not in FUNCTIONS:
        raise CannotCompute(f"There are no variables or other words here, only {KNOWN}: put the numbers in.")
    if not following or following[0].text != "(":
        raise CannotCompute("A function needs its arguments in parentheses right after its name.")
    return token.text


def _after_value(tokens: list[Token], index: int) -> tuple[str, bool]:
    """What an operator after a value becomes, and whether a value has still just ended after it."""
    token, following = tokens[index], tokens[index + 1 : index + 3]
    if token.text == "%":
        return (_POSTFIX["%"], True) if _is_percentage(tokens[index - 1], token, following) else ("%", False)
    if token.text in _POSTFIX:
        if following and following[0].text == token.text:
            raise CannotCompute("A doubled ! or ° has no meaning here: use one, or parentheses.")
        return _POSTFIX[token.text], True
    if token.kind == "sign" and token.text not in {"(", "["}:
        return _sign(token.text), token.text in _CLOSING
    if token.text == "of" and tokens[index - 1].text == "%":
        return "@", False
    if token.text == "mod":
        return "%", False
    if token.text == "x" and following and (following[0].kind == "number" or following[0].text == "("):
        return "*", False
    if token.kind == "name":
        _name(token, following)
    raise CannotCompute(_NO_OPERATOR)


def _is_percentage(before: Token, token: Token, following: list[Token]) -> bool:
    if not following:
        return True
    after = following[0]
    if after.text in _POSTFIX:
        raise CannotCompute(_TWO_READINGS)
    spaced, apart = token.start > before.end, after.start > token.end
    if after.text in {"+", "-"}:
        tight = len(following) > 1 and following[1].start == after.end
        if spaced == apart == tight and spaced:
            return False
        if not spaced and (after.text == "+" or (apart and not tight)):
            return True
        raise CannotCompute(_TWO_READINGS)
    if after.text in {"of", "mod", "x"} or (after.kind == "sign" and after.text not in {"(", "["}):
        return True
    if apart and not spaced:
        raise CannotCompute(_TWO_READINGS)
    return False


def _number(text: str) -> Number:
    digits = text.replace(",", "").replace("_", "")
    parts = _NUMBER.fullmatch(digits)
    if parts is None:
        raise CannotCompute(UNREADABLE)
    exponent = int(parts["exponent"] or 0)
    if abs(exponent) > DIGITS:
        raise CannotCompute(f"The exponent of a number is too large: it may be at most {DIGITS:,}.")
    mantissa = int(parts["whole"] + parts["decimals"] or 0)
    return checked(Fraction(mantissa) * Fraction(10) ** (exponent - len(parts["decimals"])), exact=True)
