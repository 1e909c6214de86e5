"""One page beside the chat without a browser, before the real API."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from streamlit.testing.v1 import AppTest

from tests.servers import token_for
from web_ui.api import open_http
from web_ui.logins import Login, Logins, Tokens
from web_ui.serving import Serving, serve_with

__all__ = ["showing"]

_FOREVER: Final = 4e9
_SCRIPT: Final = """
import streamlit
from {module} import {show}
from web_ui.api import Api
from web_ui.serving import serving
login = streamlit.session_state.login
{show}(Api(serving().http, login.bearer), login)
"""


@contextmanager
def showing(
    api: str,
    keep: Path,
    show: Callable[..., None],
    user: str,
    enter: Callable[[Logins], tuple[str, Login]] = Logins.continue_as_local,
) -> Generator[AppTest]:
    """What `show` draws for the user of a token, or for who comes in by `enter`. It is not run yet."""
    with open_http(api) as http:
        logins = Logins(http, keep, lambda: Tokens(token_for(user), _FOREVER, None, 60))
        serve_with(Serving(http, logins))
        _, login = enter(logins)
        page = AppTest.from_string(
            _SCRIPT.format(module=show.__module__, show=show.__name__), default_timeout=30
        )
        page.session_state["login"] = login
        yield page
