"""Turns over the WebSocket: started, followed from any point at any replica, stopped."""

import json
import time
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import running_api
from tests.chat_api.sockets import Talk, address, closing, talking, text_of, token_of
from tests.model_server import Hold, ModelServer, stream
from tests.servers import Person, token_for


@pytest.fixture(scope="module")
def there(
    api_database: str, shared_model: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> Generator[str]:
    """Another replica, which also lets a web origin in."""
    folder: Path = tmp_path_factory.mktemp("there")
    origins = "https://chat.example"
    with running_api(api_database, shared_model.url, data_dir=folder, allowed_origins=origins) as url:
        yield url


def test_a_turn_is_streamed(alice: Person, model: ModelServer) -> None:
    model.answers(stream("Good ", "morning."))
    with talking(alice) as talk:
        talk.say("chat", id=7, message="Hello")
        accepted = talk.hear()
        assert (accepted["type"], accepted["id"]) == ("accepted", 7)
        frames = talk.to_the_end(accepted["run_id"])
        assert talk.ask("ping")["type"] == "pong"
    assert text_of(frames) == "Good morning."
    assert frames[0]["type"] == "start"
    assert frames[-1]["type"] == "done"
    assert frames[-1]["conversation_id"] == accepted["conversation_id"]
    numbers = [frame["seq"] for frame in frames]
    assert numbers == sorted(set(numbers))


def test_a_key_makes_a_turn_once(alice: Person, model: ModelServer) -> None:
    model.answers(stream("Once."))
    runs: list[str] = []
    for _ in range(2):
        with talking(alice) as talk:
            runs.append(talk.ask("chat", message="Hello", idempotency_key="k1")["run_id"])
            assert text_of(talk.to_the_end(runs[-1])) == "Once."
    assert runs[0] == runs[1]


def test_a_browser_signs_in_with_a_subprotocol(alice: Person, there: str) -> None:
    offered = [Subprotocol("turnlog"), Subprotocol(f"bearer.{token_of(alice)}")]
    origin = Origin("https://chat.example")
    with connect(address(there), subprotocols=offered, origin=origin, proxy=None) as connection:
        assert connection.subprotocol == "turnlog"
        assert connection.response is not None
        assert connection.response.headers["X-Request-ID"]
        assert Talk(connection).ask("ping")["type"] == "pong"


def test_other_origins_are_refused(alice: Person, api: str) -> None:
    own = Origin(api)
    with connect(address(api), origin=own, proxy=None):
        pass
    for origin in ("https://evil.example", "null", "http://[", api.replace("127.0.0.1", "127.0.0.2")):
        with pytest.raises(InvalidStatus) as refused:
            connect(address(api), origin=Origin(origin), proxy=None).close()
        assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ({"type": "auth", "token": "nonsense"}, "invalid_token"),
        ({"type": "ping"}, "not_signed_in"),
        ({"type": "auth"}, "invalid_request"),
    ],
)
def test_strangers_are_refused(api: str, first: dict[str, Any], code: str) -> None:
    with connect(address(api), proxy=None) as connection:
        connection.send(json.dumps(first))
        closed, heard = closing(Talk(connection))
    assert closed == 4401
    assert [frame["code"] for frame in heard] == [code]


def test_a_bad_token_in_the_subprotocol_is_refused(api: str) -> None:
    offered = [Subprotocol("turnlog"), Subprotocol("bearer.nonsense")]
    with connect(address(api), subprotocols=offered, proxy=None) as connection:
        assert closing(Talk(connection))[0] == 4401


def test_the_connection_ends_with_its_token(api: str) -> None:
    with connect(address(api), proxy=None) as connection:
        talk = Talk(connection)
        # Good for what is left of the five seconds that clocks may differ.
        talk.say("auth", token=token_for("somebody", exp=int(time.time()) - 3))
        closed, heard = closing(talk)
    assert closed == 4401
    assert heard[-1]["code"] == "invalid_token"


def test_a_stream_goes_on_from_anywhere_at_any_replica(
    alice: Person, api: str, there: str, model: ModelServer
) -> None:
    hold = Hold()
    first, rest = ["One ", "two ", "three "], ["four ", "five."]
    model.answers(stream(*first, hold, *rest))
    with ExitStack() as stack:
        talk = stack.enter_context(talking(alice))
        run_id = talk.ask("chat", message="Count")["run_id"]
        heard = talk.until(lambda frame: frame.get("content") == "three ")
        resumed = [(frame, url) for frame in heard if "seq" in frame for url in (api, there)]
        others = [(frame, stack.enter_context(talking(alice, url))) for frame, url in resumed]
        for frame, other in others:
            reply = other.ask("subscribe", scope="run", run_id=run_id, after=frame["seq"])
            assert (reply["type"], reply["run_id"]) == ("subscribed", run_id)
        hold.open()
        whole = heard + talk.to_the_end(run_id)
        assert text_of(whole) == "".join(first + rest)
        for frame, other in others:
            before = whole[: whole.index(frame) + 1]
            assert text_of(before) + text_of(other.to_the_end(run_id)) == text_of(whole)
        # Also when it is over.
        for frame, other in others:
            other.say("subscribe", scope="run", run_id=run_id, after={run_id: frame["seq"]})
            before = whole[: whole.index(frame) + 1]
            assert text_of(before) + text_of(other.to_the_end(run_id)) == text_of(whole)


