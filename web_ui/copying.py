"""A button that copies a text. Streamlit has one for code alone."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from streamlit.components.v2 import component
from streamlit.components.v2.component_manager import BidiComponentManager
from streamlit.components.v2.get_bidi_component_manager import get_bidi_component_manager
from streamlit.components.v2.manifest_scanner import ComponentConfig, ComponentManifest

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
    _component(get_bidi_component_manager())(data={"text": text}, key=key, width="content")


@lru_cache(maxsize=1)
def _component(manager: BidiComponentManager) -> Any:
    # A script of its own address: the page's policy lets none in that comes with the page.
    manifest = ComponentManifest("turnlog", "1", [ComponentConfig("copy", "browser")])
    manager.register_from_manifest(manifest, Path(__file__).parent)
    return component("turnlog.copy", html=_HTML, css=_CSS, js="copy.js")
