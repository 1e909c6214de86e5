"""Elements of the page that run a script of ours, from `browser/`, at who looks at it."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component
from streamlit.components.v2.component_manager import BidiComponentManager
from streamlit.components.v2.get_bidi_component_manager import get_bidi_component_manager
from streamlit.components.v2.manifest_scanner import ComponentConfig, ComponentManifest

__all__ = ["scripted"]


def scripted(name: str, html: str = "", css: str = "") -> Any:
    """What shows the element `name`, with the script `browser/<name>.js`."""
    return _component(get_bidi_component_manager(), name, html, css)


@lru_cache(maxsize=10)
def _component(manager: BidiComponentManager, name: str, html: str, css: str) -> Any:
    # A script of its own address: the page's policy lets none in that comes with the page.
    manifest = ComponentManifest("turnlog", "1", [ComponentConfig(name, "browser")])
    manager.register_from_manifest(manifest, Path(__file__).parent)
    return component(f"turnlog.{name}", html=html or None, css=css or None, js=f"{name}.js")
