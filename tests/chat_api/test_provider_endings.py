"""How an answer may end: cut, silent, endless, too long, or with nobody left who wants it."""

import asyncio
import socket
import threading
from collections.abc import Callable
from itertools import repeat
from time import monotonic
from uuid import uuid4

import pytest
from starlette.responses import Response

from chat_api.providers.errors import ProviderFailed, ProviderTimeout, ProviderUnreachable
from tests.chat_api.asking import Asked, asking, told, until
from tests.chat_api.raw_server import RawAnswer, raw_server, reset
from tests.model_server import Chat, Hold, ModelServer, chunk, say, sse, stream, stream_call
from tests.servers import Person

SECRET_WORDS = "words of the provider's own"
DONE = b"data: [DONE]\n\n"
MIB = 1024 * 1024

FAILURES: dict[str, tuple[Response, str, str]] = {
    "half way": (stream("One", then="end"), "provider_failed", "half way"),
    "half a call": (stream_call("add_todo", title="x", _then="end"), "provider_failed", "half way"),
    "nothing at all": (sse(), "provider_failed", "half way"),
    "an error": (stream("One", then="error"), "provider_failed", "error"),
    "an error at once": (stream(then="error"), "provider_failed", "error"),
    "a broken connection": (stream("One", then="break"), "provider_unreachable", "broke the connection off"),
    "neither words nor calls": (stream(), "provider_failed", "makes no sense"),
    "words of NUL alone": (stream("\x00"), "provider_failed", "makes no sense"),
    "a call without a name": (
        sse(chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}), DONE),
        "provider_failed",
        "makes no sense",
    ),
} | {
    body: (sse(b"data: %b\n\n" % body.encode(), DONE), "provider_failed", "makes no sense")
    for body in (
        SECRET_WORDS,
        "[]",
        "null",
        "17",
        '{"choices": 17}',
        '{"choices": [17]}',
        '{"choices": {"0": {}}}',
        '{"choices": [{"delta": 17}]}',
        '{"choices": [{"delta": {"content": 17}}]}',
        '{"choices": [{"delta": {"content": [17]}}]}',
        '{"choices": [{"delta": {"tool_calls": 17}}]}',
        '{"choices": [{"delta": {"tool_calls": [null]}}]}',
        '{"choices": [{"delta": {"tool_calls": [{"index": []}]}}]}',
        '{"choices": [{"delta": {"tool_calls": [{"function": 17}]}}]}',
        '{"choices": [{"delta": {"content": "a"}}]',
    )
}


SAID_ONE = {"half way", "an error", "a broken connection"}


@pytest.mark.parametrize("name", FAILURES)
def test_a_stream_that_fails_fails_the_turn_and_loses_nothing(
    alice: Person, model: ModelServer, name: str
) -> None:
    reply, code, words = FAILURES[name]
    model.answers(stream_call("add_todo", title="Milk"), reply, say("It is noted."))
    response = alice.post("Buy milk")
    assert (response.status_code, response.json()["error"]["code"]) == (502, code)
    assert words in response.json()["message"]
    assert SECRET_WORDS not in response.text
    assert len(model.requests) == 2
    conversation_id = response.json()["error"]["details"]["conversation_id"]
    kept = alice.messages(conversation_id)[-1]
    assert (kept["status"], kept["content"]) == ("failed", "One" if name in SAID_ONE else "")
    assert kept["tool_calls"][0]["result"]["title"] == "Milk"
    assert alice.say("And?", conversation_id)["response"] == "It is noted."


