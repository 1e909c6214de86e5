"""What stands beside the tools, over every transport in both eras, for two people at once."""

from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import INVALID_PARAMS, BlobResourceContents, PromptReference, ResourceTemplateReference

from chat_api.main import create_app
from tests.chat_api.replica import settings_for
from tests.mcp_server.doors import ERAS, Era, folder_of, over_http, over_stdio, put, refusal
from tests.model_server import serve


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def api(shared_database: str, data: Path) -> Generator[str]:
    with serve(create_app(settings_for(shared_database, "http://127.0.0.1:1/v1", data_dir=data))) as url:
        yield url


@pytest.fixture(params=["http", "stdio"])
async def people(
    request: pytest.FixtureRequest, shared_database: str, data: Path, era: Era
) -> AsyncGenerator[tuple[Client, Client]]:
    """Alice, who has a file and a todo, and Bob, who has not."""
    names = [f"{name}-{request.param}-{era}" for name in ("alice", "bob")]
    put(folder_of(data / "files", names[0]), "notes/x.png", b"\x89PNG\x00")
    async with AsyncExitStack() as stack:
        if request.param == "http":
            url: str = request.getfixturevalue("api")
            doors = [over_http(url, name, era) for name in names]
        else:
            doors = [over_stdio(shared_database, data / "files", name, era) for name in names]
        alice, bob = [await stack.enter_async_context(door) for door in doors]
        await alice.call_tool("add_todo", {"title": "Milk"})
        yield alice, bob


@pytest.mark.parametrize("era", ERAS)
async def test_what_is_beside_the_tools_is_everybodys_own(people: tuple[Client, Client], era: Era) -> None:
    await _resources(*people, era)
    await _prompts(*people)
    await _completions(*people)


async def _resources(alice: Client, bob: Client, era: Era) -> None:
    uris = [[one.uri for one in (await person.list_resources()).resources] for person in (alice, bob)]
    assert uris == [["todo://open", "todo://all", "file:///notes"], ["todo://open", "todo://all"]]
    assert len((await alice.list_resource_templates()).resource_templates) == 2
    (image,) = (await alice.read_resource("file:///notes/x.png")).contents
    assert isinstance(image, BlobResourceContents)
    (todos,) = (await alice.read_resource("todo://open")).contents
    assert "Milk" in str(todos)
    unknown = -32002 if era == "legacy" else INVALID_PARAMS
    assert (await refusal(bob.read_resource("file:///notes/x.png")))[0] == unknown
    assert (await refusal(alice.read_resource("file:///../x")))[0] == INVALID_PARAMS
    listed: Any = await bob.read_resource("todo://all")
    assert "Milk" not in str(listed)


async def _prompts(alice: Client, bob: Client) -> None:
    listed = (await alice.list_prompts()).prompts
    assert [prompt.name for prompt in listed] == ["plan_my_day", "review_todos", "summarise_file"]
    assert "Milk" in str((await alice.get_prompt("plan_my_day", {"day": "tomorrow"})).messages)
    assert "Milk" not in str((await bob.get_prompt("review_todos")).messages)
    path = {"path": "notes/x.png"}
    assert "image/png" in str((await alice.get_prompt("summarise_file", path)).messages)
    assert (await refusal(bob.get_prompt("summarise_file", path)))[0] == INVALID_PARAMS
    assert (await refusal(alice.get_prompt("nothing")))[0] == INVALID_PARAMS


async def _completions(alice: Client, bob: Client) -> None:
    of_prompt = PromptReference(name="summarise_file"), {"name": "path", "value": "notes/"}
    of_template = ResourceTemplateReference(uri="todo://{id}"), {"name": "id", "value": "milk"}
    assert (await alice.complete(*of_prompt)).completion.values == ["notes/x.png"]
    (todo,) = (await alice.complete(*of_template)).completion.values
    assert "Milk" in str(await alice.read_resource(f"todo://{todo}"))
    for ref in (of_prompt, of_template):
        assert (await bob.complete(*ref)).completion.values == []
