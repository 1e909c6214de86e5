"""The WebSocket of `turnlog serve` itself: when it stops, what it refuses, and what it logs."""

import select
import signal
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from chat_api.commands.serve import listen
from chat_api.settings import Settings
from tests.chat_api.conftest import MakePerson
from tests.chat_api.processes import free_port, replica_process
from tests.chat_api.sockets import Talk, address, closing, talking, token_of
from tests.model_server import Hold, ModelServer, stream
from tests.programs import running
from tests.servers import SECRET, Person

MIB: Final = 1024 * 1024


def as_it_stands(frames: Iterable[dict[str, Any]]) -> str:
    """The text that a client shows, which an `attempt` replaces."""
    text = ""
    for frame in frames:
        match frame["type"]:
            case "token":
                text += frame["content"]
            case "attempt":
                text = frame["content"]
            case _:
                pass
    return text


def test_who_is_sent_away_goes_on_elsewhere(
    alice: Person, person: MakePerson, api: str, api_database: str, model: ModelServer
) -> None:
    first, again = Hold(), Hold()
    model.answers(stream("One ", "two ", first), stream("One ", again, "two ", "three."))
    with replica_process(api_database, model.url) as (url, process):
        ours = person(url, alice.name)
        with talking(ours) as talk, talking(ours) as idle:
            idle.ask("ping")
            # The server's leaving is not the client's.
            run_id = talk.ask("chat", message="Count", on_disconnect="cancel")["run_id"]
            heard = talk.until(lambda frame: frame.get("content") == "two ")
            process.send_signal(signal.SIGTERM)
            code, more = closing(talk)
            assert code == 1012
            assert closing(idle)[0] == 1012
        heard = [frame for frame in heard + more if "seq" in frame]
    with talking(alice, api) as talk:
        talk.say("subscribe", scope="user", after={run_id: heard[-1]["seq"]})
        again.wait()
        again.open()
        heard += talk.to_the_end(run_id)
    numbers = [frame["seq"] for frame in heard]
    assert numbers == sorted(set(numbers))
    assert heard[-1]["status"] == "completed"
    kept = alice.messages(heard[-1]["conversation_id"])[-1]["content"]
    assert as_it_stands(heard) == kept
    assert kept.endswith("three.")


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_neither_tokens_nor_messages_are_logged(
    api_database: str, tmp_path: Path, model: ModelServer, alice: Person, level: str
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings: dict[str, Any] = {
        "api_port": port,
        "database_url": api_database,
        "data_dir": tmp_path,
        "jwt_secret_key": SECRET,
        "default_provider": "openai",
        "openai_base_url": model.url,
        "search_backend": "off",
        "timezone": "Europe/Berlin",
        "log_level": level,
    }
    token = token_of(alice)
    with running(f"{url}/api/v1/health/ready", "turnlog", "serve", **settings) as server:
        ask_with_token(url, token)
        connect_with_token(url, token)
        send_too_much(alice, url)
        server.stop(signal.SIGTERM)
        said = "".join(server.said())
    assert token not in said
    assert token[:20] not in said
    assert "My secret" not in said
    assert "/api/v1/ws" in said
    assert "/api/v1/runs" in said


def ask_with_token(url: str, token: str) -> None:
    run = f"{url}/api/v1/runs/01a1fdba-283b-70dd-aeca-eb50dc327526/events"
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    with httpx2.Client(trust_env=False) as http:
        asked = [
            http.get(f"{run}?access_token={token}"),
            http.get(f'{run}?x="&access%5Ftoken={token}'),
            http.get(f"{url}/?access_token={token}"),
            # No proper handshake.
            http.get(f"{url}/api/v1/ws?access_token={token}", headers=upgrade),
        ]
    assert [response.status_code for response in asked] == [404, 404, 404, 400]


def connect_with_token(url: str, token: str) -> None:
    with connect(f"{address(url)}?access_token={token}", proxy=None) as connection:
        talk = Talk(connection)
        talk.say("auth", token=token)
        run_id = talk.ask("chat", message="My secret")["run_id"]
        talk.to_the_end(run_id)
    offered = [Subprotocol("turnlog"), Subprotocol(f"bearer.{token}")]
    with connect(address(url), subprotocols=offered, proxy=None) as connection:
        assert Talk(connection).ask("ping")["type"] == "pong"
    for path, origin in (("/api/v1/ws", Origin("https://evil.example")), ("/nowhere", None)):
        with pytest.raises(InvalidStatus) as refused:
            connect(f"{address(url, path)}?access_token={token}", origin=origin, proxy=None).close()
        assert refused.value.response.status_code == 403


def send_too_much(alice: Person, url: str) -> None:
    """Up to 2 MiB is answered; more ends the connection, in one piece or in two."""
    with talking(alice, url) as talk:
        talk.connection.send("x" * (2 * MIB))
        assert talk.hear()["code"] == "too_large"
    # Of the first only its length is sent: who still sends when the connection ends may miss the code.
    whole = Frame(Opcode.TEXT, b"x" * (2 * MIB + 1)).serialize(mask=True)[:14]
    first = Frame(Opcode.TEXT, b"x" * (2 * MIB), fin=False).serialize(mask=True)
    for sent in (whole, first + Frame(Opcode.CONT, b"x").serialize(mask=True)):
        with talking(alice, url) as talk:
            talk.ask("ping")
            talk.connection.socket.sendall(sent)
            assert closing(talk)[0] == 1009


def test_a_peer_that_takes_nothing_is_not_kept_for_ever() -> None:
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        pytest.skip("only Linux can be told how patient to be")
    with listen(Settings(api_port=free_port()), dead_after=1) as listener:
        listener.listen()
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as ours:
            assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1000
            ours.setblocking(False)
            with suppress(BlockingIOError):
                while ours.send(b"x" * MIB):
                    pass
            waiting = select.poll()
            waiting.register(ours, select.POLLERR)
            assert waiting.poll(30_000), "it is kept"
