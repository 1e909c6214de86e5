"""Twenty people at once in one process: each meets only what is their own, whichever door they take."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.responses import Response

from tests.chat_api.conftest import MakePerson
from tests.chat_api.processes import tool_server_process
from tests.chat_api.replica import running_api
from tests.model_server import Chat, ModelServer, call, say
from tests.servers import Person, mcp_token

CROWD = 20
MINE = ("apples", "pears")

Titles: TypeAlias = list[str]


class Crowd:
    """A model that serves all people in lockstep, so that their turns are under way at once."""

    def __init__(self) -> None:
        self._meeting = asyncio.Barrier(CROWD)

    async def __call__(self, chat: Chat) -> Response:
        await asyncio.wait_for(self._meeting.wait(), 30)
        messages = chat["messages"]
        asked = next(message["content"] for message in reversed(messages) if message["role"] == "user")
        since = messages[messages.index({"role": "user", "content": asked}) :]
        results = [message["content"] for message in since if message["role"] == "tool"]
        wanted: Titles = asked.removeprefix("Add ").split(", ") if asked.startswith("Add ") else []
        if len(results) < len(wanted):
            return call("add_todo", title=wanted[len(results)])
        if len(results) == len(wanted):
            return call("list_todos", limit=100)
        return say(", ".join(todo["title"] for todo in json.loads(results[-1])["todos"]))


def own(person: Person) -> Titles:
    return [f"{person.name}'s {thing}" for thing in MINE]


def check_own(person: Person, titles: Iterable[str]) -> None:
    """These are exactly what `person` added: nothing is missing, nothing is somebody else's."""
    assert sorted(titles) == own(person)


def listed(data: dict[str, Any]) -> Titles:
    return [todo["title"] for todo in data["tool_calls"][-1]["result"]["todos"]]


def all_at_once(people: list[Person], turn: Callable[[Person], dict[str, Any]]) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(len(people)) as pool:
        return list(pool.map(turn, people))


def chat_and_check(people: list[Person]) -> None:
    """All add and list in one turn, and list again in a later one."""
    added = all_at_once(people, lambda person: person.say(f"Add {', '.join(own(person))}"))
    for person, data in zip(people, added, strict=True):
        check_own(person, listed(data))
        check_own(person, data["response"].split(", "))
        check_own(person, [made["result"]["title"] for made in data["tool_calls"][:-1]])
    conversations = {person.name: data["conversation_id"] for person, data in zip(people, added, strict=True)}
    later = all_at_once(people, lambda person: person.say("List", conversations[person.name]))
    for person, data in zip(people, later, strict=True):
        check_own(person, listed(data))
        assert len(person.messages(data["conversation_id"])) == 4


async def todos_over_mcp(url: str, token: str) -> Titles:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        content: Any = (await client.call_tool("list_todos", {"limit": 100})).structured_content
        return [todo["title"] for todo in content["todos"]]


async def mcp_and_check(people: list[Person], url: str, token: Callable[[Person], str]) -> None:
    def look(person: Person) -> Awaitable[Titles]:
        return todos_over_mcp(url, token(person))

    seen = await asyncio.gather(*map(look, people))
    for person, titles in zip(people, seen, strict=True):
        check_own(person, titles)


def own_token(person: Person) -> str:
    return mcp_token(person.name)


@pytest.fixture
def people(person: MakePerson) -> list[Person]:
    return [person() for _ in range(CROWD)]


async def test_each_of_twenty_sees_their_own_in_chat_and_over_mcp(
    api: str, model: ModelServer, people: list[Person]
) -> None:
    model.script = Crowd()
    await asyncio.to_thread(chat_and_check, people)
    await mcp_and_check(people, f"{api}/mcp", own_token)


async def test_the_same_with_a_tool_server_elsewhere(
    api_database: str, model: ModelServer, person: MakePerson
) -> None:
    model.script = Crowd()
    with (
        tool_server_process(api_database) as (tools, _),
        running_api(api_database, model.url, mcp_url=tools) as url,
    ):
        people = [person(url) for _ in range(CROWD)]
        await asyncio.to_thread(chat_and_check, people)
        await mcp_and_check(people, tools, own_token)


async def test_the_check_would_see_a_crossing(api: str, model: ModelServer, people: list[Person]) -> None:
    """With all turns made as one user, everybody's todos are in one list."""
    model.script = Crowd()
    shared = people[0]
    for person in people:
        person.http.headers["Authorization"] = shared.http.headers["Authorization"]
    mixed = all_at_once(people, lambda person: said_as(shared, person))
    refused = 0
    for person, data in zip(people, mixed, strict=True):
        try:
            check_own(person, listed(data))
        except AssertionError:
            refused += 1
    assert refused == CROWD
    with pytest.raises(AssertionError):
        await mcp_and_check(people, f"{api}/mcp", lambda _: own_token(shared))


def said_as(shared: Person, person: Person) -> dict[str, Any]:
    """What `person` would say, said with the token and the path of `shared`."""
    body = {"message": f"Add {', '.join(own(person))}"}
    response = person.http.post(f"/api/{shared.name}/chat", json=body)
    assert response.status_code == 200, response.text
    return response.json()["data"]
