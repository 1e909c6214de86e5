"""`turnlog`, as a person uses it."""

import signal
import socket
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.chat_api.replica import execute, expire_leases, in_thread
from tests.model_server import Hold, ModelServer, call, say, stream
from tests.programs import free_port, run, run_installed, running, started
from tests.servers import SECRET, StartApi, token_for


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> dict[str, Any]:
    return {"database_url": database_url, "data_dir": tmp_path, "jwt_secret_key": SECRET}


def test_chat_shows_the_answer_and_the_tools_in_a_plain_pipe(
    start_api: StartApi, model: ModelServer, settings: dict[str, Any]
) -> None:
    model.answers(call("calculator", expression="17% of 2340"), say("It is **397.8**."))
    with start_api() as url:
        done = run("turnlog", "chat", "--url", url, "What is 17% of 2340?", **settings)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        '  calculator(expression="17% of 2340")  {"result": "397.8", "exact": true}',
        "It is **397.8**.",
    ]


def test_chat_goes_on_with_the_conversation_until_the_input_ends(
    start_api: StartApi, model: ModelServer, settings: dict[str, Any]
) -> None:
    model.answers(say("Hello Ann."), say("Ann."))
    with start_api() as url:
        done = run("turnlog", "chat", "--url", url, stdin="I am Ann\nWho am I?\n", **settings)
    assert done.stdout.splitlines() == ["Hello Ann.", "Ann."]
    said = [message["content"] for message in model.requests[1]["messages"][1:]]
    assert said == ["I am Ann", "Hello Ann.", "Who am I?"]


def test_chat_says_on_one_line_that_another_provider_is_asked(
    start_api: StartApi, settings: dict[str, Any]
) -> None:
    with start_api() as url:
        headers = {"Authorization": f"Bearer {token_for('local')}"}
        body = {"name": "Mine", "system_prompt": "Help.", "provider": "gone", "model_id": "large"}
        made = httpx2.post(f"{url}/api/v1/agents", json=body, headers=headers, trust_env=False)
        options = ["--agent", made.json()["agent_id"], "--token", token_for("local")]
        done = run("turnlog", "chat", "--url", url, *options, "Hello", **settings)
    assert done.stdout.splitlines() == ["Hello."], done.stderr
    assert "Instead of gone large, openai scripted is asked." in done.stderr


def test_chat_asks_about_a_call_and_takes_other_arguments(
    start_api: StartApi, model: ModelServer, database_url: str, settings: dict[str, Any]
) -> None:
    model.answers(call("add_todo", title="Milk"), call("add_todo", title="Tea"), say("One of two."))
    with start_api() as url:
        headers = {"Authorization": f"Bearer {token_for('local')}"}
        body = {"name": "Careful", "system_prompt": "Help.", "approvals": {"not_read_only": True}}
        made = httpx2.post(f"{url}/api/v1/agents", json=body, headers=headers, trust_env=False)
        options = ["--agent", made.json()["agent_id"], "--token", token_for("local")]
        stdin = 'what?\n{"title": "Oat milk"}\nno not today\n'
        done = run("turnlog", "chat", "--url", url, *options, "Two things", stdin=stdin, **settings)
    assert done.stdout.splitlines()[-1] == "One of two.", done.stderr
    assert 'wants to call add_todo {"title": "Milk"}' in done.stderr
    assert execute(database_url, "SELECT title FROM todos") == [("Oat milk",)]
    assert "They said: not today" in model.requests[2]["messages"][-1]["content"]


def test_chat_says_that_a_turn_waits_where_nobody_answers(
    start_api: StartApi, model: ModelServer, settings: dict[str, Any]
) -> None:
    model.answers(call("add_todo", title="Milk"))
    with start_api() as url:
        headers = {"Authorization": f"Bearer {token_for('local')}"}
        body = {"name": "Careful", "system_prompt": "Help.", "approvals": {"tools": ["add_todo"]}}
        made = httpx2.post(f"{url}/api/v1/agents", json=body, headers=headers, trust_env=False)
        options = ["--agent", made.json()["agent_id"], "--token", token_for("local")]
        done = run("turnlog", "chat", "--url", url, *options, "One thing", **settings)
    assert (done.returncode, done.stdout) == (1, "")
    assert "waits for that decision" in done.stderr


