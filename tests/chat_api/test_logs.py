"""What `turnlog serve` logs: whose request, which run, how it went; never what was said."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.model_server import ModelServer, say
from tests.programs import free_port, running
from tests.servers import SECRET, Person


def served(database_url: str, folder: Path, model: ModelServer, **settings: Any) -> list[str]:
    """The lines that are logged while Ann takes a turn, and somebody asks for what is not there."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    given: dict[str, Any] = {
        "api_port": port,
        "database_url": database_url,
        "data_dir": folder,
        "jwt_secret_key": SECRET,
        "default_provider": "openai",
        "openai_base_url": model.url,
        **settings,
    }
    with running(f"{url}/api/v1/health/ready", "turnlog", "serve", **given) as server:
        ann = Person(url, "ann")
        with ann.http:
            ann.http.headers["X-Request-ID"] = "of-ann"
            ann.say("My secret")
        httpx2.get(f"{url}/nowhere", trust_env=False)
        httpx2.get(f"{url}/%1b%5b2J%0a{'x' * 5000}", trust_env=False)
        return server.stop()[1].splitlines()


def test_each_request_is_a_line_that_a_program_can_read(
    database_url: str, tmp_path: Path, model: ModelServer
) -> None:
    model.answers(say("Your secret"))
    lines = [json.loads(line) for line in served(database_url, tmp_path, model)]
    requests = [line for line in lines if line["event"] == "request"]
    turn, nowhere, odd = requests
    assert (turn["method"], turn["path"], turn["status"]) == ("POST", "/api/ann/chat", 200)
    assert turn["request_id"] == "of-ann"
    assert turn["run_id"]
    assert turn["ms"] > 0
    assert turn["level"] == "info"
    assert (nowhere["path"], nowhere["status"]) == ("/nowhere", 404)
    assert odd["path"].startswith("/%1B%5B2J%0Axx")
    assert len(odd["path"]) < 2_100
    assert "secret" not in json.dumps(lines)


def test_requests_are_logged_for_people_too(database_url: str, tmp_path: Path, model: ModelServer) -> None:
    lines = served(database_url, tmp_path, model, log_format="pretty")
    [turn] = [line for line in lines if "path=/api/ann/chat" in line]
    assert "request_id=of-ann" in turn


@pytest.mark.parametrize("settings", [{"access_log": False}, {"log_level": "WARNING"}])
def test_requests_need_not_be_logged(
    database_url: str, tmp_path: Path, model: ModelServer, settings: dict[str, Any]
) -> None:
    assert not [line for line in served(database_url, tmp_path, model, **settings) if "ann" in line]
