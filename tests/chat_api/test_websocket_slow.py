"""Clients of the WebSocket that say nothing, or take what they are sent slowly or not at all."""

import queue
import socket
from collections.abc import Generator
from pathlib import Path
from uuid import uuid4

import pytest
from starlette.websockets import WebSocket
from websockets.sync.client import connect

from chat_api.main import create_app
from chat_api.runs.socket_limits import Limits
from chat_api.runs.socket_routes import converse
from tests.chat_api.replica import settings_for
from tests.chat_api.sockets import Frame, Talk, address, closing, talking, text_of, token_of
from tests.model_server import Hold, ModelServer, serve, stream
from tests.servers import Person

FEW = Limits(outstanding=10, followed=2, patience=0.3)
LIMITS = {
    "/hasty": Limits(signing_in=0.1),
    "/talkative": Limits(silence=0.1),
    "/impatient": Limits(patience=0.3),
    "/few": FEW,
}


@pytest.fixture(scope="module")
def over() -> "queue.Queue[None]":
    """Has something as soon as the server has done with a connection."""
    return queue.Queue()


@pytest.fixture(scope="module")
def there(
    api_database: str,
    shared_model: ModelServer,
    over: "queue.Queue[None]",
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[str]:
    """A replica that also talks with less patience, or of less at a time."""
    folder: Path = tmp_path_factory.mktemp("there")
    app = create_app(settings_for(api_database, shared_model.url, data_dir=folder))

    async def talk(connection: WebSocket) -> None:
        await converse(connection, LIMITS[connection.url.path])
        over.put(None)

    for path in LIMITS:
        app.add_api_websocket_route(path, talk)
    with serve(app) as url:
        yield url


def test_the_limits_are_those_that_are_described() -> None:
    described = Limits(
        signing_in=10, silence=15, patience=30, outstanding=1000, subscriptions=20, followed=100
    )
    assert Limits() == described


def test_who_does_not_sign_in_is_sent_away(there: str) -> None:
    with connect(address(there, "/hasty"), proxy=None) as connection:
        closed, heard = closing(Talk(connection))
    assert closed == 4401
    assert [frame["code"] for frame in heard] == ["not_signed_in"]


def test_silence_is_broken_by_heartbeats(alice: Person, there: str) -> None:
    with talking(alice, there, path="/talkative") as talk:
        heard = [talk.hear() for _ in range(3)]
    assert all(frame["type"] == "heartbeat" and "seq" not in frame for frame in heard)


def test_who_never_reads_is_dropped_and_stops_nobody(
    alice: Person, there: str, model: ModelServer, over: "queue.Queue[None]"
) -> None:
    # More than the sockets hold of it, in answers that are not too long.
    pieces = [f"{number:02} " + "x" * 80_000 for number in range(40)]
    model.answers(*[stream(*pieces) for _ in range(2)])
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.connect(("127.0.0.1", int(there.rpartition(":")[2])))
    with (
        connect(address(there, "/impatient"), sock=small, compression=None, max_queue=1) as connection,
        talking(alice, there) as reader,
    ):
        sleeper = Talk(connection)
        sleeper.say("auth", token=token_of(alice))
        sleeper.ask("subscribe", scope="user")
        while not over.empty():
            over.get()
        runs: list[str] = []
        for _ in range(2):
            runs.append(reader.ask("chat", message="Much")["run_id"])
            assert text_of(reader.to_the_end(runs[-1])) == "".join(pieces)
        over.get(timeout=10)
        run_id = runs[-1]
        heard = [frame for frame in closing(sleeper)[1] if "seq" in frame]
        assert (heard[-1]["run_id"], heard[-1]["type"]) != (run_id, "done")
        last = {frame["run_id"]: frame["seq"] for frame in heard}
        reader.say("subscribe", scope="user", after={run_id: 0} | last)
        heard += reader.to_the_end(run_id)
        assert text_of([frame for frame in heard if frame["run_id"] == run_id]) == "".join(pieces)


def test_acks_hold_back_what_is_not_taken(alice: Person, model: ModelServer) -> None:
    pieces = [f"{number} " for number in range(1500)]
    model.answers(stream(*pieces))
    run_id = alice.say("Count")["run_id"]
    with talking(alice) as talk:
        talk.say("ack", run_id=run_id, seq=0)
        talk.say("subscribe", scope="run", run_id=run_id)
        heard = talk.until(lambda frame: frame.get("type") == "subscribed")
        while heard[-1]["type"] != "done":
            heard.append(talk.hear())
            talk.say("ack", run_id=run_id, seq=heard[-1].get("seq", 0))
        assert text_of(heard) == "".join(pieces)


def test_who_acknowledges_nothing_is_dropped_and_goes_on(
    alice: Person, there: str, model: ModelServer
) -> None:
    hold = Hold()
    pieces = [f"{number} " for number in range(30)]
    model.answers(stream(*pieces, hold, "end"))
    with talking(alice, there, path="/few") as talk:
        talk.say("ack", run_id=str(uuid4()), seq=0)
        run_id = talk.ask("chat", message="Count")["run_id"]
        closed, heard = closing(talk)
    assert closed == 1013
    mine = [frame for frame in heard if "seq" in frame]
    assert len(mine) == FEW.outstanding
    with talking(alice, there) as talk:
        talk.ask("subscribe", scope="run", run_id=run_id, after=mine[-1]["seq"])
        hold.open()
        assert text_of(mine) + text_of(talk.to_the_end(run_id)) == "".join(pieces) + "end"


def test_a_run_over_the_limit_is_followed_when_another_ends(
    alice: Person, there: str, model: ModelServer
) -> None:
    holds = [Hold() for _ in range(FEW.followed + 1)]
    model.answers(*[stream("Well ", hold, "then.") for hold in holds])
    with talking(alice, there, path="/few") as talk:
        runs: list[str] = []
        heard: list[Frame] = []
        for hold in holds:
            talk.say("chat", message="Think")
            heard += talk.until(lambda frame: frame["type"] == "accepted")
            runs.append(heard[-1]["run_id"])
            hold.wait()
        talk.say("ping")
        heard += talk.until(lambda frame: frame["type"] == "pong")
        assert not [frame for frame in heard if frame.get("run_id") == runs[-1] and "seq" in frame]
        holds[0].open()
        talk.to_the_end(runs[0])
        holds[-1].open()
        assert text_of(talk.to_the_end(runs[-1])) == "Well then."
        holds[1].open()
        talk.to_the_end(runs[1])


def test_a_connection_has_no_more_than_twenty_subscriptions(alice: Person) -> None:
    turns = [alice.say("Hello") for _ in range(10)]
    wanted = [{"scope": "run", "run_id": turn["run_id"]} for turn in turns]
    wanted += [{"scope": "conversation", "conversation_id": turn["conversation_id"]} for turn in turns]
    with talking(alice) as talk:
        assert {talk.ask("subscribe", **each)["type"] for each in wanted} == {"subscribed"}
        assert talk.ask("subscribe", scope="user")["code"] == "too_many_subscriptions"
        assert talk.ask("subscribe", **wanted[0])["type"] == "subscribed"
        assert talk.ask("unsubscribe", **wanted[0])["type"] == "unsubscribed"
        assert talk.ask("subscribe", scope="user")["type"] == "subscribed"
