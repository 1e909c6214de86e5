"""A page beside the chat without a browser, before the real API."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from streamlit.testing.v1 import AppTest

from tests.servers import token_for
from web_ui.api import open_http
from web_ui.logins import Logins, Tokens
from web_ui.serving import Serving, serve_with

__all__ = ["showing"]

_FOREVER: Final = 4e9
_BEGINNING: Final = """
import streamlit as st
from web_ui.api import Api
from web_ui.serving import serving
login = st.session_state.login
api = Api(serving().http, login.bearer)
"""


@contextmanager
def showing(api: str, keep: Path, user: str, script: str, **claims: Any) -> Generator[AppTest]:
    """What `script` shows with the `api` and `login` of `user`, whose token has these `claims` as well."""
    with open_http(api) as http:
        logins = Logins(http, keep, lambda: Tokens(token_for(user, **claims), _FOREVER, None, 60))
        serve_with(Serving(http, logins))
        _, login = logins.continue_as_local()
        page = AppTest.from_string(_BEGINNING + script, default_timeout=30)
        page.session_state["login"] = login
        yield page
