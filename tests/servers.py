"""The chat API under test, with a scripted model, and people who talk to it."""

import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import httpx2
import jwt
import pytest

from chat_api.main import create_app
from chat_api.settings import Settings
from mcp_server.scopes import ALL
from tests.model_server import ModelServer, say, serve, serve_model

SECRET = "a secret that the frontend's own issuer shares"

StartApi: TypeAlias = Callable[..., AbstractContextManager[str]]


class Person:
    """Somebody with a token of the frontend's issuer, and a client."""

    def __init__(self, base_url: str, name: str, **claims: Any) -> None:
        self.name = name
        token = token_for(name, **claims)
        self.http = httpx2.Client(
            base_url=base_url, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False
        )

    def post(self, message: str, conversation_id: str | None = None) -> httpx2.Response:
        body = {"message": message} | ({"conversation_id": conversation_id} if conversation_id else {})
        return self.http.post(f"/api/{self.name}/chat", json=body)

    def say(self, message: str, conversation_id: str | None = None) -> dict[str, Any]:
        """Take a turn that is meant to succeed; return its `data`."""
        response = self.post(message, conversation_id)
        assert response.status_code == 200, response.text
        return response.json()["data"]

    def messages(self, conversation_id: str) -> list[dict[str, Any]]:
        response = self.http.get(f"/api/v1/conversations/{conversation_id}/messages")
        assert response.status_code == 200, response.text
        return response.json()["messages"]


def token_for(subject: str, **claims: Any) -> str:
    issued = int(time.time())
    payload = {"iss": "turnlog", "aud": "turnlog", "sub": subject, "iat": issued, "exp": issued + 600}
    return jwt.encode(payload | claims, SECRET, algorithm="HS256")


def mcp_token(subject: str, scope: str = ALL, **claims: Any) -> str:
    return token_for(subject, aud="turnlog-mcp", scope=scope, **claims)


@pytest.fixture(scope="session")
def shared_model() -> Generator[ModelServer]:
    with serve_model() as model:
        yield model


@pytest.fixture
def model(shared_model: ModelServer) -> ModelServer:
    """The one model of a worker, which has heard nothing yet."""
    shared_model.requests = []
    shared_model.script = lambda _: say("Hello.")
    shared_model.disconnected.clear()
    return shared_model


@pytest.fixture
def start_api(database_url: str, model: ModelServer, tmp_path: Path) -> StartApi:
    """Start a replica; settings may be given by name."""

    @contextmanager
    def start(**settings: Any) -> Generator[str]:
        defaults: dict[str, Any] = {
            "database_url": database_url,
            "data_dir": tmp_path,
            "jwt_secret_key": SECRET,
            "default_provider": "openai",
            "openai_base_url": model.url,
            "search_backend": "off",
            "timezone": "Europe/Berlin",
            "rate_limit_enabled": False,
            "titles_by_model": False,
            "access_log": False,
        }
        with serve(create_app(Settings(**(defaults | settings)))) as url:
            yield url

    return start


@pytest.fixture
def api(start_api: StartApi) -> Generator[str]:
    with start_api() as url:
        yield url


@pytest.fixture
def alice(api: str) -> Generator[Person]:
    person = Person(api, "alice")
    with person.http:
        yield person
