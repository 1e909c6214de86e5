"""Who has signed in: sessions of browsers, and the tokens that stand behind them."""

import json
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx2

from web_ui.api import Api, ApiError, NotSignedIn, message_of
from web_ui.keeping import Keeping

__all__ = ["Login", "Logins", "Tokens", "local_tokens"]

_AUTH: Final = "/api/v1/auth"
_EARLY_SECONDS: Final = 60
_LOCAL_MINUTES: Final = 60
_YEAR: Final = 365 * 24 * 3600
_PATIENCE: Final = 60
_TIDY_EVERY: Final = 3600


@dataclass(frozen=True, slots=True)
class Tokens:
    """An access token, until when it is good, and how to get the next one: None for the local user."""

    access: str
    until: float
    refresh: str | None
    refresh_seconds: int


Opened = tuple[dict[str, Any], Tokens]
"""A user as the API tells of them, and their tokens."""
Renew = Callable[[Tokens], Opened]


class Login:
    """One browser that is signed in, until a point in time. `user` is as the API tells it."""

    def __init__(self, opened: Opened, until: float, renew: Renew, keep: Callable[["Login"], None]) -> None:
        self.user, self.tokens = opened
        self.until: Final = until
        self._is_ended = False
        self._renew: Final = renew
        self._keep: Final = keep
        # A refresh token is good once: two tabs that used one at once would end the login.
        self._renewing: Final = threading.Lock()

    @property
    def name(self) -> str:
        return self.user.get("name") or self.user.get("email") or self.user["user_id"]

    @property
    def has_password(self) -> bool:
        """Whether an e-mail address and a password opened it; else it is the local user's."""
        return self.tokens.refresh is not None

    @property
    def is_over(self) -> bool:
        return self._is_ended or time.time() > self.until

    def end(self) -> None:
        """Have it be good for nothing any more, in the tabs that still have it too."""
        self._is_ended = True
        # A renewal that is under way comes to its end: the last tokens are those to give back.
        with self._renewing:
            return

    def know(self, user: dict[str, Any]) -> None:
        """Take what the API tells of its user now."""
        with self._renewing:
            if user != self.user:
                self.user = user
                self._keep(self)

    def renew(self) -> None:
        """Have tokens that are of this moment. Raises ApiError, NotSignedIn."""
        self.bearer(self.tokens.access)

    @property
    def is_admin(self) -> bool:
        return self.user.get("role") == "admin"

    def bearer(self, refused: str | None = None) -> str:
        """An access token other than `refused`. Raises ApiError, NotSignedIn."""
        with self._renewing:
            if self.is_over:
                raise NotSignedIn
            if self.tokens.access == refused or time.time() > self.tokens.until - _EARLY_SECONDS:
                try:
                    self.user, self.tokens = self._renew(self.tokens)
                except NotSignedIn:
                    self._is_ended = True
                    raise
                self._keep(self)
            if self.is_over:
                raise NotSignedIn
            return self.tokens.access


