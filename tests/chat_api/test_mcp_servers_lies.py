"""Other MCP servers that hang, lie or flood: each costs its own tools, and nothing else."""

import json
import re
import time
from collections.abc import Generator
from typing import Any
from uuid import uuid4

import pytest
from starlette.responses import RedirectResponse, Response

from chat_api.tools.servers import others
from chat_api.tools.servers.offering import MOST_CHARACTERS, MOST_TOOLS
from tests.chat_api.conftest import MakePerson
from tests.chat_api.foreign import Foreign, register, serving, tool_names
from tests.chat_api.liar import HANDSHAKE, Answer, endless, error, hang, lying, nonsense, result, tool
from tests.chat_api.raw_server import RawAnswer, babble, halve, halve_chunks, hang_up, raw_server, reset
from tests.chat_api.test_tool_server import NO_TOOL_SERVER
from tests.model_server import ModelServer, call, say
from tests.servers import Person

FIRST_WAIT = 0.5
PATIENCE = 10.0
MEGABYTE = b" " * 1_000_000


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What answers is waited for, however busy the machine is."""
    monkeypatch.setattr(others, "FIRST_WAIT", PATIENCE)


@pytest.fixture(scope="module")
def honest() -> Generator[Foreign]:
    with serving() as foreign:
        yield foreign


@pytest.fixture
def admin(person: MakePerson) -> Person:
    return person(roles=["admin"])


def assert_unharmed(admin: Person, model: ModelServer, honest: Foreign) -> list[str]:
    """A turn with our tools and those of an honest server, soon; returns what the model was offered."""
    title = uuid4().hex
    model.answers(call("add_todo", title=title), call("library__search", title="Emma"), say("Done."))
    model.requests.clear()
    began = time.monotonic()
    done = admin.say("Do both")["tool_calls"]
    assert time.monotonic() - began < FIRST_WAIT + PATIENCE
    assert [each["error"] for each in done] == [None, None]
    assert done[0]["result"]["title"] == title
    return tool_names(model.requests[0])


def listen(admin: Person, honest: Foreign, url: str) -> str:
    """Register an honest server, and the one at `url`, whose id it returns."""
    register(admin, honest.url)
    return register(admin, url, "liar", timeout_seconds=PATIENCE)


GOOD = result(tools=[tool()])


def with_header(answer: Answer, name: bytes, value: bytes) -> Answer:
    def answered(asked: dict[str, Any]) -> Response:
        response = answer(asked)
        assert isinstance(response, Response)
        response.raw_headers.append((name, value))
        return response

    return answered


SILENT: dict[str, dict[str, Answer]] = {
    "hangs at all": {"everything": hang},
    "hangs when it is listed": {"list": hang},
    **{f"answers {name}": {"everything": nonsense(response)} for name, response in NO_TOOL_SERVER.items()},
    **{f"lists {name}": {"list": nonsense(response)} for name, response in NO_TOOL_SERVER.items()},
    "redirects in its own house": {
        "everything": nonsense(RedirectResponse("/other", 307)),
    },
    "sends a body without end": {"list": endless(MEGABYTE)},
    "sends events without end": {"list": endless(b": hello\n\n", "text/event-stream")},
    "sends one event without end": {"list": endless(MEGABYTE, "text/event-stream")},
    "says that it is compressed": {
        "list": lambda _: Response(b"\x1f\x8b" + b"x" * 99, headers={"content-encoding": "gzip"})
    },
    "answers another's question": {"list": lambda _: GOOD({"id": 987_654})},
    "answers nobody": {"list": lambda _: GOOD({"id": None})},
    "says that it is of another time": {
        "discover": result(supportedVersions=["1999-12-31"], capabilities={}),
        "initialize": result(protocolVersion="1999-12-31", capabilities={}, serverInfo={}),
    },
    "sends a session that is no text": {
        "discover": error(-32601, "No such method"),
        "initialize": with_header(HANDSHAKE, b"mcp-session-id", b"\xff\xfe"),
    },
    "falls silent after the handshake": {
        "discover": error(-32601, "No such method"),
        "initialize": HANDSHAKE,
        "everything else": hang,
    },
    "shakes hands with nonsense": {"discover": error(-32601, "No"), "initialize": result(x=1)},
    "refuses": {"list": error(-32603, "No.")},
    "has no tools in its list": {"list": result(tools="none")},
}


@pytest.mark.parametrize("name", SILENT)
def test_a_server_that_does_not_answer_costs_its_own_tools_only(
    admin: Person, model: ModelServer, honest: Foreign, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    register(admin, honest.url)
    admin.say("Hello")
    # Only the liar is new from now on, and is not waited for long.
    monkeypatch.setattr(others, "FIRST_WAIT", FIRST_WAIT)
    with lying(**SILENT[name]) as liar:
        register(admin, liar.url, "liar", timeout_seconds=2)
        offered = assert_unharmed(admin, model, honest)
        assert liar.asked
        assert not any(each.startswith("liar__") for each in offered)
        assert_unharmed(admin, model, honest)
    assert admin.http.get("/api/v1/health/ready").status_code == 200


@pytest.mark.parametrize("answer", [reset, hang_up, halve, halve_chunks, babble])
def test_a_connection_that_breaks_costs_the_tools_of_its_server_only(
    admin: Person, model: ModelServer, honest: Foreign, answer: RawAnswer
) -> None:
    with raw_server([answer] * 99) as asked:
        server_id = listen(admin, honest, asked.url)
        assert not any(each.startswith("liar__") for each in assert_unharmed(admin, model, honest))
        assert asked
        tested = admin.http.post(f"/api/v1/mcp-servers/{server_id}/test").json()
    assert tested["trouble"] in {"unreachable", "not_mcp"}


def test_an_honest_liar_would_be_offered(admin: Person, model: ModelServer, honest: Foreign) -> None:
    with lying() as liar:
        listen(admin, honest, liar.url)
        assert "liar__read" in assert_unharmed(admin, model, honest)


def deep(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"x": schema}}
    return schema


def with_property(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": schema}}


MISUSED: list[tuple[str, Any]] = [
    ("exclusiveMinimum", True),
    ("minimum", "x"),
    ("minLength", -1),
    ("title", 5),
    ("uniqueItems", "yes"),
    ("required", ["a", "a"]),
    ("anyOf", []),
    ("pattern", "("),
    ("pattern", "a" * 5_000),
    ("patternProperties", {"[": {}}),
    ("$ref", "#/nope"),
    ("$ref", "#/properties"),
    ("$ref", "#nope"),
]
FINE: list[dict[str, Any]] = [
    {"type": ["string", "null"], "pattern": r"^[\u4e00-\u9fff[]{1,9}$", "minLength": 1, "title": "X"},
    {"type": "array", "items": {"$ref": "#/properties/x"}, "uniqueItems": True},
    {"anyOf": [{"type": "integer", "exclusiveMinimum": 0}, {"$ref": "#/properties/x/anyOf/0"}]},
    {"$defs": {"a/b": {"$anchor": "n"}}, "$ref": "#/properties/x/$defs/a~1b", "not": {"$ref": "#n"}},
]
HUGE = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(2_000)}}
WRONG: dict[str, dict[str, Any]] = {
    "huge": HUGE,
    "deep": deep(40),
    "an unknown type": {"type": "object", "properties": {"x": {"type": "any"}}},
    "a list of what": {"type": "object", "properties": {"x": {"type": "array"}}},
    "elsewhere": {"type": "object", "properties": {"x": {"$ref": "http://127.0.0.1/x"}}},
    "required what": {"type": "object", "required": "all"},
    "properties that are none": {"type": "object", "properties": {"x": 17}},
    **{f"{word} as {value!r:.30}": with_property({word: value}) for word, value in MISUSED},
}


def test_a_tool_whose_schema_no_model_takes_is_left_out_alone(
    admin: Person, model: ModelServer, honest: Foreign
) -> None:
    listed = [tool(f"t{n}", inputSchema=schema) for n, schema in enumerate(WRONG.values())]
    with lying(list=result(tools=[*listed, tool()])) as liar:
        server_id = listen(admin, honest, liar.url)
        offered = assert_unharmed(admin, model, honest)
        told = admin.http.get(f"/api/v1/mcp-servers/{server_id}/tools").json()
    assert [each for each in offered if each.startswith("liar__")] == ["liar__read"]
    assert [each["reason"] for each in told["left_out"]] == ["schema"] * len(WRONG)


def test_schemas_with_what_the_standard_has_are_offered(admin: Person) -> None:
    """The control."""
    listed = [tool(f"t{n}", inputSchema=with_property(schema)) for n, schema in enumerate(FINE)]
    with lying(list=result(tools=listed)) as liar:
        server_id = register(admin, liar.url, "liar")
        told = admin.http.get(f"/api/v1/mcp-servers/{server_id}/tools").json()
    assert [each["parameters"] for each in told["tools"]] == [each["inputSchema"] for each in listed]


def test_a_number_that_is_infinite_here_is_not_sent_on(
    admin: Person, model: ModelServer, honest: Foreign
) -> None:
    listed = tool("endless", inputSchema=with_property({"type": "number", "maximum": "1e999"}))

    def answer(asked: dict[str, Any]) -> Response:
        sound = result(tools=[listed, tool()])(asked)
        assert isinstance(sound, Response)
        return Response(bytes(sound.body).replace(b'"1e999"', b"1e999"), media_type="application/json")

    with lying(list=answer) as liar:
        listen(admin, honest, liar.url)
        offered = assert_unharmed(admin, model, honest)
    assert [each for each in offered if each.startswith("liar__")] == ["liar__read"]


def test_names_of_any_kind_are_made_fit_and_kept_apart(
    admin: Person, model: ModelServer, honest: Foreign
) -> None:
    names = [
        "read",
        "read",
        "Read",
        "a.b",
        "a/b",
        "a b",
        "x" * 64,
        "x" * 63,
        "погода",
        "\n\x1b[31m",
        "__",
        "",
        "y" * 9_999,
    ]
    with lying(list=result(tools=[tool(name) for name in names])) as liar:
        server_id = listen(admin, honest, liar.url)
        offered = assert_unharmed(admin, model, honest)
        found = admin.http.get(f"/api/v1/mcp-servers/{server_id}/tools").json()
        by_remote = {each["remote_name"]: each["name"] for each in found["tools"]}
        model.answers(call(by_remote["погода"]), say("Done."))
        assert admin.say("Do")["tool_calls"][0]["result"] == "Read."
    mine = [each for each in offered if each.startswith("liar__")]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", each) for each in mine)
    assert len(set(mine)) == len(mine) == 10
    assert {"liar__read", "liar__Read", "liar____"} <= set(mine)
    assert [each["reason"] for each in found["left_out"]] == ["name"] * 3


@pytest.mark.parametrize(
    "listed",
    [
        result(tools=[tool(f"t{n}") for n in range(5_000)]),
        result(tools=[tool(f"t{n}") for n in range(10)], nextCursor="again"),
        result(tools=[tool(f"t{n}", description="d" * 9_999) for n in range(90)]),
        result(tools=[tool(f"t{n}", inputSchema=deep(20) | {"x-y": "z" * 15_000}) for n in range(60)]),
    ],
    ids=["5,000", "endless pages", "long descriptions", "long schemas"],
)
def test_more_tools_than_a_model_can_be_told_of_are_cut(
    admin: Person, model: ModelServer, honest: Foreign, listed: Answer
) -> None:
    with lying(list=listed) as liar:
        listen(admin, honest, liar.url)
        offered = assert_unharmed(admin, model, honest)
        mine = [each for each in offered if each.startswith("liar__")]
        assert 10 <= len(mine) <= MOST_TOOLS
        assert liar.asked.count("tools/list") <= 20
    size = sum(len(json.dumps(each)) for each in model.requests[0]["tools"])
    assert size < MOST_CHARACTERS + 60_000


def test_ten_thousand_tools_are_too_much_of_an_answer(
    admin: Person, model: ModelServer, honest: Foreign
) -> None:
    with lying(list=result(tools=[tool(f"tool-{n}" * 5) for n in range(10_000)])) as liar:
        server_id = listen(admin, honest, liar.url)
        assert not any(each.startswith("liar__") for each in assert_unharmed(admin, model, honest))
        tested = admin.http.post(f"/api/v1/mcp-servers/{server_id}/test").json()
    assert (tested["ok"], tested["trouble"]) == (False, "too_much")
