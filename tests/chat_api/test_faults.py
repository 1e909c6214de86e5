"""A fault of ours: what its caller is told, and what the log has of it."""

import json
import socket
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from tests.programs import Running, free_port, running
from tests.servers import SECRET, Person

OURS = "https://app.example"


@dataclass(frozen=True, slots=True)
class Served:
    url: str
    database_url: str
    program: Running

    def lines(self, request_id: str) -> list[dict[str, Any]]:
        """All that is logged with this id, once all has been logged."""
        lines = [json.loads(line) for line in self.program.said()[1].splitlines()]
        return [line for line in lines if line.get("request_id") == request_id]


@pytest.fixture
def served(database_url: str, tmp_path: Path) -> Generator[Served]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    given: dict[str, Any] = {
        "api_port": port,
        "database_url": database_url,
        "data_dir": tmp_path,
        "jwt_secret_key": SECRET,
        "allowed_origins": OURS,
        "mcp_url": "http://tools.invalid:8001/mcp",
    }
    with running(f"{url}/api/v1/health/ready", "turnlog", "serve", **given) as program:
        yield Served(url, database_url, program)


def test_a_fault_is_told_and_logged_once_with_the_id_of_its_request(served: Served) -> None:
    ann = Person(served.url, "ann")
    with ann.http, psycopg.connect(served.database_url.replace("+psycopg", "")) as database:
        database.execute("LOCK TABLE agents")
        cut_short(ann, database)
        told = ann.http.get("/api/v1/agents", headers={"Origin": OURS, "X-Request-ID": "broken"})
        two_at_once(served, ann)
    served.program.stop()
    error = told.json()["error"]
    assert (told.status_code, error) == (500, {"code": "internal_error", "request_id": "broken"})
    assert told.headers["Access-Control-Allow-Origin"] == OURS
    assert told.headers["X-Content-Type-Options"] == "nosniff"
    assert told.headers["X-Frame-Options"] == "DENY"
    assert "agents" not in told.text
    for request_id, status in (("broken", 500), ("cut", 200)):
        request, fault = served.lines(request_id)
        assert (request["event"], request["status"]) == ("request", status)
        assert request.get("cut", False) == (request_id == "cut")
        assert (fault["level"], fault["user_id"]) == ("error", request["user_id"])
        assert 'UndefinedTable: relation "agents" does not exist' in fault["exception"]
    assert ["user_id" in served.lines(one)[0] for one in ("first", "second")] == [True, False]
    assert "files_elsewhere" in served.program.said()[1]


def cut_short(ann: Person, database: "psycopg.Connection[Any]") -> None:
    """An export comes to a table that is not there, when its first lines have been sent."""
    asked = ann.http.stream("GET", "/api/v1/auth/me/export", headers={"X-Request-ID": "cut"})
    with asked as answer:
        lines = answer.iter_lines()
        next(lines)
        database.execute("ALTER TABLE agents RENAME TO elsewhere")
        database.commit()
        with pytest.raises(httpx2.RemoteProtocolError):
            list(lines)


def two_at_once(served: Served, ann: Person) -> None:
    """Two requests in one go on one connection, the second of nobody."""
    token = ann.http.headers["Authorization"]
    host = served.url.removeprefix("http://")
    first = f"GET /api/v1/auth/me HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\nX-Request-ID: first"
    second = f"GET /nowhere HTTP/1.1\r\nHost: {host}\r\nX-Request-ID: second\r\nConnection: close"
    name, port = host.split(":")
    with socket.create_connection((name, int(port))) as line, line.makefile("rb") as answers:
        line.sendall(f"{first}\r\n\r\n{second}\r\n\r\n".encode())
        assert answers.read().count(b"HTTP/1.1 ") == 2
