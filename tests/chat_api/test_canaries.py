"""Secrets go where they are for: no log, no answer that refuses, no row of the database has them after."""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.chat_api.accounts import AUTH
from tests.chat_api.replica import execute
from tests.chat_api.rows import all_rows
from tests.model_server import serve
from tests.programs import free_port, running

# What is said is kept where it belongs; a conversation is called after it.
OF_PROMPTS: Final = {"messages", "events", "conversations"}


def canary(what: str) -> str:
    return f"{what}-canary-{uuid4().hex}"


class Echo:
    """A provider and an MCP server that say in their errors what they were sent."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def models(self, request: Request) -> Response:
        self.seen.append(str(request.headers))
        return JSONResponse({"object": "list", "data": [{"id": "echo", "object": "model"}]})

    async def answer(self, request: Request) -> Response:
        told = f"{request.headers} {(await request.body()).decode()}"
        self.seen.append(told)
        status = 500 if "fail" in told else 400
        return JSONResponse({"error": {"message": told, "type": told, "code": told}}, status)


@contextmanager
def echoing() -> Generator[tuple[Echo, str]]:
    echo = Echo()
    routes = [
        Route("/v1/models", echo.models),
        Route("/{path:path}", echo.answer, methods=["GET", "POST", "DELETE"]),
    ]
    with serve(Starlette(routes=routes)) as url:
        yield echo, url


@dataclass(slots=True)
class Scene:
    """A server, an admin at it, what is to stay secret, and what was answered that is no success."""

    http: httpx2.Client
    database: str
    secrets: dict[str, str] = field(default_factory=dict[str, str])
    refusals: list[str] = field(default_factory=list[str])

    def secret(self, what: str) -> str:
        return self.secrets.setdefault(what, canary(what))

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        answer = self.http.request(method, path, json=body, headers=headers)
        if answer.is_error:
            self.refusals.append(f"{answer.headers} {answer.text}")
        return answer.json()


def sign_in(scene: Scene) -> None:
    """With passwords that are right, wrong, and in the wrong form."""
    account = {"email": "root@example.com", "password": scene.secret("password")}
    scene.ask("POST", f"{AUTH}/register", account)
    login = scene.ask("POST", f"{AUTH}/login", account)
    scene.ask("POST", f"{AUTH}/login", account | {"password": scene.secret("wrong")})
    scene.ask("POST", f"{AUTH}/login", account | {"password": [scene.secret("list")]})
    scene.ask("POST", f"{AUTH}/login", account | {scene.secret("field"): 1})
    again = scene.ask("POST", f"{AUTH}/refresh", {"refresh_token": login["refresh_token"]})
    scene.ask("POST", f"{AUTH}/refresh", {"refresh_token": scene.secret("refresh")})
    scene.secrets |= {"old_refresh": login["refresh_token"], "new_refresh": again["refresh_token"]}
    scene.secrets["access"] = again["access_token"]
    scene.http.headers["Authorization"] = f"Bearer {again['access_token']}"
    change = {"current_password": scene.secret("not_it"), "new_password": scene.secret("new")}
    scene.ask("POST", f"{AUTH}/change-password", change)
    for broken in (f"{again['access_token']}x", scene.secret("bearer"), f"tl_{scene.secret('key')}"):
        scene.ask("GET", f"{AUTH}/me", token=broken)
        scene.ask("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, token=broken)


def use_everything(scene: Scene, echo_url: str) -> None:
    user = scene.ask("GET", f"{AUTH}/me")["user_id"]
    key = scene.secrets["api_key"] = scene.ask("POST", "/api/v1/api-keys", {"name": "Mine"})["key"]
    scene.ask("GET", "/api/v1/users", token=key)
    provider = {"name": "mine", "base_url": f"{echo_url}/v1", "api_key": scene.secret("provider_key")}
    mine = scene.ask("POST", "/api/v1/providers", provider)
    scene.ask("POST", "/api/v1/providers", provider | {"name": "BAD NAME"})
    scene.ask("POST", f"/api/v1/providers/{mine['id']}/test")
    connect = {"provider": "openai", "endpoint": f"{echo_url}/x", "api_key": scene.secret("connect_key")}
    scene.ask("POST", "/api/v1/models/connect", connect)
    server = {"name": "other", "url": f"{echo_url}/mcp", "auth": "bearer", "secret": scene.secret("mcp")}
    other = scene.ask("POST", "/api/v1/mcp-servers", server)
    scene.ask("POST", "/api/v1/mcp-servers", server)
    scene.ask("POST", f"/api/v1/mcp-servers/{other['id']}/test")
    for more in ({}, {"provider": "mine", "model_id": "echo"}, {"provider": "mine", "model_id": "fail"}):
        scene.ask("POST", f"/api/{user}/chat", {"message": scene.secret("prompt"), **more})
    scene.ask("POST", f"/api/{user}/chat", {"message": [scene.secret("list_prompt")]})
    scene.ask("GET", f"/api/v1/runs?access_token={scene.secret('query')}")


def break_down(scene: Scene) -> None:
    """Have our own code fail, with secrets at hand."""
    account = {"email": "root@example.com", "password": scene.secret("password")}
    provider = {"name": "more", "base_url": "https://example.com/v1", "api_key": scene.secret("provider_key")}
    for table, path, body in (
        ("login_sessions", f"{AUTH}/login", account),
        ("provider_configs", "/api/v1/providers", provider),
    ):
        execute(scene.database, f"ALTER TABLE {table} RENAME TO away")
        assert scene.ask("POST", path, body)["error"]["code"] == "internal_error"
        execute(scene.database, f"ALTER TABLE away RENAME TO {table}")


def found_in(text: str, secrets: dict[str, str]) -> Iterator[str]:
    """Which of the secrets are in it: as they are, in JSON, in hexadecimal digits."""
    for name, secret in secrets.items():
        if any(form in text for form in (secret, json.dumps(secret)[1:-1], secret.encode().hex())):
            yield name


def leaks(scene: Scene, log: str) -> dict[str, set[str]]:
    """By place."""
    places = {"log": log, "refusals": "\n".join(scene.refusals)}
    found = {place: set(found_in(text, scene.secrets)) for place, text in places.items()}
    for table, rows in all_rows(scene.database).items():
        kept = set(found_in("\n".join(rows), scene.secrets))
        found[table] = kept - ({"prompt"} if table in OF_PROMPTS else set())
    return {place: names for place, names in found.items() if names}


@pytest.mark.parametrize("log_format", ["json", "pretty"])
def test_no_secret_is_anywhere_but_where_it_is_for(
    database_url: str, tmp_path: Path, log_format: str
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with echoing() as (echo, echo_url), httpx2.Client(base_url=url, timeout=30, trust_env=False) as http:
        scene = Scene(http, database_url)
        settings: dict[str, Any] = {
            "api_port": port,
            "database_url": database_url,
            "data_dir": tmp_path,
            "log_level": "DEBUG",
            "log_format": log_format,
            "jwt_secret_key": scene.secret("jwt_secret"),
            "registration": "first",
            "provider_key_secret": scene.secret("sealing_key"),
            "openai_api_key": scene.secret("openai_key"),
            "openai_base_url": f"{echo_url}/v1",
            "default_provider": "openai",
            "search_backend": "off",
        }
        with running(f"{url}/api/v1/health/ready", "turnlog", "serve", **settings) as server:
            sign_in(scene)
            use_everything(scene, echo_url)
            break_down(scene)
            log = "".join(server.said()) + server.stop()[1]
        received = set(found_in("\n".join(echo.seen), scene.secrets))
    assert leaks(scene, log) == {}
    # The controls: they were sent to whom they are for, who told them; the log is that of all of this.
    assert received == {"openai_key", "provider_key", "connect_key", "mcp", "prompt"}
    assert log.count("UndefinedTable") >= 2
    assert len(scene.refusals) > 10
    assert "prompt" in set(found_in(str(all_rows(database_url)["messages"]), scene.secrets))
    execute(database_url, "UPDATE users SET name = %s", scene.secrets["password"])
    assert leaks(scene, f"{log} {scene.secrets['mcp']}") == {"users": {"password"}, "log": {"mcp"}}
