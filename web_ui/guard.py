"""What every request to the page goes through: who may ask it, and what a browser may do with the answer."""

import base64
import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from web_ui.callers import FOUND, login_of, session_of
from web_ui.serving import Serving

__all__ = ["Guard"]

_OWN_PATHS: Final = frozenset({"/signin", "/register", "/local", "/signout", "/signin.css", "/favicon.png"})
# Nothing of the page takes a file, and strangers could fill the memory with them; nor are its figures theirs.
_CLOSED: Final = ("/_stcore/upload_file", "/_stcore/metrics")
_OF_STREAMLIT: Final = "/_stcore/"
_MOST_TABS: Final = 50
_FOUND: Final = FOUND.encode()
_SAFE: Final = frozenset({"GET", "HEAD"})
_HEADERS: Final = {
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
_FORMS: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# A link from elsewhere brings no cookie with it (SameSite=Strict); going on from here does.
_AGAIN: Final = '<!doctype html><meta http-equiv="refresh" content="0"><title>Turnlog</title>'


@cache
def _page_policy() -> str:
    """Everything from here, nothing from elsewhere. Streamlit's own page has one script of its own in it."""
    index = (Path(streamlit.__file__).parent / "static" / "index.html").read_bytes()
    inline = [sha256(script).digest() for script in re.findall(rb"<script>(.*?)</script>", index, re.DOTALL)]
    scripts = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in inline)
    return (
        f"default-src 'self'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        "frame-src 'none'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


class Guard:
    """Refuses what other sites send, sends strangers to the sign-in page, and sets the headers of answers."""

    def __init__(self, app: ASGIApp, current: Callable[[], Serving]) -> None:
        self._app: Final = app
        self._current: Final = current
        self._tabs: Final = Counter[str]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        answer = self._instead(connection)
        if scope["type"] == "websocket":
            session_id = session_of(connection)
            if answer or session_id is None or login_of(connection, self._current().logins) is None:
                await WebSocketClose()(scope, receive, send)
            else:
                await self._open(session_id, scope, receive, send)
            return
        policy = _FORMS if scope["path"] in _OWN_PATHS else _page_policy()
        await (answer or self._app)(scope, receive, _with_headers(send, policy))

    async def _open(self, session_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        """A WebSocket of this login. Each keeps what its tab shows in memory, so there are not too many."""
        if self._tabs[session_id] >= _MOST_TABS:
            await WebSocketClose()(scope, receive, send)
            return
        told = [pair for pair in scope["headers"] if pair[0] != _FOUND]
        self._tabs[session_id] += 1
        try:
            await self._app({**scope, "headers": [*told, (_FOUND, session_id.encode())]}, receive, send)
        finally:
            self._tabs[session_id] -= 1
            if not self._tabs[session_id]:
                del self._tabs[session_id]

    def _instead(self, connection: HTTPConnection) -> Response | None:
        """The answer to what is not let in."""
        serving = self._current()
        if serving.own_hosts and _hostname(connection.headers.get("host", "")) not in serving.own_hosts:
            return PlainTextResponse("This server is not known by that name.", 421)
        if connection.scope["path"].startswith(_CLOSED):
            return PlainTextResponse("There is nothing here.", 404)
        if connection.scope["path"].find(_OF_STREAMLIT) > 0:
            # Its script looks below the address of each page first; an error would be told on the console.
            return PlainTextResponse("It is not here.", 300)
        changes = connection.scope["type"] == "websocket" or connection.scope["method"] not in _SAFE
        if changes and not _is_ours(connection.headers):
            return PlainTextResponse("That came from another site.", 403)
        if changes or not _wants_page(connection):
            return None
        if connection.headers.get("sec-fetch-site") == "cross-site":
            return HTMLResponse(_AGAIN)
        if login_of(connection, serving.logins) is None:
            query = connection.scope["query_string"].decode("latin-1")
            place = connection.scope["path"] + (f"?{query}" if query else "")
            back = f"?to={quote(place, safe='')}" if place != "/" else ""
            return RedirectResponse(f"/signin{back}", 303)
        return None


def _is_ours(headers: Headers) -> bool:
    """Whether a page of this very server sent the request: browsers say so, and pages cannot lie about it."""
    origin = headers.get("origin", "").partition("://")[2]
    return origin == headers.get("host", "") != ""


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _wants_page(connection: HTTPConnection) -> bool:
    path: str = connection.scope["path"]
    of_streamlit = path.startswith((_OF_STREAMLIT, "/static/", "/media/", "/component/"))
    return path not in _OWN_PATHS and not of_streamlit and "text/html" in connection.headers.get("accept", "")


def _with_headers(send: Send, policy: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update({**_HEADERS, "Content-Security-Policy": policy})
        await send(message)

    return sending