@pytest.mark.parametrize("scope", ["conversation", "user"])
def test_turns_started_elsewhere_are_seen(
    alice: Person, person: MakePerson, there: str, model: ModelServer, scope: str
) -> None:
    model.answers(stream("First."), stream("Elsewhere."), stream("Second."))
    known = alice.say("Hello")["conversation_id"]
    named = {"conversation_id": known} if scope == "conversation" else {}
    with talking(alice) as talk:
        assert talk.ask("subscribe", scope=scope, **named)["type"] == "subscribed"
        at_other = person(there, alice.name)
        elsewhere = at_other.say("Something else")["run_id"]
        run_id = at_other.say("And now?", known)["run_id"]
        expected = {run_id} if scope == "conversation" else {run_id, elsewhere}
        heard = [frame for _ in expected for frame in talk.until(lambda frame: frame["type"] == "done")]
        assert {frame["run_id"] for frame in heard} == expected
        assert text_of([frame for frame in heard if frame["run_id"] == run_id]) == "Second."
        assert talk.ask("unsubscribe", scope=scope, **named)["type"] == "unsubscribed"


def test_what_was_missed_offline_is_replayed(alice: Person, model: ModelServer, there: str) -> None:
    model.answers(stream("Seen."), *[stream(f"Missed {number}.") for number in range(3)])
    with talking(alice) as talk:
        seen = talk.ask("chat", message="Hello")
        last = talk.to_the_end(seen["run_id"])[-1]["seq"]
    missed = [alice.say("More", seen["conversation_id"])["run_id"] for _ in range(3)]
    with talking(alice, there) as talk:
        talk.say("subscribe", scope="user", since=seen["run_id"], after={seen["run_id"]: last})
        heard = talk.until(lambda frame: frame.get("run_id") == missed[-1] and frame["type"] == "done")
    assert list(dict.fromkeys(frame["run_id"] for frame in heard if "seq" in frame)) == missed
    assert text_of(heard) == "Missed 0.Missed 1.Missed 2."


def test_cancel_is_quick_and_leaving_does_not_cancel(alice: Person, there: str, model: ModelServer) -> None:
    hold = Hold()
    model.answers(stream("Well", hold))
    with talking(alice) as talk:
        run_id = talk.ask("chat", message="Think")["run_id"]
        hold.wait()
    assert alice.http.get(f"/api/v1/runs/{run_id}").json()["status"] == "running"
    with talking(alice, there) as talk:
        talk.ask("subscribe", scope="run", run_id=run_id)
        began = time.monotonic()
        talk.say("cancel", id="c", run_id=run_id)
        assert talk.to_the_end(run_id)[-1]["status"] == "cancelled"
        assert time.monotonic() - began < 0.5
        assert talk.until(lambda frame: frame.get("id") == "c")[-1]["status"] == "cancelled"


def test_leaving_cancels_where_the_chat_said_so(alice: Person, model: ModelServer) -> None:
    hold = Hold()
    model.answers(stream("Well", hold))
    with talking(alice) as other:
        other.ask("subscribe", scope="user")
        with talking(alice) as talk:
            run_id = talk.ask("chat", message="Think", on_disconnect="cancel")["run_id"]
            hold.wait()
        assert other.to_the_end(run_id)[-1]["status"] == "cancelled"


def test_what_is_somebody_elses_does_not_exist(alice: Person, person: MakePerson) -> None:
    data = alice.say("Hello")
    run, conversation = {"run_id": data["run_id"]}, {"conversation_id": data["conversation_id"]}
    with talking(person()) as talk:
        asked = [
            talk.ask("subscribe", scope="run", **run),
            talk.ask("cancel", **run),
            talk.ask("cancel", run_id=str(uuid4())),
            talk.ask("subscribe", scope="conversation", **conversation),
            talk.ask("chat", message="Hi", **conversation),
        ]
        assert [frame["code"] for frame in asked] == 3 * ["run_not_found"] + 2 * ["conversation_not_found"]
        nothing = talk.ask("subscribe", scope="user", after={data["run_id"]: 0}, since=str(uuid4()))
        assert nothing["type"] == "subscribed"
        talk.say("ping")
        assert talk.hear()["type"] == "pong"


_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
_types = st.sampled_from(["subscribe", "unsubscribe", "cancel", "ack", "auth", "nonsense"])
_names = st.sampled_from(["id", "scope", "run_id", "conversation_id", "after", "since", "seq", "x"])
_objects = st.fixed_dictionaries({"type": _types}).flatmap(
    lambda typed: st.dictionaries(_names, _values).map(lambda fields: json.dumps(fields | typed))
)


def test_malformed_messages_are_answered(alice: Person) -> None:
    @settings(max_examples=60, deadline=None, phases=[Phase.generate])
    @given(st.text(max_size=50) | _objects)
    def check(message: str) -> None:
        talk.connection.send(message)
        talk.say("ping", id="alive")
        heard = talk.until(lambda frame: frame["type"] == "pong")
        assert heard[-1]["id"] == "alive"

    with talking(alice) as talk:
        check()
        assert talk.ask("ping", x="x" * 64 * 1024)["code"] == "too_large"
        talk.say("chat", message="x" * 1024 * 1024)
        assert talk.hear()["code"] == "too_large"
        assert talk.ask("chat", message="x" * 100_001)["code"] == "invalid_request"


def test_nonsense_ends_the_connection(alice: Person) -> None:
    with talking(alice) as talk:
        talk.connection.send(b"\x00\x01")
        assert closing(talk)[0] == 1003
    with talking(alice) as talk:
        for _ in range(20):
            talk.connection.send("{")
        closed, heard = closing(talk)
    assert closed == 1008
    assert {frame["code"] for frame in heard} == {"invalid_json"}