def test_chat_goes_on_with_a_turn_whose_server_was_killed_and_started_again(
    model: ModelServer, database_url: str, settings: dict[str, Any]
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    ready = f"{url}/api/v1/health/ready"
    own: dict[str, Any] = {"api_port": port, "default_provider": "openai", "openai_base_url": model.url}
    hold = Hold()
    model.answers(stream("Half of ", hold), say("All of it."))
    with (
        running(ready, "turnlog", "serve", **own, **settings) as server,
        in_thread(lambda: run("turnlog", "chat", "--url", url, "Tell me", **settings)) as talk,
    ):
        hold.wait()
        server.process.kill()
        server.process.wait()
        expire_leases(database_url)
        with running(ready, "turnlog", "serve", **own, **settings):
            done = talk.result()
    hold.open()
    assert done.stdout.splitlines() == ["All of it."], done.stderr
    said = execute(database_url, "SELECT content FROM messages ORDER BY position")
    assert said == [("Tell me",), ("All of it.",)]


def test_ctrl_c_stops_the_turn_and_keeps_what_was_said(
    start_api: StartApi, model: ModelServer, database_url: str, settings: dict[str, Any]
) -> None:
    hold = Hold()
    model.answers(stream("Half of ", hold))
    with start_api() as url:
        with started("turnlog", "chat", "--url", url, "Tell me", **settings) as chat:
            hold.wait()
            code, said = chat.stop()
        assert (code, said.splitlines()[-1]) == (1, "Stopped.")
        assert model.disconnected.wait(10)
        hold.open()
    kept = execute(database_url, "SELECT content, status FROM messages ORDER BY position")
    assert kept == [("Tell me", "completed"), ("Half of ", "cancelled")]


def test_chat_says_what_to_start_where_nothing_answers(settings: dict[str, Any]) -> None:
    done = run("turnlog", "chat", "--url", f"http://127.0.0.1:{free_port()}", "Hello", **settings)
    assert done.returncode == 2
    assert "start it with" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_token_for_the_mcp_door_opens_it_as_that_user(
    start_api: StartApi, settings: dict[str, Any]
) -> None:
    with start_api() as url:
        lists: list[Any] = []
        for user in ("ann", "bob"):
            token = run("turnlog", "token", "--user", user, "--for", "mcp", **settings).stdout.strip()
            headers = {"Authorization": f"Bearer {token}"}
            async with (
                httpx2.AsyncClient(headers=headers, timeout=30) as http,
                Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
            ):
                await client.call_tool("add_todo", {"title": f"Wake {user}"})
                lists.append((await client.call_tool("list_todos", {})).structured_content)
        assert [[todo["title"] for todo in found["todos"]] for found in lists] == [["Wake ann"], ["Wake bob"]]


def test_up_runs_without_any_model_and_says_what_to_start(tmp_path: Path) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    settings: dict[str, Any] = {"data_dir": tmp_path, "api_port": port}
    with running(
        f"{base}/api/v1/health/ready", "turnlog", "up", "--no-local-model", "--no-web", **settings
    ) as server:
        done = run("turnlog", "chat", "Hello", **settings)
        assert done.returncode == 1
        assert "start Ollama" in done.stderr
        code, said = server.stop()
    assert code == 0, said
    assert f"{base}/mcp" in said
    assert said.splitlines()[-1] == "Stopped."
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()


def test_the_tool_server_stops_its_postgres_at_sigterm(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    with running(url, "turnlog-mcp", "--http", "--port", str(port), data_dir=tmp_path) as server:
        code, said = server.stop(signal.SIGTERM)
    assert code == 128 + signal.SIGTERM, said
    assert "Traceback" not in said
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()


def test_serve_ends_well_at_sigterm_and_at_sigint(settings: dict[str, Any]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        port = free_port()
        url = f"http://127.0.0.1:{port}/api/v1/health/live"
        with running(url, "turnlog", "serve", api_port=port, **settings) as server:
            code, said = server.stop(number)
        assert code == 0, said
        assert "Traceback" not in said


@pytest.mark.parametrize("installed", [True, False])
def test_migrate_says_that_it_is_done(settings: dict[str, Any], *, installed: bool) -> None:
    """Also as the script that was installed, which is not what the other tests start."""
    start = run_installed if installed else run
    assert "newest schema" in start("turnlog", "migrate", **settings).stderr


def test_a_port_that_is_taken_is_named(settings: dict[str, Any]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("turnlog", "serve", api_port=port, **settings)
    assert done.returncode == 2
    assert f"port {port}" in done.stderr
    assert "API_PORT" in done.stderr


@pytest.mark.parametrize(
    ("program", "wrong", "words"),
    [
        (("turnlog", "migrate"), {"api_port": "many"}, "API_PORT"),
        (("turnlog", "migrate"), {"jwt_secret_key": "short"}, "JWT_SECRET_KEY"),
        (("turnlog", "migrate"), {"database_url": "mysql://here/there"}, "postgresql://"),
        (("turnlog", "migrate"), {"database_url": "postgresql://127.0.0.1:9/none"}, "cannot be reached"),
        (("turnlog-mcp",), {"timezone": "Mars/Olympus"}, "TIMEZONE"),
        (("turnlog-mcp", "--http", "--no-auth", "--host", "0.0.0.0"), {}, "loopback"),
    ],
)
def test_a_wrong_setting_is_one_clear_sentence(
    tmp_path: Path, program: tuple[str, ...], wrong: dict[str, Any], words: str
) -> None:
    settings: dict[str, Any] = {"data_dir": tmp_path, **wrong}
    done = run(*program, **settings)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_dir_that_is_a_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = run("turnlog", "migrate", data_dir=file)
    assert done.returncode == 2
    assert "DATA_DIR" in done.stderr
