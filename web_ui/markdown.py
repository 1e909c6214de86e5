"""What models, tools and people wrote, as Markdown that shows no picture and stays what it was meant as.

The page's Content-Security-Policy is what keeps remote pictures out; here they become links, which say where
they lead.
"""

import re
from typing import Final

__all__ = ["inline", "safe"]

# Fenced code to its end, or to that of the text; code in a line; the start of a picture; an amount of money,
# which Streamlit would take for mathematics.
_PIECES: Final = re.compile(
    r"(?P<code>^ {0,3}(?P<fence>`{3,}|~{3,})[^\n]*\n.*?(?:^ {0,3}(?P=fence)[`~]*[ \t]*$|\Z)"
    r"|(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n\n).)+?(?<!`)(?P=ticks)(?!`))"
    r"|(?P<picture>!(?=\[))|(?P<money>(?<![\\$])\$(?=\d))",
    re.DOTALL | re.MULTILINE,
)
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()#+\-.!~|<>$:@&])")


def safe(text: str) -> str:
    """Markdown with links in place of pictures, and without mathematics that is money."""
    return _PIECES.sub(_instead, text)


def _instead(found: re.Match[str]) -> str:
    if found["code"]:
        return found["code"]
    return "" if found["picture"] else r"\$"


def inline(text: str) -> str:
    """`text` as it is, on one line, for labels that are Markdown."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
