"""How the page keeps what others wrote in its own place, however wide or tall they made it."""

from typing import Final

import streamlit as st

__all__ = ["keep_in_place"]

# Streamlit lets wide tables and deep lists run out of the window, and mathematics lie over what is beside it.
_NESTED: Final = " ".join([":is(ul, ol, blockquote)"] * 4)
_STYLE: Final = f"""<style>
[data-testid="stMarkdownContainer"] table {{ display: block; max-width: 100%; overflow-x: auto; }}
[data-testid="stMarkdownContainer"]:has(.katex, {_NESTED}) {{ overflow: auto hidden; }}
</style>"""


def keep_in_place() -> None:
    """To be drawn once on each page."""
    st.html(_STYLE)
