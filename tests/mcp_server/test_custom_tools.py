"""Custom tools, as MCP clients of both eras see and call them."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp_types import INVALID_PARAMS
from sqlalchemy import delete

from kit.postgres import Db
from mcp_server.custom import catalogue as looking
from mcp_server.custom.catalogue import CustomTools
from mcp_server.custom.registry import change, register, remove, restore, set_enabled
from mcp_server.models import CustomTool
from tests.clients import text_of
from tests.mcp_server.custom import SHOUT, catalogue, connected, draft, names, refused, result
from tests.mcp_server.doors import ERAS, folder_of, refusal

_PATIENCE = 15


@pytest.fixture
async def tools(shared_db: Db) -> AsyncGenerator[CustomTools]:
    yield catalogue(shared_db)
    await shared_db.run(delete(CustomTool), {})


@pytest.fixture(params=ERAS)
async def client(
    request: pytest.FixtureRequest, tools: CustomTools, shared_db: Db, tmp_path: Path
) -> AsyncGenerator[Client]:
    async with connected(tools, shared_db, tmp_path, request.param) as client:
        yield client


async def _has(client: Client, name: str) -> bool:
    return name in await names(client)


async def _lacks(client: Client, name: str) -> bool:
    return not await _has(client, name)


async def _says(client: Client, wanted: Any) -> bool:
    return await result(client, "shout", words="a") == wanted


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Another process tells nobody: look until it has seen it."""
    with anyio.fail_after(_PATIENCE):
        while not await holds():  # noqa: ASYNC110 -- there is no event to wait for
            await anyio.sleep(0.05)


async def test_a_tool_is_listed_and_called_as_the_built_in_ones_are(
    client: Client, tools: CustomTools
) -> None:
    before = await names(client)
    await register(tools, SHOUT, None)
    assert await names(client) == [*before, "shout"]
    listed = (await client.list_tools()).tools[-1]
    assert listed.description == SHOUT.description
    properties = listed.input_schema["properties"]
    assert list(properties) == ["words", "times"]
    assert listed.input_schema["required"] == ["words"]
    assert listed.input_schema["additionalProperties"] is False
    assert listed.output_schema is not None
    assert listed.annotations is not None
    assert (listed.annotations.read_only_hint, listed.annotations.open_world_hint) == (True, True)
    called = await client.call_tool("shout", {"words": "hey", "times": 2})
    assert called.structured_content == {"result": "HEY! HEY!", "output": "", "note": None}
    assert json.loads(text_of(called)) == called.structured_content


async def test_there_are_none_where_they_are_off(tools: CustomTools, shared_db: Db, tmp_path: Path) -> None:
    await register(tools, SHOUT, None)
    async with connected(None, shared_db, tmp_path) as client:
        listed = await client.list_tools()
        assert "shout" not in [tool.name for tool in listed.tools]
        assert listed.ttl_ms == 300_000
        code, _ = await refusal(client.call_tool("shout", {"words": "a"}))
        assert code == INVALID_PARAMS


async def test_the_list_may_be_kept_for_seconds_only(
    tools: CustomTools, shared_db: Db, tmp_path: Path
) -> None:
    async with connected(tools, shared_db, tmp_path) as client:
        listed = await client.list_tools()
        assert 0 < (listed.ttl_ms or 0) <= 5_000
        assert listed.cache_scope == "public"


async def test_what_is_disabled_or_removed_is_unknown(client: Client, tools: CustomTools) -> None:
    kept = await register(tools, SHOUT, None)
    unknown = await refusal(client.call_tool("no_such_tool", {}))
    await set_enabled(tools, kept.id, enabled=False)
    assert "shout" not in await names(client)
    assert await refusal(client.call_tool("shout", {"words": "a"})) == unknown
    await set_enabled(tools, kept.id, enabled=True)
    assert await result(client, "shout", words="a") == "A!"
    await remove(tools, kept.id)
    assert await refusal(client.call_tool("shout", {"words": "a"})) == unknown
    assert "shout" not in await names(client)


