"""The HTTP API, as the page asks it for one person."""

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

import httpx2

__all__ = ["Api", "ApiError", "Bearer", "NotSignedIn", "message_of", "open_http"]

Bearer = Callable[[str | None], str]
"""An access token that is good; another one than the token given, which was refused."""

_TIMEOUT: Final = httpx2.Timeout(30, connect=5)


class ApiError(Exception):
    """The API does not do what it was asked for. `status` is 0 where it could not be reached.

    `details` are those of the answer: of a refused form, for each field that is not right a `field` and a
    `message`.
    """

    def __init__(self, message: str, code: str = "", status: int = 0, details: Any = None) -> None:
        super().__init__(message)
        self.code: Final = code
        self.status: Final = status
        self.details: Final[Any] = details

    @property
    def fields(self) -> dict[str, str]:
        """What is wrong with which field, where the API says so."""
        try:
            return {each["field"]: each["message"] for each in self.details}
        except (TypeError, KeyError):
            return {}


class NotSignedIn(ApiError):
    """The login is over."""

    def __init__(self) -> None:
        super().__init__("You are signed out.", "unauthorized", HTTPStatus.UNAUTHORIZED)


def open_http(base_url: str) -> httpx2.Client:
    """A client for all threads and all people of this process: it keeps connections, and no cookies."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=50)
    return httpx2.Client(base_url=base_url, timeout=_TIMEOUT, limits=limits, trust_env=False)


class Api:
    """Requests with the token of one person. All raise ApiError, and NotSignedIn once the login is over."""

    def __init__(self, http: httpx2.Client, bearer: Bearer) -> None:
        self._http: Final = http
        self._bearer: Final = bearer

    def get(self, path: str, **query: Any) -> Any:
        return self._ask("GET", path, params=_given(query))

    def file(self, path: str, **query: Any) -> bytes:
        """What is at `path` as it is."""
        return self._read("GET", path, params=_given(query))[1]

    def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        if_match: str | None = None,
        key: str | None = None,
    ) -> Any:
        """`key`: where it is sent twice it has one effect, if the endpoint knows such keys."""
        given = {} if body is None else {"json": body}
        headers = _only(if_match) | ({} if key is None else {"Idempotency-Key": key})
        return self._ask("POST", path, headers=headers, **given)

    def put(self, path: str, body: Mapping[str, Any], *, if_match: str | None = None) -> Any:
        return self._ask("PUT", path, json=body, headers=_only(if_match))

    def patch(self, path: str, body: Mapping[str, Any], *, if_match: str | None = None) -> Any:
        return self._ask("PATCH", path, json=body, headers=_only(if_match))

    def delete(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        given = {} if body is None else {"json": body}
        return self._ask("DELETE", path, **given)

    @contextmanager
    def stream(self, method: str, path: str, **request: Any) -> Generator[httpx2.Response]:
        """A response that is read as it comes. Raises httpx2.TransportError as well."""
        token = self._bearer(None)
        for is_last in (False, True):
            with self._http.stream(method, path, **_signed(request, token)) as response:
                if not is_last and _is_signed_out(response):
                    token = self._bearer(token)
                    continue
                yield response
                return

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        response, body = self._read(method, path, **request)
        return json.loads(body) if body and "json" in response.headers.get("content-type", "") else body

    def _read(self, method: str, path: str, **request: Any) -> tuple[httpx2.Response, bytes]:
        try:
            with self.stream(method, path, **request) as response:
                body = response.read()
        except httpx2.TransportError as error:
            raise ApiError("Turnlog's server does not answer. Is it running?") from error
        if _is_signed_out(response):
            raise NotSignedIn
        if not response.is_success:
            raise ApiError(*message_of(response), response.status_code, _details_of(response))
        return response, body


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def _only(if_match: str | None) -> dict[str, str]:
    return {} if if_match is None else {"If-Match": if_match}


def _signed(request: Mapping[str, Any], token: str) -> dict[str, Any]:
    return {**request, "headers": {**request.get("headers", {}), "Authorization": f"Bearer {token}"}}


def _is_signed_out(response: httpx2.Response) -> bool:
    """Whether the token is refused: a password that is asked for besides may be wrong, too."""
    return response.status_code == HTTPStatus.UNAUTHORIZED and message_of(response)[1] != "wrong_credentials"


def message_of(response: httpx2.Response) -> tuple[str, str]:
    """What a refusal says to a person, and its code."""
    try:
        answer = json.loads(response.read())
        return str(answer["message"]), str(answer["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return f"The server answered {response.status_code}, and not as Turnlog does.", ""


def _details_of(response: httpx2.Response) -> Any:
    try:
        return json.loads(response.read())["error"].get("details")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
