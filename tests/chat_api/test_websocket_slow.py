"""Clients of the WebSocket that take what they are sent slowly, or not at all."""

import queue

import pytest
from starlette.websockets import WebSocket

from chat_api.runs import socket as socket_module
from chat_api.runs import socket_line
from chat_api.runs.socket import Goodbye
from tests.chat_api.sockets import talking, text_of
from tests.model_server import ModelServer, stream
from tests.servers import Person


def test_who_never_reads_is_dropped_and_stops_nobody(
    alice: Person, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: queue.Queue[int] = queue.Queue()
    say_goodbye = socket_module.farewell

    async def noticed(connection: WebSocket, goodbye: Goodbye) -> None:
        dropped.put(goodbye.code)
        await say_goodbye(connection, goodbye)

    monkeypatch.setattr(socket_module, "farewell", noticed)
    monkeypatch.setattr(socket_line, "PATIENCE", 0.5)
    # More than the sockets hold of it, in answers that are not too long.
    pieces = [f"{number:02} " + "x" * 40_000 for number in range(80)]
    model.answers(*[stream(*pieces) for _ in range(4)])
    with talking(alice) as sleeper, talking(alice) as reader:
        sleeper.ask("subscribe", scope="user")
        for _ in range(4):
            run_id = reader.ask("chat", message="Much")["run_id"]
            assert text_of(reader.to_the_end(run_id)) == "".join(pieces)
        assert dropped.get(timeout=30) == 1013


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
