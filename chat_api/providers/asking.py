"""One question to a provider about itself: bounded, never led elsewhere, and its failures in plain words."""

import json
import socket
import ssl
from http import HTTPStatus
from typing import Any, Final, Self

import httpx2

from chat_api.providers.errors import ProviderFailed, ProviderTimeout, ProviderUnreachable
from chat_api.providers.provider import NO_KEY
from kit.errors import Problem
from kit.network import NotThere

__all__ = ["Asker", "NoSense", "NotKnown", "trouble_of"]

_MOST_BYTES: Final = 2 * 1024 * 1024
_FAILURES: Final = (TimeoutError, httpx2.HTTPError, httpx2.InvalidURL, UnicodeError)
_REFUSALS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class NotKnown(ProviderFailed):
    """The server has nothing at this address."""


class NoSense(ProviderFailed):
    """The server answers, but not with what was asked for."""

    def __init__(self) -> None:
        super().__init__("Its list of models makes no sense.")


class Asker:
    """Asks one server, at `root`, with a key."""

    def __init__(self, http: httpx2.AsyncClient, root: str, api_key: str) -> None:
        self._http: Final = http
        self._api_key: Final = api_key
        self.root: Final = root
        self._headers: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if api_key != NO_KEY:
            self._headers["Authorization"] = f"Bearer {api_key}"

    def at(self, root: str) -> Self:
        """The same for another place of that server."""
        return type(self)(self._http, root, self._api_key)

    async def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """What the server answers, as JSON; with a `body` it is posted. Raises a Problem."""
        method = "GET" if body is None else "POST"
        try:
            async with self._http.stream(
                method, f"{self.root}{path}", json=body, headers=self._headers, follow_redirects=False
            ) as response:
                _check(response)
                data = await _body(response)
        except _FAILURES as error:
            raise trouble_of(error) from error
        return _json(data)


def _check(response: httpx2.Response) -> None:
    status = response.status_code
    if response.is_redirect:
        raise ProviderFailed("It sends us on to another address; name that one.")
    if status in _REFUSALS:
        raise ProviderFailed("It does not accept the API key.")
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        raise NotKnown("There is no list of models at this address.")
    if not response.is_success:
        raise ProviderFailed(f"It answers with status {status}.")


async def _body(response: httpx2.Response) -> bytes:
    pieces: list[bytes] = []
    left = _MOST_BYTES
    # As it comes: what is packed has not been asked for, and a little of it can become a lot.
    async for piece in response.aiter_raw():
        left -= len(piece)
        if left < 0:
            raise ProviderFailed("It answers with more than is taken from it.")
        pieces.append(piece)
    return b"".join(pieces)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        if data.lstrip()[:1] == b"<":
            raise ProviderFailed("It answers with a web page, not as a model server does.") from error
        raise NoSense from error


def trouble_of(error: BaseException) -> Problem:
    """What is wrong with a server that gave no answer."""
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return ProviderTimeout("Connection timeout")
    causes = _causes(error)
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return ProviderUnreachable("Its certificate cannot be checked.")
    # Of a private address no more is told than of one that does not exist.
    if any(isinstance(cause, NotThere | socket.gaierror) for cause in causes):
        return ProviderUnreachable("There is no such address, or it may not be reached from here.")
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return ProviderUnreachable("Connection refused")
    if isinstance(error, httpx2.ConnectError):
        return ProviderUnreachable("It cannot be reached.")
    if isinstance(error, httpx2.InvalidURL | httpx2.UnsupportedProtocol | UnicodeError):
        return ProviderUnreachable("This is no web address.")
    return ProviderUnreachable("It breaks the connection off.")


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
