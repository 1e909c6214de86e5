"""What models, tools and people wrote, as Markdown that shows no picture and stays what it was meant as.

The page's Content-Security-Policy is what keeps remote pictures out; here they become links, which say where
they lead. Only what is code in every reading keeps its pictures, as text: elsewhere in doubt they go.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

__all__ = ["inline", "safe"]

# A browser needs seconds for more.
_LONGEST: Final = 100_000
# An amount of money, which Streamlit would take for mathematics.
_MONEY: Final = re.compile(r"(?<![\\$])\$(?=\d)")
_PICTURE: Final = re.compile(r"(?<!!)!++(?=\[)")
_TICKS: Final = re.compile(r"`++")
_FENCE: Final = re.compile(r"(?P<indent> {0,3})(?P<fence>`{3,}+(?=[^`]*$)|~{3,}+)")
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()#+\-.!~|<>$:@&])")
# An icon, which Streamlit finds also behind a backslash.
_ICON: Final = re.compile(r":(?=material/|streamlit:)")
# What may hold a backtick that begins no code: tags, mathematics, escapes, links and addresses.
_MAY_HOLD_TICKS: Final = re.compile(r"[<$\\\[]|://|www\.", re.IGNORECASE)
# Where fences may mean something else from here on: in lists and quotes, mathematics, directives and HTML.
_MAY_HOLD_FENCES: Final = re.compile(
    r"```|~~~|^ {0,3}(?:\$\$|:::|<(?:[!?]|(?:pre|script|style|textarea)\b))", re.IGNORECASE
)


def safe(text: str) -> str:
    """Markdown with links in place of pictures, and without mathematics that is money.

    Of a very long text the beginning, and how much more there is.
    """
    reading = _Reading()
    for line in text[:_LONGEST].replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        reading.take(line)
    more = len(text) - _LONGEST
    return reading.end(f"\n\n*{more:,} characters more are not shown here.*" if more > 0 else "")


@dataclass(slots=True)
class _Reading:
    done: list[str] = field(default_factory=list[str])
    block: list[str] = field(default_factory=list[str])
    fence: str = ""
    indent: int = 0
    in_doubt: bool = False

    def take(self, line: str) -> None:
        if self.fence:
            self._take_code(line)
        elif found := _FENCE.match(line):
            self._end_block()
            self.fence, self.indent = found["fence"], len(found["indent"])
            self.done.append(_PICTURE.sub("", line) if self.in_doubt else line)
        else:
            self.in_doubt = self.in_doubt or _MAY_HOLD_FENCES.search(line) is not None
            self.block.append(line)
            if not line.strip():
                self._end_block()

    def _take_code(self, line: str) -> None:
        bare = line.strip(" \t")
        indent = len(line) - len(line.lstrip(" "))
        # It ends the list that the fence may be in, and the fence with it.
        self.in_doubt = self.in_doubt or (bool(bare) and indent < self.indent)
        self.done.append(_PICTURE.sub("", line) if self.in_doubt else line)
        if indent <= 3 and len(bare) >= len(self.fence) and not bare.strip(self.fence[0]):  # noqa: PLR2004
            self.fence = ""

    def _end_block(self) -> None:
        if self.block:
            self.done.append(_block("\n".join(self.block)))
            # Tags reach to an empty line, and a fence among them is none.
            tags = any(line.lstrip(" ").startswith("<") for line in self.block)
            self.in_doubt = self.in_doubt or (tags and bool(self.block[-1].strip()))
            self.block = []

    def end(self, note: str) -> str:
        self._end_block()
        if note and self.fence:
            self.done.append(self.fence)
        return "\n".join(self.done) + note


def _block(text: str) -> str:
    """What is between empty lines and fences; code in it is between as many backticks."""
    runs = list(_TICKS.finditer(text))
    places: dict[int, list[int]] = {}
    for run in runs:
        places.setdefault(len(run[0]), []).append(run.start())
    done, at, sure = list[str](), 0, True
    for run in runs:
        if run.start() < at:
            continue
        before = text[at : run.start()]
        done.append(_plain(before))
        alike = places[len(run[0])]
        after = bisect_right(alike, run.start())
        sure = sure and not _MAY_HOLD_TICKS.search(before)
        if after == len(alike) or before.endswith("\\"):
            done.append(run[0])
            at, sure = run.end(), False
            continue
        at = alike[after] + len(run[0])
        code = text[run.start() : at]
        # A block or a cell of a table may begin within.
        sure = sure and "\n" not in code and "|" not in code
        done.append(code if sure else _PICTURE.sub("", code))
    return "".join([*done, _plain(text[at:])])


def _plain(text: str) -> str:
    return _MONEY.sub(r"\\$", _PICTURE.sub("", text))


def inline(text: str) -> str:
    """`text` as it is, on one line, for labels that are Markdown."""
    # A word joiner is not seen.
    words = _ICON.sub(":\u2060", " ".join(text.split()))
    return _SPECIAL.sub(r"\\\1", words)
