"""The ASGI application: Streamlit's own, with our doors before it and a guard around both."""

import logging
from pathlib import Path
from typing import Final

import streamlit as st
from starlette.middleware import Middleware
from streamlit import config
from streamlit.web.server.starlette import App

from web_ui.doors import ROUTES
from web_ui.downloads import DOWNLOADS
from web_ui.guard import Guard
from web_ui.serving import Serving, serve_with, serving

__all__ = ["create_app"]

_log: Final = logging.getLogger(__name__)
_SCRIPT: Final = Path(__file__).parent / "page.py"
_OPTIONS: Final[dict[str, object]] = {
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.toolbarMode": "minimal",
    "client.showErrorLinks": False,
    "global.developmentMode": False,
    "logger.hideWelcomeMessage": True,
    "runner.fastReruns": True,
    "runner.magicEnabled": False,
    "server.enableAgentApi": False,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "server.maxUploadSize": 8,
    "theme.font": "system-ui, sans-serif",
    "theme.headingFont": "system-ui, sans-serif",
    "theme.codeFont": "ui-monospace, monospace",
    "theme.baseRadius": "0.5rem",
    "theme.light.primaryColor": "#2f6199",
    "theme.light.backgroundColor": "#fbfbfa",
    "theme.light.secondaryBackgroundColor": "#f0f1f0",
    "theme.light.textColor": "#1f2328",
    "theme.dark.primaryColor": "#5d94d1",
    "theme.dark.backgroundColor": "#16181b",
    "theme.dark.secondaryBackgroundColor": "#212529",
    "theme.dark.textColor": "#e6e8ea",
}


def create_app(what: Serving) -> App:
    """The page of `what`; one a process, as Streamlit keeps its settings for all of it."""
    for name, value in _OPTIONS.items():
        config.set_option(name, value)
    serve_with(what)
    return App(
        _SCRIPT,
        routes=[*ROUTES, *DOWNLOADS],
        middleware=[Middleware(Guard, current=serving)],
        on_script_error=_tell,
    )


def _tell(error: Exception) -> bool:
    """In place of Streamlit's words, which are about its cloud."""
    _log.error("The page failed.", exc_info=error)
    st.error("Something went wrong on this page. Load it again; nothing that was said is lost.")
    return True
