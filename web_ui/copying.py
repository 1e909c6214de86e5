"""A button that copies a text. Streamlit has one for code alone."""

from typing import Final

from web_ui.scripts import scripted

__all__ = ["copy_button"]

_HTML: Final = """
<button type="button"><span aria-hidden="true">content_copy</span> Copy</button><span role="status"></span>
"""
_CSS: Final = """
button {
    display: inline-flex; align-items: center; gap: 0.35rem; min-height: 2.5rem; padding: 0.25rem 0;
    border: 0; border-radius: 0.25rem; background: none; cursor: pointer;
    color: inherit; font: inherit; font-size: 0.875rem;
}
button:hover { color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
button span { font-family: "Material Symbols Rounded"; font-size: 1.125rem; line-height: 1; }
[role="status"] { font-size: 0.875rem; opacity: 0.7; }
[role="status"]:not(:empty) { margin-left: 0.5rem; }
"""


def copy_button(text: str, *, key: str) -> None:
    """One click puts `text` on the clipboard of who looks at the page."""
    scripted("copy", _HTML, _CSS)(data={"text": text}, key=key, width="content")
