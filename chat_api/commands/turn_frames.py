"""A turn as a client follows it: its frames, to its end, over connections that are lost."""

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

import httpx2

__all__ = ["Refused", "TurnFrames"]

_TRIES: Final = 30
_PAUSE: Final = 1.0
_AWAY: Final = frozenset({502, 503, 504})


class Refused(Exception):
    """The server does not take the turn, for the reason given."""


class TurnFrames:
    """One turn. Iterating takes it, and yields its NDJSON frames up to `done` or `error`."""

    def __init__(self, http: httpx2.Client, user: str, body: dict[str, Any]) -> None:
        self._http: Final = http
        self._path: Final = f"/api/{quote(user, safe='')}/chat"
        self._body: Final = body
        # However often it is sent, it is one turn.
        self._headers: Final = {"Accept": "application/x-ndjson", "Idempotency-Key": uuid4().hex}
        self._run_id: str | None = None
        self._last = 0
        self._left = _TRIES

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Raises Refused, and httpx2.TransportError where the server stays away."""
        while True:
            try:
                for frame in self._frames():
                    yield frame
                    if frame["type"] in {"done", "error"}:
                        return
            except httpx2.TransportError:
                if not self._left:
                    raise
            self._left -= 1
            time.sleep(_PAUSE)

    def cancel(self) -> None:
        """Stop the turn, if the server has taken it."""
        if self._run_id is not None:
            # A server that is away hears nothing.
            with suppress(httpx2.TransportError):
                self._http.post(f"/api/v1/runs/{self._run_id}/cancel")

    def decide(self, decision: dict[str, Any]) -> None:
        """Let the turn go on, unless that was decided elsewhere. Raises Refused, httpx2.TransportError."""
        path = f"/api/v1/runs/{self._run_id}/approvals"
        for left in range(_TRIES, 0, -1):
            try:
                response = self._http.post(path, json=decision)
            except httpx2.TransportError:
                if left == 1:
                    raise
            else:
                if response.is_success or response.status_code == HTTPStatus.CONFLICT:
                    return
                if response.status_code not in _AWAY:
                    raise Refused(_message(response))
            time.sleep(_PAUSE)
        raise Refused("The decision could not be sent.")

    def _frames(self) -> Iterator[dict[str, Any]]:
        with self._request() as response:
            if response.status_code in _AWAY and self._left:
                return
            if not response.is_success:
                raise Refused(_message(response))
            self._run_id = response.headers["X-Run-ID"]
            for line in response.iter_lines():
                frame: dict[str, Any] = json.loads(line)
                self._last = frame.get("seq", self._last)
                self._left = _TRIES
                yield frame

    def _request(self) -> AbstractContextManager[httpx2.Response]:
        if self._run_id is None:
            return self._http.stream("POST", self._path, json=self._body, headers=self._headers)
        path = f"/api/v1/runs/{self._run_id}/events"
        return self._http.stream("GET", path, params={"after": self._last}, headers=self._headers)


def _message(response: httpx2.Response) -> str:
    try:
        return str(json.loads(response.read())["message"])
    except (ValueError, KeyError, TypeError):
        return f"The server answered {response.status_code}, and not as Turnlog does."
