"""Whose login a request or a WebSocket comes with."""

from typing import Final

from starlette.requests import HTTPConnection

from web_ui.logins import Login, Logins
from web_ui.peer import is_same_person

__all__ = ["FOUND", "cookie_of", "is_at_home", "login_of", "session_of"]

_COOKIE: Final = "turnlog_session"
_SECURE: Final = frozenset({"https", "wss"})
_FORWARDED: Final = frozenset({"forwarded", "via", "x-real-ip"})
_FORWARDED_TOO: Final = "x-forwarded-"
FOUND: Final = "x-turnlog-session"
"""The header in which the guard tells the page which login it let in."""


def cookie_of(connection: HTTPConnection) -> str:
    """The cookie's name. Over https, one that no other host or port, and nobody on the way, can set."""
    return f"__Host-{_COOKIE}" if connection.scope["scheme"] in _SECURE else _COOKIE


def session_of(connection: HTTPConnection) -> str | None:
    return connection.cookies.get(cookie_of(connection))


def login_of(connection: HTTPConnection, logins: Logins) -> Login | None:
    """The login that comes with it. That of the local user counts only from their own programs.

    Browsers send cookies to all ports of a host, so other people's servers here may have read it.
    """
    login = logins.find(session_of(connection))
    if login is None or login.has_password or is_at_home(connection):
        return login
    return None


def is_at_home(connection: HTTPConnection) -> bool:
    """Whether a program of the one who runs this page sent it, and not through a proxy."""
    # What a proxy passes on comes from anybody, whoever runs the proxy.
    names = connection.headers.keys()
    if any(name in _FORWARDED or name.startswith(_FORWARDED_TOO) for name in names):
        return False
    return is_same_person(connection.scope.get("client"), connection.scope.get("server"))