async def test_a_change_is_called_at_once_and_an_old_version_can_come_back(
    client: Client, tools: CustomTools
) -> None:
    kept = await register(tools, SHOUT, None)
    assert await result(client, "shout", words="a") == "A!"
    quiet = replace(SHOUT, code="def shout(words, times=1):\n    return words.lower()\n")
    kept = await change(tools, kept.id, quiet, {1}, None)
    assert await result(client, "shout", words="A") == "a"
    kept = await restore(tools, kept.id, 1, {2}, None)
    assert kept.version == 3
    assert await result(client, "shout", words="A") == "A!"


async def test_another_process_sees_a_change_within_seconds(
    tools: CustomTools, shared_db: Db, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert looking.LIFETIME <= 2
    monkeypatch.setattr(looking, "LIFETIME", 0.3)
    async with connected(catalogue(shared_db), shared_db, tmp_path) as elsewhere:
        assert "shout" not in await names(elsewhere)
        kept = await register(tools, SHOUT, None)
        await _until(lambda: _has(elsewhere, "shout"))
        await change(tools, kept.id, replace(SHOUT, code="def shout(words, times=1): return 2"), {1}, None)
        await _until(lambda: _says(elsewhere, 2))
        await set_enabled(tools, kept.id, enabled=False)
        await _until(lambda: _lacks(elsewhere, "shout"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "shout needs `words` to be text of at most 100 characters (What to say)."),
        ({"words": 3}, "shout needs `words` to be text of at most 100 characters (What to say)."),
        ({"words": "x" * 101}, "shout needs `words` to be text of at most 100 characters (What to say)."),
        ({"words": "a", "times": 9}, "shout needs `times` to be a whole number from 1 to 5."),
        ({"words": "a", "times": None}, "shout needs `times` to be a whole number from 1 to 5."),
        ({"words": "a", "volume": 11}, "shout takes only these arguments: words, times."),
        ({"words": "a", "__arguments__": {}}, "shout takes only these arguments: words, times."),
    ],
)
async def test_wrong_arguments_are_told_without_what_was_sent(
    client: Client, tools: CustomTools, arguments: dict[str, Any], said: str
) -> None:
    await register(tools, SHOUT, None)
    assert await refused(client, "shout", **arguments) == said


async def test_arguments_within_arguments_are_checked(client: Client, tools: CustomTools) -> None:
    order: dict[str, Any] = {
        "type": "object",
        "properties": {"count": {"type": "integer", "minimum": 1}, "tags": {"type": "array", "items": {}}},
        "required": ["count"],
    }
    await register(
        tools,
        draft(
            "def probe(orders, by_day=None): return len(orders)",
            orders={"type": "array", "items": order, "minItems": 1},
            by_day={"type": "object", "additionalProperties": {"type": "number"}},
        ),
        None,
    )
    assert await result(client, "probe", orders=[{"count": 1, "tags": [1, "a"]}]) == 1
    assert await refused(client, "probe", orders=[{"count": 0}]) == (
        "probe needs `orders[].count` to be a whole number at least 1."
    )
    assert await refused(client, "probe", orders=[{}]) == (
        "probe needs `orders[].count` to be a whole number at least 1."
    )
    assert await refused(client, "probe", orders=[]) == "probe needs `orders` to be a list, at least 1."
    said = await refused(client, "probe", orders=[{"count": 1}], by_day={"SECRET": "SECRET"})
    assert said == "probe needs `by_day[]` to be a number."


@pytest.mark.parametrize(
    "value",
    [
        "'); import os; os.system('id') #",
        "\\'\"; raise SystemExit",
        "\"\"\"'''",
        "\n\ndef probe(x): return 'mine'\n",
        "{x}{0}%s%(x)s${x}",
        "\x00\x07\u202e\u2028\ufeff\x85",
        "__import__('os')",
        {"__class__": "str", "x": ["); print(1)"]},
        [None, True, 1.5, -(2**53), "", [], {}],
        "\\",
        "é😀" * 50,
    ],
)
async def test_arguments_cross_as_data(client: Client, tools: CustomTools, value: Any) -> None:
    """What comes back is what was sent, also where it is code, and nothing of it was run."""
    code = "import json\ndef probe(x):\n    print('once')\n    return [ord(c) for c in json.dumps(x)]\n"
    await register(tools, draft(code, "x"), None)
    called = await client.call_tool("probe", {"x": value})
    assert called.structured_content is not None, text_of(called)
    came = json.loads("".join(map(chr, called.structured_content["result"])))
    assert came == value
    assert called.structured_content["output"] == "once\n"


