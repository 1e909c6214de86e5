"""Readers who take nothing slow nobody down; readers who wait hold no database connection."""

import socket
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from urllib.parse import urlsplit

import pytest

from chat_api import main
from chat_api.runs import streaming
from chat_api.runs.events import Event
from chat_api.runs.wire import Wire
from chat_api.runs.wire.protocol import encode
from kit.postgres import open_db
from tests.chat_api.replica import execute
from tests.chat_api.sockets import token_of
from tests.chat_api.streams import chat_stream, hear
from tests.model_server import Hold, ModelServer, say, stream
from tests.servers import Person, StartApi

END = b"0\r\n\r\n"


@contextmanager
def readers(person: Person, run_id: str, number: int) -> Generator[list[socket.socket]]:
    """Connections to which the answer has begun, and which have room for little of it."""
    base = urlsplit(str(person.http.base_url))
    request = (
        f"GET /api/v1/runs/{run_id}/events HTTP/1.1\r\nHost: {base.netloc}\r\nConnection: close\r\n"
        f"Accept: text/event-stream\r\nAuthorization: Bearer {token_of(person)}\r\n\r\n"
    )
    opened: list[socket.socket] = []
    try:
        for _ in range(number):
            reader = socket.socket()
            opened.append(reader)
            reader.settimeout(10)
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect((base.hostname, base.port))
            reader.sendall(request.encode())
            assert reader.recv(12) == b"HTTP/1.1 200"
        yield opened
    finally:
        for reader in opened:
            reader.close()


def begin(person: Person) -> str:
    response = person.http.post(
        f"/api/{person.name}/chat", json={"message": "Much"}, headers={"Prefer": "respond-async"}
    )
    return response.json()["data"]["run_id"]


def rest(reader: socket.socket) -> bytes:
    """What the server has still sent, until it hung up."""
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
    found = b""
    while data := reader.recv(65536):
        found += data
    return found


def until_dropped(number: int, caplog: pytest.LogCaptureFixture) -> None:
    """Until the server has said of so many that it hangs up."""
    while sum("without completing" in record.message for record in list(caplog.records)) < number:
        pass


def test_who_takes_nothing_is_dropped_and_slows_nobody_down(
    alice: Person, model: ModelServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(streaming, "_SLOWEST_CHUNK", 0.5)
    sizes: list[int] = []

    def measured(wire: Wire, events: Iterable[Event]) -> bytes:
        frames = encode(wire, events)
        sizes.append(len(frames))
        return frames

    monkeypatch.setattr(streaming, "encode", measured)
    hold = Hold()
    # More than the sockets hold of it.
    much = ["x" * 10_000] * 400
    pieces = [f"{number} " for number in range(200)]
    model.answers(stream(*much, hold), *[stream(*pieces)] * 5)
    run_id = begin(alice)
    hold.wait()

    def follow(_: int) -> str:
        with chat_stream(alice, "Count") as response:
            return hear(response).text

    with readers(alice, run_id, 50) as stalled, ThreadPoolExecutor(5) as pool:
        assert list(pool.map(follow, range(5))) == ["".join(pieces)] * 5
        until_dropped(50, caplog)
        # Hung up in the middle, and while the run goes on.
        left = [rest(reader) for reader in stalled]
    assert alice.http.get(f"/api/v1/runs/{run_id}").json()["status"] == "running"
    assert not any(data.endswith(END) for data in left)
    assert max(map(len, left)) < sum(map(len, much))
    # What is held for one of them is not the whole log.
    assert max(sizes) < 2 * len(much[0])
    hold.open()


def test_streams_that_wait_hold_no_database_connection(
    start_api: StartApi, database_url: str, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "open_db", partial(open_db, pool_size=2))
    hold = Hold()
    model.answers(stream("Well, ", hold, "yes."), say("At once."))
    with start_api() as url:
        alice = Person(url, "alice")
        with alice.http:
            run_id = begin(alice)
            hold.wait()
            with readers(alice, run_id, 200) as waiting:
                assert alice.say("Hello")["response"] == "At once."
                [(there,)] = execute(
                    database_url,
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name = 'turnlog'",
                )
                # Those of the pool, and the one that listens.
                assert there <= 3
                hold.open()
                for reader in waiting:
                    heard = rest(reader)
                    assert b'"content":"yes."' in heard
                    assert heard.endswith(END)