def streaming(*frames: bytes, then: Callable[[], object] = lambda: None) -> RawAnswer:
    """Send the frames, and reset the connection after `then`."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + b"".join(frames))
        then()
        reset(connection)

    return answer


async def test_what_has_been_said_is_not_asked_for_again() -> None:
    heard = threading.Event()
    with raw_server([streaming(chunk({"content": "One"}), then=heard.wait)]) as server:
        async with asking(server.url) as ask:
            asked = Asked()
            answer = asyncio.create_task(ask.ask(asked))
            await until(lambda: asked.pieces == ["One"])
            heard.set()
            with pytest.raises(ProviderUnreachable, match="broke the connection off"):
                await answer
        assert len(server) == 1


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [chunk({"role": "assistant", "content": ""})],
        [chunk({"tool_calls": [{"index": 0, "function": {"name": "add_todo", "arguments": "{"}}]})],
    ],
)
async def test_a_connection_that_breaks_before_a_word_is_made_again(frames: list[bytes]) -> None:
    with raw_server([streaming(*frames)]) as server:
        async with asking(server.url) as ask:
            asked = await ask.ask(Asked())
        assert (asked.text, asked.calls, len(server)) == ("Raw.", [], 2)


@pytest.mark.parametrize("last", [[DONE], [chunk({}, "stop")]])
async def test_a_connection_that_breaks_after_the_last_word_does_no_harm(last: list[bytes]) -> None:
    with raw_server([streaming(chunk({"content": "One"}), *last)]) as server:
        async with asking(server.url) as ask:
            assert (await ask.ask(Asked())).text == "One"
        assert len(server) == 1


async def test_a_connection_that_stays_open_after_the_last_word_is_not_waited_for(model: ModelServer) -> None:
    started = monotonic()
    asked = await told(model, sse(chunk({"content": "One"}), DONE, Hold()))
    assert asked.text == "One"
    assert monotonic() - started < 10


@pytest.mark.parametrize("pieces", [[], ["One"]])
async def test_a_model_that_falls_silent_is_given_up_on(model: ModelServer, pieces: list[str]) -> None:
    with pytest.raises(ProviderTimeout, match="silent"):
        await told(model, stream(*pieces, Hold()), silence=0.3)
    assert await asyncio.to_thread(model.disconnected.wait, 10)


async def test_a_model_that_answers_bit_by_bit_may_take_longer_than_the_longest_silence(
    model: ModelServer,
) -> None:
    started = monotonic()
    assert (await told(model, stream(*"abcdefgh", pause=0.15), silence=0.75)).text == "abcdefgh"
    assert monotonic() - started > 0.75


async def test_an_answer_without_an_end_is_given_up_on(model: ModelServer) -> None:
    with pytest.raises(ProviderTimeout, match="took too long over its answer"):
        await told(model, stream(*"a" * 1000, pause=0.02), silence=0.3)


async def test_whoever_leaves_takes_the_request_along(model: ModelServer) -> None:
    hold = Hold()

    async def late(_: Chat) -> Response:
        await hold()
        return say("Too late.")

    for reply in (late, stream(hold, "One"), stream("One", hold)):
        hold.reached.clear()
        model.answers(reply)
        async with asking(model.url) as ask:
            answer = asyncio.create_task(ask.ask(Asked()))
            await asyncio.to_thread(hold.wait)
            answer.cancel()
            assert await asyncio.to_thread(model.disconnected.wait, 0.5)
            with pytest.raises(asyncio.CancelledError):
                await answer


async def test_a_failure_of_the_listener_is_its_own(model: ModelServer) -> None:
    class DeafError(ValueError):
        pass

    def refuse(_: str) -> None:
        raise DeafError

    model.answers(stream("One", Hold()))
    async with asking(model.url) as ask:
        with pytest.raises(DeafError):
            await ask.ask(Asked(), refuse)
    assert await asyncio.to_thread(model.disconnected.wait, 10)


TOO_MUCH: dict[str, Callable[[], Response]] = {
    "a line": lambda: sse(*repeat(b"data: " + b"a" * MIB, 5)),
    "a comment": lambda: sse(*repeat(b": " + b"a" * MIB, 5)),
    "words": lambda: sse(*repeat(chunk({"content": "a" * MIB}), 5), DONE),
    "arguments": lambda: stream_call("add_todo", title="a" * 5 * MIB),
    "calls": lambda: sse(many_calls(129), DONE),
    "calls without a number": lambda: sse(many_calls(129, "id"), DONE),
    "a name": lambda: sse(*(named(letter * MIB) for letter in "abcde"), DONE),
    "a whole answer": lambda: say("a" * 5 * MIB),
    "a whole answer of nothing": lambda: Response(b" " * 5 * MIB, media_type="application/json"),
}


def named(name: str) -> bytes:
    return chunk({"tool_calls": [{"index": 0, "function": {"name": name}}]})


def many_calls(number: int, by: str = "index") -> bytes:
    return chunk({"tool_calls": [{by: f"{uuid4()}", "function": {"name": "a"}} for _ in range(number)]})


@pytest.mark.parametrize("what", TOO_MUCH)
async def test_an_answer_that_is_too_long_is_refused(model: ModelServer, what: str) -> None:
    with pytest.raises(ProviderFailed, match="too long"):
        await told(model, TOO_MUCH[what]())


async def test_as_many_calls_as_may_be_are_taken(model: ModelServer) -> None:
    assert len((await told(model, sse(many_calls(128, "id"), DONE))).calls) == 128


async def test_a_long_answer_is_taken(model: ModelServer) -> None:
    assert (await told(model, stream(*["a" * MIB] * 3))).text == "a" * 3 * MIB