@pytest.mark.parametrize(
    "value",
    ["x" * 20_001, "\ud800", 2**53 + 1, [0] * 20_000],
    ids=lambda value: repr(value)[:12],
)
async def test_what_is_no_plain_json_isrefused(
    tools: CustomTools, shared_db: Db, tmp_path: Path, value: Any
) -> None:
    await register(tools, draft("def probe(x): return 1", "x"), None)
    async with connected(tools, shared_db, tmp_path) as client:
        assert "takes plain JSON" in await refused(client, "probe", x=value)


async def test_errors_name_the_line_of_the_registered_code(client: Client, tools: CustomTools) -> None:
    code = (
        "LIMIT = 3\n\ndef _checked(x):\n    if x > LIMIT:\n        raise ValueError('Send at most 3')\n"
        "    return x\n\ndef probe(x):\n    print('checking')\n    return _checked(x)\n"
    )
    await register(tools, draft(code, x={"type": "integer"}), None)
    assert await result(client, "probe", x=3) == 3
    assert await refused(client, "probe", x=4) == (
        "probe failed: ValueError: Send at most 3. It happened in line 5: "
        "`raise ValueError('Send at most 3')`. Printed before that: checking"
    )


async def test_it_is_stopped_at_the_limits_of_the_sandbox(client: Client, tools: CustomTools) -> None:
    await register(tools, draft("def probe(x):\n    return 'a' * 10**9", "x"), None)
    assert "more than 32 MB" in await refused(client, "probe", x=1)


async def test_it_may_call_what_only_reads_for_the_same_person(
    tools: CustomTools, shared_db: Db, tmp_path: Path
) -> None:
    code = (
        "def probe(x):\n"
        "    if x == 'todos':\n"
        "        return [t['title'] for t in list_todos()['todos']]\n"
        "    if x == 'add':\n"
        "        return add_todo(title='no')\n"
        "    if x == 'code':\n"
        "        return run_python(code='1')\n"
        "    if x == 'custom':\n"
        "        return shout(words='a')\n"
        "    return probe('todos') if x == 'itself' else read_file(path=x)['content']\n"
    )
    await register(tools, SHOUT, None)
    await register(tools, draft(code, "x"), None)
    for user in ("alice", "bob"):
        (folder_of(tmp_path / "files", user) / "mine.txt").write_text(f"{user}'s")
        async with connected(tools, shared_db, tmp_path / "files", user=user) as client:
            await client.call_tool("add_todo", {"title": f"{user}'s"})
            assert await result(client, "probe", x="todos") == [f"{user}'s"]
            assert await result(client, "probe", x="itself") == [f"{user}'s"]
            assert f"{user}'s" in await result(client, "probe", x="mine.txt")
            assert "add_todo changes things" in await refused(client, "probe", x="add")
            assert "Code cannot run code" in await refused(client, "probe", x="code")
            assert "'shout' is not defined" in await refused(client, "probe", x="custom")
            assert "not defined" in await refused(client, "run_python", code="shout(words='a')")


async def test_nothing_is_kept_from_one_call_to_the_next(client: Client, tools: CustomTools) -> None:
    code = "SEEN = []\ndef probe(x):\n    SEEN.append(x)\n    return SEEN\n"
    await register(tools, draft(code, "x"), None)
    assert await result(client, "probe", x="a") == ["a"]
    assert await result(client, "probe", x="b") == ["b"]


async def test_a_pattern_takes_linear_time(client: Client, tools: CustomTools) -> None:
    await register(
        tools,
        draft("def probe(x): return 1", x={"type": "string", "pattern": "^(a+)+$"}),
        None,
    )
    with anyio.fail_after(5):
        said = await refused(client, "probe", x="a" * 15_000 + "!")
    assert said == "probe needs `x` to be text that fits ^(a+)+$."
    assert await result(client, "probe", x="aaa") == 1
