"""A person is asked before something is gone for good, through the official client, in both eras."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pytest
from anyio import sleep_forever
from mcp import Client
from mcp.client import ClientRequestContext
from mcp_types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult, ErrorData

from kit.postgres import Db
from mcp_server import confirming
from tests.clients import text_of
from tests.mcp_server.doors import ERAS, Era, folder_of, in_memory, over_http, over_stdio, put
from tests.model_server import ModelServer, call, say
from tests.servers import Person

Answer: TypeAlias = ElicitResult | ErrorData


class Asked:
    """A person who is asked by their client, and always answers the same."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.questions: list[str] = []

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> Answer:
        assert context
        assert isinstance(params, ElicitRequestFormParams)
        assert list(params.requested_schema["properties"]) == ["confirm"]
        self.questions.append(params.message)
        return self.answer


def says(action: Literal["accept", "decline", "cancel"], **content: Any) -> ElicitResult:
    return ElicitResult(action=action, content=content or None)


YES = says("accept", confirm=True)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
async def client(shared_db: Db, files: Path, user: str, era: Era) -> AsyncGenerator[Client]:
    """A client that cannot ask."""
    async with in_memory(shared_db, files, user, era) as client:
        yield client


async def left(client: Client) -> list[str]:
    """The titles and paths that are there."""
    todos: Any = (await client.call_tool("list_todos", {})).structured_content
    there: Any = (await client.call_tool("list_files", {})).structured_content
    return [*(todo["title"] for todo in todos["todos"]), *(file["path"] for file in there["files"])]


async def begin(client: Client) -> None:
    assert not (await client.call_tool("add_todo", {"title": "Buy milk"})).is_error
    assert not (await client.call_tool("write_file", {"path": "a.txt", "content": "12345"})).is_error


@pytest.mark.parametrize("era", ERAS)
async def test_without_a_way_to_ask_the_model_is_told_what_to_set(client: Client) -> None:
    await begin(client)
    for name, arguments in (("delete_todo", {"id": "milk"}), ("delete_file", {"path": "a.txt"})):
        for unset in ({}, {"confirm": False}):
            refused = await client.call_tool(name, arguments | unset)
            assert refused.is_error
            assert f"call {name} again with confirm set to true" in text_of(refused)
    assert await left(client) == ["Buy milk", "a.txt"]
    for name, arguments in (("delete_todo", {"id": "milk"}), ("delete_file", {"path": "a.txt"})):
        assert not (await client.call_tool(name, arguments | {"confirm": True})).is_error
    assert await left(client) == []


@pytest.mark.parametrize("era", ERAS)
async def test_what_cannot_be_deleted_is_not_asked_about(client: Client, files: Path, user: str) -> None:
    put(folder_of(files, user), "b/c.txt", b"x")
    for name, arguments, told in (
        ("delete_todo", {"id": "nothing"}, "list_todos"),
        ("delete_file", {"path": "nothing"}, "list_files"),
        ("delete_file", {"path": "b"}, "a folder"),
        ("delete_file", {"path": "../x"}, "inside the user's folder"),
    ):
        assert told in text_of(await client.call_tool(name, arguments))


@pytest.mark.parametrize("era", ERAS)
async def test_who_agrees_is_asked_once(shared_db: Db, files: Path, user: str, era: Era) -> None:
    person = Asked(YES)
    async with in_memory(shared_db, files, user, era, elicitation_callback=person) as client:
        await begin(client)
        key: Any = {"turnlog/idempotency-key": "1"}
        first = await client.call_tool("delete_todo", {"id": "milk"}, meta=key)
        assert not first.is_error, text_of(first)
        again = await client.call_tool("delete_todo", {"id": "milk"}, meta=key)
        assert again.structured_content == first.structured_content
        assert not (await client.call_tool("delete_file", {"path": "a.txt"})).is_error
        assert await left(client) == []
    assert person.questions == [
        "Delete the todo “Buy milk” for good?",
        "Delete the file a.txt of 5 bytes for good?",
    ]


@pytest.mark.parametrize("era", ERAS)
async def test_who_does_not_agree_keeps_what_they_have(
    shared_db: Db, files: Path, user: str, era: Era
) -> None:
    for answer in (says("decline"), says("cancel"), says("accept", confirm=False)):
        person = Asked(answer)
        async with in_memory(shared_db, files, user, era, elicitation_callback=person) as client:
            if answer.action == "decline":
                await begin(client)
            refused = await client.call_tool("delete_todo", {"id": "milk"})
            assert text_of(refused) == "The user did not agree, so nothing was changed."
            assert await left(client) == ["Buy milk", "a.txt"]
        assert len(person.questions) == 1


async def test_an_old_client_that_fails_to_ask_is_told_what_to_set(
    shared_db: Db, files: Path, user: str
) -> None:
    for answer in (ErrorData(code=-1, message="no"), says("accept"), says("accept", confirm="so")):
        async with in_memory(shared_db, files, user, "legacy", elicitation_callback=Asked(answer)) as client:
            await client.call_tool("add_todo", {"title": "Buy milk"})
            refused = await client.call_tool("delete_todo", {"id": "milk", "confirm": False})
            assert "confirm set to true" in text_of(refused)
            await client.call_tool("delete_todo", {"id": "milk", "confirm": True})


async def test_a_person_who_does_not_answer_is_not_waited_for_for_ever(
    shared_db: Db, files: Path, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(context: ClientRequestContext, params: ElicitRequestParams) -> Answer:
        await sleep_forever()
        raise AssertionError(context, params)

    monkeypatch.setattr(confirming, "PATIENCE", 0.01)
    async with in_memory(shared_db, files, user, "legacy", elicitation_callback=silent) as client:
        await begin(client)
        refused = await client.call_tool("delete_file", {"path": "a.txt"})
        assert "confirm set to true" in text_of(refused)
        assert await left(client) == ["Buy milk", "a.txt"]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("transport", ["http", "stdio"])
async def test_every_door_asks_or_says_what_to_set(
    transport: str, era: Era, shared_database: str, user: str, files: Path, request: pytest.FixtureRequest
) -> None:
    person = Asked(YES)
    door: AbstractAsyncContextManager[Client]
    if transport == "http":
        door = over_http(request.getfixturevalue("api"), user, era, elicitation_callback=person)
    else:
        door = over_stdio(shared_database, files, user, era, elicitation_callback=person)
    async with door as client:
        await client.call_tool("add_todo", {"title": "Buy milk"})
        deleted = await client.call_tool("delete_todo", {"id": "milk"})
        # A stateless server cannot send an old client a request, and does not know what it could do.
        can_ask = (transport, era) != ("http", "legacy")
        assert (len(person.questions), deleted.is_error) == (int(can_ask), not can_ask)
        assert can_ask or "confirm set to true" in text_of(deleted)


def test_a_chat_is_told_what_to_set_and_goes_on(alice: Person, model: ModelServer) -> None:
    model.answers(call("add_todo", title="Buy milk"), say("Noted."))
    alice.say("Milk")
    model.answers(call("delete_todo", id="milk"), call("delete_todo", id="milk", confirm=True), say("Gone."))
    first, second = alice.say("Delete it")["tool_calls"]
    assert "confirm set to true" in str(first)
    assert second["result"]["title"] == "Buy milk"
