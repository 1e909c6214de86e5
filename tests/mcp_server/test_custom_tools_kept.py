"""What a server knows of custom tools: how it finds out, what that costs, and what it does without."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from sqlalchemy import delete, text

from kit.postgres import Db, open_db
from mcp_server.custom.catalogue import CustomTools
from mcp_server.custom.registry import MOST_TOOLS, register
from mcp_server.models import CustomTool
from mcp_server.tools import BUILT_IN
from tests.chat_api.processes import free_port
from tests.clients import text_of
from tests.mcp_server.custom import SHOUT, catalogue, connected, draft, names, refused, result
from tests.mcp_server.doors import ERAS, Era, refusal

_ALL = {tool.name for tool in BUILT_IN}


@pytest.fixture
async def tools(shared_db: Db) -> AsyncGenerator[CustomTools]:
    yield catalogue(shared_db)
    await shared_db.run(delete(CustomTool), {})


@pytest.fixture
async def nowhere() -> AsyncGenerator[Db]:
    async with open_db(f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none") as db:
        yield db


async def _try_again(client: Client) -> None:
    failed = await client.call_tool("shout", {"words": "a"})
    assert failed.is_error
    assert text_of(failed) == "The tool failed inside the server; try again."
    assert (failed.meta or {})["turnlog/try-again"] is True


@pytest.mark.parametrize("era", ERAS)
async def test_the_other_tools_do_without_the_database(nowhere: Db, tmp_path: Path, era: Era) -> None:
    async with connected(catalogue(nowhere), nowhere, tmp_path, era) as client:
        assert set(await names(client)) == _ALL
        computed = await client.call_tool("calculator", {"expression": "2 + 2"})
        assert not computed.is_error
        await _try_again(client)


async def test_a_list_has_what_was_known_while_the_database_is_away(
    tools: CustomTools, shared_db: Db, nowhere: Db, tmp_path: Path
) -> None:
    await register(tools, SHOUT, None)
    async with connected(tools, shared_db, tmp_path) as client:
        assert "shout" in await names(client)
        tools.db = nowhere
        tools.changed()
        assert "shout" in await names(client)
        await _try_again(client)
        tools.db = shared_db
        assert await result(client, "shout", words="a") == "A!"


async def test_nothing_is_asked_where_they_are_off_or_the_tool_is_built_in(
    tools: CustomTools, shared_db: Db, tmp_path: Path
) -> None:
    """The table is locked: who asks it waits."""
    async with (
        connected(None, shared_db, tmp_path) as off,
        connected(tools, shared_db, tmp_path) as on,
        shared_db.begin() as session,
    ):
        await names(on)
        tools.changed()
        await session.execute(text("LOCK TABLE custom_tools IN ACCESS EXCLUSIVE MODE"))
        with anyio.fail_after(5):
            assert set(await names(off)) == _ALL
            await refusal(off.call_tool("shout", {"words": "a"}))
            for client in (off, on):
                assert not (await client.call_tool("calculator", {"expression": "1"})).is_error
        with anyio.move_on_after(0.5) as asking:
            await names(on)
        assert asking.cancelled_caught, "the control: it asks where they are on"


async def test_one_gives_way_to_a_built_in_tool_of_a_newer_server(
    shared_db: Db, tools: CustomTools, tmp_path: Path
) -> None:
    older = CustomTools(shared_db, frozenset())
    code = "def calculator(expression): return 'mine'"
    await register(older, draft(code, "expression", name="calculator"), None)
    await register(tools, SHOUT, None)
    async with connected(tools, shared_db, tmp_path) as client:
        assert sorted(await names(client)) == sorted((*_ALL, "shout"))
        assert await result(client, "calculator", expression="2 + 2") == "4"


async def test_all_of_them_are_listed_page_by_page(tools: CustomTools, shared_db: Db, tmp_path: Path) -> None:
    many = (
        "INSERT INTO custom_tools SELECT gen_random_uuid(), 'many_' || i, 'many' || i, 1, true, NULL, now(), "
        "now() FROM generate_series(1, :most) AS i"
    )
    texts = (
        "INSERT INTO custom_tool_versions SELECT id, 1, 'One of many.', "
        """'{"type": "object", "properties": {}, "required": [], "additionalProperties": false}', """
        "'def ' || name || '(): return 1', NULL, now() FROM custom_tools"
    )
    await shared_db.run(text(many), {"most": MOST_TOOLS})
    await shared_db.run(text(texts), {})
    async with connected(tools, shared_db, tmp_path) as client:
        first = await client.list_tools()
        second = await client.list_tools(cursor=first.next_cursor)
        assert (len(first.tools), second.next_cursor) == (100, None)
        found = {tool.name for tool in (*first.tools, *second.tools)}
        assert found == _ALL | {f"many_{number}" for number in range(1, MOST_TOOLS + 1)}
        assert await result(client, "many_100") == 1


async def test_a_call_that_is_cancelled_makes_room(tools: CustomTools, shared_db: Db, tmp_path: Path) -> None:
    """More than there are places: had one of them gone on, the last call would wait for it."""
    await register(tools, draft("def probe(x):\n    while x: pass\n    return 1", "x"), None)
    async with connected(tools, shared_db, tmp_path) as client:
        for _ in range(6):
            with anyio.move_on_after(0.2) as waiting:
                await client.call_tool("probe", {"x": True})
            assert waiting.cancel_called
        with anyio.fail_after(3):
            assert await result(client, "probe", x=False) == 1


async def test_one_that_works_for_too_long_is_stopped(
    tools: CustomTools, shared_db: Db, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_server.sandbox.worker.MOST_SECONDS", 0.2)
    bodies: dict[str, Any] = {
        "while True: pass": "and was stopped",
        "return probe(x)": "RecursionError",
        "return [calculator(expression='1') for _ in range(101)]": "called tools more than 100 times",
    }
    async with connected(tools, shared_db, tmp_path) as client:
        for number, (body, said) in enumerate(bodies.items()):
            name = f"probe_{'abc'[number]}"
            code = f"def {name}(x):\n    {body.replace('probe', name)}"
            await register(tools, draft(code, "x", name=name), None)
            assert said in await refused(client, name, x=1)
