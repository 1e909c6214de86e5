"""People with an account of their own at the server under test."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx2

__all__ = ["AUTH", "KEYS", "PASSWORD", "Someone", "code_of", "make_key", "register", "someone", "using"]

AUTH = "/api/v1/auth"
KEYS = "/api/v1/api-keys"
PASSWORD = "correct horse battery staple"


class Someone:
    """Somebody who has logged in; `tokens` are those of the newest answer."""

    def __init__(self, http: httpx2.Client, email: str, password: str) -> None:
        self.http = http
        self.email = email
        self.password = password
        self.tokens: dict[str, Any] = {}

    @property
    def user(self) -> dict[str, Any]:
        return self.tokens["user"]

    @property
    def refresh_token(self) -> str:
        return self.tokens["refresh_token"]

    def ask(self, path: str, **body: Any) -> httpx2.Response:
        return self.http.post(f"{AUTH}/{path}", json=body)

    def log_in(self, password: str | None = None) -> httpx2.Response:
        answer = self.ask("login", email=self.email, password=password or self.password)
        return self._took(answer)

    def refresh(self, token: str | None = None) -> httpx2.Response:
        return self._took(self.ask("refresh", refresh_token=token or self.refresh_token))

    def _took(self, answer: httpx2.Response) -> httpx2.Response:
        if answer.status_code == 200:
            self.tokens = answer.json()
            self.http.headers["Authorization"] = f"Bearer {self.tokens['access_token']}"
        return answer

    def say(self, message: str) -> httpx2.Response:
        return self.http.post(f"/api/{self.user['user_id']}/chat", json={"message": message})


def register(http: httpx2.Client, email: str, password: str = PASSWORD, **more: Any) -> httpx2.Response:
    return http.post(f"{AUTH}/register", json={"email": email, "password": password, **more})


@contextmanager
def someone(base_url: str, email: str | None = None, password: str = PASSWORD) -> Generator[Someone]:
    """Somebody new, who has registered and logged in."""
    email = email or f"{uuid4().hex[:12]}@example.com"
    with httpx2.Client(base_url=base_url, timeout=30, trust_env=False) as http:
        assert register(http, email, password).status_code == 202
        person = Someone(http, email, password)
        assert person.log_in().status_code == 200
        yield person


def code_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def make_key(person: Any, *scopes: str, **more: Any) -> dict[str, Any]:
    body = {"name": "Script", **({"scopes": scopes} if scopes else {}), **more}
    response = person.http.post(KEYS, json=body)
    assert response.status_code == 201, response.text
    assert response.headers["Cache-Control"] == "no-store"
    return response.json()


def using(url: str, key: str) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx2.Client(base_url=url, headers=headers, timeout=30, trust_env=False)
