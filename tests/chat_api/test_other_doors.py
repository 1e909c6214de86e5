"""The WebSocket and the tool server let in nobody whom the routes do not."""

import json
import time
from typing import Any, Final, get_args

import httpx2
import pytest
from pydantic import BaseModel
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from chat_api.runs.socket_messages import Message
from tests.chat_api.belongings import BELONGINGS
from tests.chat_api.conftest import MakePerson
from tests.chat_api.sockets import Talk, address, closing, talking
from tests.mcp_server.raw_http import NEW, OLD, request, send
from tests.servers import Person, mcp_token, token_for

# What goes with an id in a message, and whether it is refused: what only tells the server is not answered.
MESSAGES: Final[dict[tuple[str, str], tuple[dict[str, Any], bool]]] = {
    ("subscribe", "run_id"): ({"scope": "run"}, True),
    ("subscribe", "conversation_id"): ({"scope": "conversation"}, True),
    ("unsubscribe", "run_id"): ({"scope": "run"}, False),
    ("unsubscribe", "conversation_id"): ({"scope": "conversation"}, False),
    ("chat", "conversation_id"): ({"message": "Hi"}, True),
    ("chat", "agent_id"): ({"message": "Hi"}, True),
    ("cancel", "run_id"): ({}, True),
    ("ack", "run_id"): ({"seq": 1}, False),
}


@pytest.fixture
def disabled(alice: Person, person: MakePerson) -> Person:
    admin = person(roles=["admin"])
    account = BELONGINGS["account_id"](alice)
    assert admin.http.post(f"/api/v1/users/{account}/disable").status_code == 200
    return alice


def bad_tokens(who: str, audience: str, other: str) -> dict[str, str]:
    past = int(time.time()) - 100
    return {
        "expired": token_for(who, aud=audience, iat=past - 600, exp=past),
        "for elsewhere": token_for(who, aud=other),
        "words": "not.a.token",
        "a key": f"tl_{'a' * 43}",
    }


def test_no_bad_token_opens_the_websocket(api: str, disabled: Person) -> None:
    tokens = bad_tokens("somebody", "turnlog", "turnlog-mcp") | {"disabled": token_for(disabled.name)}
    opened: list[str] = []
    for name, token in tokens.items():
        offered = [Subprotocol("turnlog"), Subprotocol(f"bearer.{token}")]
        with connect(address(api), subprotocols=offered, proxy=None) as connection:
            if closing(Talk(connection))[0] != 4401:
                opened.append(f"{name}, as a subprotocol")
        with connect(address(api), proxy=None) as connection:
            connection.send(json.dumps({"type": "auth", "token": token}))
            if closing(Talk(connection))[0] != 4401:
                opened.append(f"{name}, in a message")
    assert opened == []


def test_no_bad_token_opens_the_tool_server(api: str, disabled: Person) -> None:
    tokens = bad_tokens("somebody", "turnlog-mcp", "turnlog") | {"disabled": mcp_token(disabled.name)}
    with httpx2.Client(base_url=api, trust_env=False) as http:
        for era in (OLD, NEW):
            listing = request(era, "tools/list")
            answers = {
                name: send(http, era, listing, Authorization=f"Bearer {token}")
                for name, token in tokens.items()
            }
            answers["nobody"] = send(http, era, listing)
            assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(
                answers, 401
            )
            assert all(answer.headers["WWW-Authenticate"] for answer in answers.values())
            good = send(http, era, listing, Authorization=f"Bearer {mcp_token('somebody')}")
            assert good.status_code == 200


def test_every_message_with_an_id_is_known_here() -> None:
    messages: list[type[BaseModel]] = list(get_args(Message))
    found = {
        (get_args(message.model_fields["type"].annotation)[0], name)
        for message in messages
        for name in message.model_fields
        if name in BELONGINGS
    }
    assert found == set(MESSAGES)


def test_over_the_websocket_what_is_somebody_elses_is_not_there(alice: Person, person: MakePerson) -> None:
    theirs = {name: BELONGINGS[name](alice) for _, name in MESSAGES}
    with talking(person()) as stranger, talking(alice) as owner:
        for (type_, name), (fields, is_refused) in MESSAGES.items():
            message = {**fields, name: theirs[name]}
            if is_refused:
                refused = stranger.ask(type_, **message)
                assert (refused["type"], refused["code"].endswith("_not_found")) == ("error", True), refused
                assert owner.ask(type_, **message)["type"] != "error"
            else:
                stranger.say(type_, **message)
        # Whatever was said without an answer, the stranger has heard nothing of it.
        stranger.say("ping", id="last")
        heard = stranger.until(lambda frame: frame.get("id") == "last")
        assert not [frame for frame in heard if frame.get("run_id") or frame.get("conversation_id")]