class Logins:
    """All of this process; those of processes before it are found on disk by their cookie."""

    def __init__(self, http: httpx2.Client, folder: Path, local: Callable[[], Tokens] | None) -> None:
        self._http: Final = http
        self._keeping: Final = Keeping(folder, str(http.base_url))
        self._local: Final = local
        self._open: Final = dict[str, Login]()
        self._finding: Final = threading.Lock()
        self._next_tidy = 0.0
        self._tidy()

    @property
    def has_local(self) -> bool:
        return self._local is not None

    def sign_in(self, email: str, password: str, address: str) -> tuple[str, Login]:
        """A session of this account, and its id. Raises ApiError with words for the person."""
        return self._begin(self._ask("login", address, email=email, password=password))

    def register(self, email: str, password: str, name: str, address: str) -> tuple[str, Login]:
        body = {"email": email, "password": password} | ({"name": name} if name else {})
        self._ask("register", address, **body)
        return self.sign_in(email, password, address)

    def continue_as_local(self) -> tuple[str, Login]:
        """A session of the one local user. Raises ApiError."""
        if self._local is None:
            raise ApiError("There is no local user here.", "no_local_user", HTTPStatus.FORBIDDEN)
        return self._added(self._opened_locally(self._local))

    def find(self, session_id: str | None) -> Login | None:
        if not session_id:
            return None
        with self._finding:
            found = self._open.get(session_id)
            kept = None if found else self._keeping.load(session_id)
            if kept is not None and (kept["refresh"] or self._local):
                # The first request that needs an access token gets one.
                tokens = Tokens("", 0, kept["refresh"], kept["refresh_seconds"])
                found = self._open[session_id] = self._login(
                    session_id, (kept["user"], tokens), kept["until"]
                )
        if found is not None and found.is_over:
            self._drop(session_id)
            return None
        return found

    def sign_out(self, session_id: str) -> None:
        login = self.find(session_id)
        self._drop(session_id)
        if login is None:
            return
        login.end()
        if login.tokens.refresh is not None:
            self._ask("logout", None, refresh_token=login.tokens.refresh)

    def forget(self, login: Login, *, others: bool = False) -> None:
        """End the same person's logins here, as the API has ended them; with `others` all but this one.

        The API knows nothing of those of the local user: here they end with all that is kept of them.
        """
        for session_id, each in list(self._open.items()):
            if each.user["id"] == login.user["id"] and not (others and each is login):
                self._drop(session_id)
                each.end()
        if not (login.has_password or others):
            self._keeping.forget_local()

    def _begin(self, answer: dict[str, Any]) -> tuple[str, Login]:
        return self._added(_opened(answer))

    def _added(self, opened: Opened) -> tuple[str, Login]:
        session_id = secrets.token_urlsafe(32)
        login = self._login(session_id, opened, time.time() + opened[1].refresh_seconds)
        self._tidy()
        self._open[session_id] = login
        self._save(session_id, login)
        return session_id, login

    def _tidy(self) -> None:
        """Once an hour, forget the logins that are over: most browsers never ask for theirs again."""
        with self._finding:
            if time.time() < self._next_tidy:
                return
            self._next_tidy = time.time() + _TIDY_EVERY
        for session_id, login in list(self._open.items()):
            if login.is_over:
                self._drop(session_id)
        self._keeping.tidy()

    def _login(self, session_id: str, opened: Opened, until: float) -> Login:
        def renew(old: Tokens) -> Opened:
            try:
                return self._renewed(old)
            except NotSignedIn:
                self._drop(session_id)
                raise

        return Login(opened, until, renew, lambda login: self._save(session_id, login))

    def _drop(self, session_id: str) -> None:
        with self._finding:
            self._open.pop(session_id, None)
            self._keeping.forget(session_id)

    def _save(self, session_id: str, login: Login) -> None:
        tokens = login.tokens
        kept = {"user": login.user, "until": login.until}
        kept |= {"refresh": tokens.refresh, "refresh_seconds": tokens.refresh_seconds}
        with self._finding:
            # One that was ended meanwhile must not be there again.
            if self._open.get(session_id) is login:
                self._keeping.save(session_id, kept, is_local=tokens.refresh is None)

    def _renewed(self, old: Tokens) -> Opened:
        if old.refresh is not None:
            return _opened(self._ask("refresh", None, refresh_token=old.refresh))
        if self._local is None:
            raise NotSignedIn
        return self._opened_locally(self._local)

    def _opened_locally(self, local: Callable[[], Tokens]) -> Opened:
        tokens = local()
        return Api(self._http, lambda _: tokens.access).get(f"{_AUTH}/me"), tokens

    def _ask(self, path: str, address: str | None, **body: Any) -> dict[str, Any]:
        # The API counts logins by address: by the browser's, not by ours.
        headers = {"X-Forwarded-For": address} if address else {}
        try:
            response = self._http.post(f"{_AUTH}/{path}", json=body, headers=headers)
        except httpx2.TransportError as error:
            raise ApiError("Turnlog's server does not answer. Is it running?") from error
        if response.status_code == HTTPStatus.UNAUTHORIZED and path == "refresh":
            raise NotSignedIn
        if not response.is_success:
            raise ApiError(*message_of(response), response.status_code)
        return json.loads(response.content)


def _opened(answer: dict[str, Any]) -> Opened:
    until = time.time() + answer["expires_in"]
    tokens = Tokens(answer["access_token"], until, answer["refresh_token"], answer["refresh_expires_in"])
    return answer["user"], tokens


def local_tokens(command: Sequence[str]) -> Callable[[], Tokens]:
    """A maker of the local user's tokens: a program that prints one good for an hour."""

    def make() -> Tokens:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=True)  # noqa: S603
        except (OSError, subprocess.SubprocessError) as error:
            raise ApiError("No token could be made for the local user.") from error
        return Tokens(done.stdout.strip(), time.time() + _LOCAL_MINUTES * 60, None, _YEAR)

    return make
