"""Lists in pages, what of them may be kept, and what is told when the server cannot answer."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from mcp import Client
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, PromptReference

from kit.postgres import Db, open_db
from mcp_server import pages
from mcp_server.tools import BUILT_IN
from tests.chat_api.processes import free_port
from tests.mcp_server.doors import ERAS, Era, in_memory, refusal

pytestmark = pytest.mark.parametrize("era", ERAS)

List: TypeAlias = Callable[..., Awaitable[Any]]


@pytest.fixture
async def db() -> AsyncGenerator[Db]:
    """A database that is away."""
    async with open_db(f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none") as db:
        yield db


@pytest.fixture
async def client(db: Db, tmp_path: Path, era: Era) -> AsyncGenerator[Client]:
    async with in_memory(db, tmp_path, "alice", era) as client:
        yield client


def fixed(client: Client) -> dict[str, List]:
    return {
        "tools": client.list_tools,
        "prompts": client.list_prompts,
        "resource_templates": client.list_resource_templates,
    }


async def test_lists_are_paged(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {what: getattr(await ask(), what) for what, ask in fixed(client).items()}
    assert [tool.name for tool in whole["tools"]] == [tool.name for tool in BUILT_IN]
    for size in (1, 2, 3):
        monkeypatch.setattr(pages, "SIZE", size)
        for what, ask in fixed(client).items():
            found, cursor = list[Any](), None
            while cursor is not None or not found:
                page = await ask(cursor=cursor, cache_mode="bypass")
                assert 0 < len(getattr(page, what)) <= size
                found += getattr(page, what)
                cursor = page.next_cursor
            assert found == whole[what]


async def test_a_cursor_of_another_list_or_of_nobody_is_refused(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SIZE", 1)
    given = {
        what: (await ask(cache_mode="bypass")).next_cursor
        for what, ask in [*fixed(client).items(), ("resources", client.list_resources)]
    }
    for what, ask in fixed(client).items():
        others = [cursor for name, cursor in given.items() if name != what and cursor]
        assert others
        for cursor in (*others, "", "!", "dG9vbHMKeA==", "A" * 10_000, "\x00"):
            code, sentence = await refusal(ask(cursor=cursor))
            assert (what, cursor, code) == (what, cursor, INVALID_PARAMS)
            assert "nextCursor" in sentence


async def test_what_is_the_same_for_all_may_be_kept(client: Client, era: Era) -> None:
    kept = (300_000, "public") if era == "2026-07-28" else (0, "private")
    for ask in fixed(client).values():
        page = await ask()
        assert (page.ttl_ms, page.cache_scope) == kept
    own = (await client.list_resources(), await client.read_resource("file:///"))
    assert {(page.ttl_ms, page.cache_scope) for page in own} == {(0, "private")}


async def test_a_server_whose_database_is_away_says_to_try_again(client: Client) -> None:
    for request in (
        client.read_resource("todo://open"),
        client.get_prompt("plan_my_day"),
        client.complete(PromptReference(name="review_todos"), {"name": "tag", "value": ""}),
    ):
        assert await refusal(request) == (INTERNAL_ERROR, "That failed inside the server; try again.")
    assert (await client.list_resources()).resources
