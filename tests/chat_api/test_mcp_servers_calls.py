"""Calls that another MCP server spoils: the model is told, and nothing else is lost."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Generator
from typing import Any
from uuid import uuid4

import pytest
from starlette.responses import JSONResponse, Response, StreamingResponse

from chat_api.tools.servers import others
from tests.chat_api.conftest import MakePerson
from tests.chat_api.foreign import ERAS, Era, Foreign, register, serving
from tests.chat_api.liar import HANDSHAKE, Answer, endless, error, events, hang, lying, nonsense, result, tool
from tests.chat_api.replica import in_thread
from tests.chat_api.test_tool_restarts import begin
from tests.model_server import ModelServer, call, say, sse
from tests.servers import Person

PATIENCE = 10.0
MEGABYTE = b" " * 1_000_000


@pytest.fixture(scope="module")
def honest() -> Generator[Foreign]:
    with serving() as foreign:
        yield foreign


@pytest.fixture
def admin(person: MakePerson) -> Person:
    return person(roles=["admin"])


SAMPLING: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "sampling/createMessage",
    "params": {"messages": [], "maxTokens": 5},
}
WORDS = {"content": [{"type": "text", "text": "Read."}]}
REDOS = {"type": "object", "properties": {"result": {"type": "string", "pattern": "^(a+)+$"}}}


def events_of(media_type: str, before: bytes = b"data: ") -> Answer:
    """The answer, after more lines than there can be events."""

    def answer(asked: dict[str, Any]) -> Response:
        sound = result(**WORDS)(asked)
        assert isinstance(sound, Response)
        body = b"\n" * 9_000 + before + bytes(sound.body) + b"\n\n"
        return Response(body, headers={"content-type": media_type})

    return answer


CALLS: dict[str, tuple[Answer, str | None]] = {
    "hangs": (hang, "may have happened"),
    "closes": (endless(b""), "may have happened"),
    "breaks off": (nonsense(sse(b"data: {", breaks=True)), "may have happened"),
    "is gone": (nonsense(Response(status_code=503)), "may have happened"),
    "sends a body without end": (endless(MEGABYTE), "more than is taken"),
    "sends a million values": (
        result(structuredContent={"x": [[]] * 600_000}, **WORDS),
        "more than is taken",
    ),
    "sends more events than messages": (events_of("text/event-stream"), "more than is taken"),
    "calls events something like JSON": (events_of("text/event-stream; x=json"), "more than is taken"),
    "sends as many lines of JSON": (events_of("application/json", b""), None),
    "sends nonsense": (nonsense(JSONResponse([])), "may have happened"),
    "has no content": (result(), "may have happened"),
    "knows the tool no more": (error(-32602, "Unknown tool"), "Unknown tool"),
    "fails": (result(isError=True, content=WORDS["content"]), "Read."),
    "answers another's question": (lambda _: result(**WORDS)({"id": 4711}), "may have happened"),
    "wants the user to be asked": (
        result(
            resultType="input_required",
            inputRequests={
                "q": {
                    "method": "elicitation/create",
                    "params": {
                        "mode": "form",
                        "message": "PIN?",
                        "requestedSchema": {"type": "object", "properties": {}},
                    },
                }
            },
        ),
        "ask the user",
    ),
    "asks our model first": (events(SAMPLING, SAMPLING | {"id": 2}, last=result(**WORDS)), None),
    "tells of progress first": (
        events(
            {
                "jsonrpc": "2.0",
                "method": "notifications/progress",
                "params": {"progressToken": 1, "progress": 1},
            },
            last=result(**WORDS),
        ),
        None,
    ),
    "floods us with questions": (
        events(*(SAMPLING | {"id": n} for n in range(2_000)), last=result(**WORDS)),
        "more than is taken",
    ),
    "floods us with events": (
        endless(b"event: message\ndata: {}\n\n" * 99, "text/event-stream"),
        "may have happened",
    ),
    "makes us come back for ever": (
        nonsense(Response("retry: 0\nid: 1\ndata:\n\n", media_type="text/event-stream")),
        "may have happened",
    ),
    "answers what takes for ever to check": (
        result(structuredContent={"result": "a" * 50 + "!"}, **WORDS),
        None,
    ),
}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_a_server_spoils_is_told_and_costs_nothing_else(
    admin: Person, model: ModelServer, honest: Foreign, name: str, era: Era
) -> None:
    answer, words = CALLS[name]
    if (era, words) == ("legacy", "ask the user"):
        # There was no such answer yet.
        words = "may have happened"
    listed = result(tools=[tool(outputSchema=REDOS)])
    get = nonsense(Response("retry: 0\nid: 1\ndata:\n\n", media_type="text/event-stream"))
    discover = {} if era != "legacy" else {"discover": error(-32601, "No such method")}
    with lying(list=listed, call=answer, get=get, initialize=HANDSHAKE, **discover) as liar:
        register(admin, honest.url)
        register(admin, liar.url, "liar", timeout_seconds=2)
        title = uuid4().hex
        model.answers(
            call("liar__read"),
            call("add_todo", title=title),
            call("library__lend", title="Emma"),
            say("Done."),
        )
        began = time.monotonic()
        done = admin.say("Do all")["tool_calls"]
        assert time.monotonic() - began < PATIENCE
        assert liar.asked.count("tools/call") == 1
    assert [each["error"] for each in done[1:]] == [None, None]
    if words is None:
        assert done[0]["error"] is None
    else:
        assert words in done[0]["error"]


@pytest.mark.parametrize("era", ERAS)
def test_a_turn_whose_call_hangs_is_cancelled_at_once(admin: Person, model: ModelServer, era: Era) -> None:
    discover = {} if era != "legacy" else {"discover": error(-32601, "No such method")}
    with lying(call=hang, initialize=HANDSHAKE, **discover) as liar:
        register(admin, liar.url, "liar", timeout_seconds=60)
        model.answers(call("liar__read"))
        run_id = begin(admin, "Read")
        assert liar.called.wait(30)
        began = time.monotonic()
        run = admin.http.post(f"/api/v1/runs/{run_id}/cancel").json()
    assert run["status"] == "cancelled"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("era", ERAS)
def test_a_connection_that_drips_on_is_given_up(admin: Person, model: ModelServer, era: Era) -> None:
    given_up = threading.Event()

    async def drops() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b": wait\n"
                await asyncio.sleep(0.1)
        finally:
            given_up.set()

    discover = {} if era != "legacy" else {"discover": error(-32601, "No such method")}
    drip = nonsense(StreamingResponse(drops(), media_type="text/event-stream"))
    with lying(call=drip, initialize=HANDSHAKE, **discover) as liar:
        register(admin, liar.url, "liar", timeout_seconds=1)
        model.answers(call("liar__read"), say("It takes too long."))
        assert "may have happened" in admin.say("Read")["tool_calls"][0]["error"]
        assert given_up.wait(PATIENCE)


def test_a_line_over_which_a_call_is_made_is_not_given_up_for_another(
    person: MakePerson, admin: Person, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(others, "_MOST_LINES", 1)
    gate = threading.Event()

    async def late(asked: dict[str, Any]) -> Response:
        await asyncio.to_thread(gate.wait, PATIENCE)
        answered = result(**WORDS)(asked)
        assert isinstance(answered, Response)
        return answered

    second = person(roles=["admin"])
    with lying(call=late) as liar:
        register(admin, liar.url, "liar")
        register(second, liar.url, "liar")
        model.answers(call("liar__read"), say("Done."))
        with in_thread(lambda: admin.say("Read")) as turn:
            assert liar.called.wait(PATIENCE)
            assert "liar__read" in second.http.get("/api/v1/tools").text
            gate.set()
            done = turn.result()["tool_calls"]
    assert [each["result"] for each in done] == ["Read."]


def test_calls_of_one_turn_are_made_side_by_side(admin: Person, model: ModelServer) -> None:
    """One that takes its time does not hold up the others, of the same server or of ours."""
    both = threading.Barrier(2)

    async def meet(asked: Any) -> Response:
        await asyncio.to_thread(both.wait, 30)
        answered = result(**WORDS)(asked)
        assert isinstance(answered, Response)
        return answered

    with lying(call=meet) as liar:
        register(admin, liar.url, "liar")
        model.answers(calls("liar__read", "liar__read"), say("Done."))
        assert [each["error"] for each in admin.say("Read both")["tool_calls"]] == [None, None]


def calls(*names: str) -> Response:
    """An answer that calls several tools at once."""
    made = [
        {"id": f"call_{uuid4().hex}", "type": "function", "function": {"name": name, "arguments": "{}"}}
        for name in names
    ]
    message = {"role": "assistant", "content": None, "tool_calls": made}
    return JSONResponse({"id": "1", "choices": [{"message": message, "finish_reason": "tool_calls"}]})
