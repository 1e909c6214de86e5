"""Custom tools over HTTP: for admins to register, for everybody's agents and MCP clients to call."""

import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_server.custom import catalogue
from mcp_server.scopes import READ
from tests.chat_api.conftest import MakePerson
from tests.chat_api.registering import CUSTOM, EXAMPLE, REGISTER, code_of, fresh, tool
from tests.chat_api.replica import running_api
from tests.chat_api.waiting import once
from tests.clients import text_of
from tests.mcp_server.doors import ERAS, Era, over_http, refusal
from tests.model_server import ModelServer, call, say
from tests.servers import Person, mcp_token

_PATIENCE = 20.0
MakeTool: TypeAlias = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def replicas(
    database: str, shared_model: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> Generator[tuple[str, str]]:
    """Two that share a database, with custom tools on."""
    folder: Path = tmp_path_factory.mktemp("custom")
    options: dict[str, Any] = {"data_dir": folder, "custom_tools": True}
    with (
        running_api(database, shared_model.url, **options) as one,
        running_api(database, shared_model.url, **options) as two,
    ):
        yield one, two


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replicas look after others' changes more often than every two seconds."""
    assert catalogue.LIFETIME <= 2
    monkeypatch.setattr(catalogue, "LIFETIME", 0.3)


@pytest.fixture
def admin(person: MakePerson, replicas: tuple[str, str]) -> Person:
    return person(replicas[0], roles=["admin"])


@pytest.fixture
def user(person: MakePerson, replicas: tuple[str, str]) -> Person:
    return person(replicas[0])


@pytest.fixture
def registered(admin: Person) -> MakeTool:
    """Register a tool of a name of its own."""

    def register(**parts: Any) -> dict[str, Any]:
        name = fresh()
        answer = admin.http.post(REGISTER, json=tool(name) | parts)
        assert answer.status_code == 201, answer.text
        return answer.json()

    return register


def _listed(person: Person, path: str = "/api/v1/tools") -> dict[str, dict[str, Any]]:
    body = person.http.get(path).json()
    assert body["total"] == len(body["tools"])
    return {tool["name"]: tool for tool in body["tools"]}


def test_the_example_of_the_contract_works_as_it_stands(
    admin: Person, user: Person, model: ModelServer
) -> None:
    answer = admin.http.post("/api/tools/register", json=EXAMPLE)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert UUID(made["tool_id"])
    assert made["name"] == "my_custom_tool"
    assert made["registered_at"].endswith("Z")
    listed = _listed(user, "/api/tools")
    assert listed["my_custom_tool"] == {
        "name": "my_custom_tool",
        "description": "Custom tool description",
        "parameters": {
            "type": "object",
            "properties": {"param1": {"type": "string"}},
            "required": ["param1"],
            "additionalProperties": False,
        },
        "source": "custom",
        "read_only": True,
    }
    assert listed["calculator"]["source"] == "built_in"
    assert (listed["calculator"]["read_only"], listed["add_todo"]["read_only"]) == (True, False)
    assert listed["calculator"]["parameters"]["required"] == ["expression"]
    model.answers(call("my_custom_tool", param1="hello"), say("Done."))
    [called] = user.say("Use the tool")["tool_calls"]
    assert called["result"] == {"result": "Result: hello", "output": "", "note": None}
    offered = {tool["function"]["name"] for tool in model.requests[0]["tools"]}
    assert "my_custom_tool" in offered


def test_a_model_reads_what_is_wrong_with_its_call(
    user: Person, registered: MakeTool, model: ModelServer
) -> None:
    name = registered()["name"]
    user.http.get("/api/v1/tools")
    model.answers(call(name, param1=3), call(name, param1="ok"), say("Done."))
    once(lambda: name in _listed(user))
    first, second = user.say("Use the tool")["tool_calls"]
    assert first["error"] == f"{name} needs `param1` to be text."
    assert second["result"]["result"] == "Result: ok"


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("era", ERAS)
async def test_mcp_clients_of_every_replica_see_a_tool_within_seconds(
    admin: Person, replicas: tuple[str, str], registered: MakeTool, era: Era
) -> None:
    made = registered()
    for url in replicas:
        async with over_http(url, "alice", era, cache=None) as client:

            async def has(client: Any = client) -> bool:
                return made["name"] in [tool.name for tool in (await client.list_tools()).tools]

            deadline = time.monotonic() + _PATIENCE
            while not await has():
                assert time.monotonic() < deadline
            result = await client.call_tool(made["name"], {"param1": "x"})
            assert result.structured_content is not None, text_of(result)
            assert result.structured_content["result"] == "Result: x"
    admin.http.post(f"{CUSTOM}/{made['tool_id']}/disable")
    async with over_http(replicas[0], "alice", era, cache=None) as client:
        unknown = await refusal(client.call_tool("no_such_tool", {}))
        assert await refusal(client.call_tool(made["name"], {"param1": "x"})) == unknown


async def test_a_token_that_may_only_read_is_enough(replicas: tuple[str, str], registered: MakeTool) -> None:
    made = registered()
    headers = {"Authorization": f"Bearer {mcp_token('alice', READ)}"}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, timeout=30) as http,
        Client(streamable_http_client(f"{replicas[0]}/mcp", http_client=http)) as client,
    ):
        result = await client.call_tool(made["name"], {"param1": "x"})
        assert result.structured_content is not None, text_of(result)
        assert result.structured_content["result"] == "Result: x"


@pytest.mark.usefixtures("soon")
def test_agents_of_every_replica_see_a_change_within_seconds(
    admin: Person, person: MakePerson, replicas: tuple[str, str], registered: MakeTool
) -> None:
    people = [person(url) for url in replicas]
    made = registered()
    for someone in people:
        once(lambda someone=someone: made["name"] in _listed(someone))
    changed = admin.http.put(
        f"{CUSTOM}/{made['tool_id']}",
        headers={"If-Match": '"1"'},
        json={key: value for key, value in tool(made["name"]).items() if key != "name"}
        | {"description": "Quite another one"},
    )
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    for someone in people:
        once(lambda someone=someone: _listed(someone)[made["name"]]["description"] == "Quite another one")
    assert admin.http.delete(f"{CUSTOM}/{made['tool_id']}").status_code == 200
    for someone in people:
        once(lambda someone=someone: made["name"] not in _listed(someone))


def test_whoever_is_no_admin_may_look_only(user: Person, registered: MakeTool) -> None:
    tool_id = registered()["tool_id"]
    body = {"description": "Mine", "parameters": EXAMPLE["parameters"], "code": EXAMPLE["code"]}
    for answer in (
        user.http.post(REGISTER, json=tool(fresh())),
        user.http.get(CUSTOM),
        user.http.get(f"{CUSTOM}/{tool_id}"),
        user.http.get(f"{CUSTOM}/{tool_id}/versions"),
        user.http.put(f"{CUSTOM}/{tool_id}", json=body, headers={"If-Match": '"1"'}),
        user.http.post(f"{CUSTOM}/{tool_id}/restore", json={"version": 1}, headers={"If-Match": '"1"'}),
        user.http.post(f"{CUSTOM}/{tool_id}/disable"),
        user.http.post(f"{CUSTOM}/{tool_id}/enable"),
        user.http.delete(f"{CUSTOM}/{tool_id}"),
    ):
        assert code_of(answer) == (403, "admin_only"), answer.request.url
    user.http.headers.pop("Authorization")
    assert code_of(user.http.get("/api/v1/tools")) == (401, "not_signed_in")
    assert code_of(user.http.post(REGISTER, json=EXAMPLE)) == (401, "not_signed_in")


def test_admins_see_all_of_a_tool_and_what_it_was(admin: Person, registered: MakeTool) -> None:
    made = registered()
    path = f"{CUSTOM}/{made['tool_id']}"
    shown = admin.http.get(path)
    assert shown.headers["ETag"] == '"1"'
    tool = shown.json()
    assert (tool["name"], tool["version"], tool["enabled"]) == (made["name"], 1, True)
    assert tool["created_by"] is not None
    assert tool in admin.http.get(CUSTOM).json()["tools"]
    change = {
        "description": "Other",
        "parameters": {"type": "object"},
        "code": f"def {made['name']}(): return 2",
    }
    assert admin.http.put(path, json=change, headers={"If-Match": '"1"'}).json()["version"] == 2
    back = admin.http.post(f"{path}/restore", json={"version": 1}, headers={"If-Match": '"2"'}).json()
    assert (back["version"], back["code"], back["description"]) == (3, tool["code"], tool["description"])
    versions = admin.http.get(f"{path}/versions").json()["versions"]
    assert [(version["version"], version["description"]) for version in versions] == [
        (3, tool["description"]),
        (2, "Other"),
        (1, tool["description"]),
    ]
    assert admin.http.post(f"{path}/disable").json()["enabled"] is False
    assert admin.http.post(f"{path}/disable").json()["enabled"] is False
    assert admin.http.post(f"{path}/enable").json()["enabled"] is True


def test_of_two_admins_at_once_one_is_told_that_the_other_was_first(
    admin: Person, person: MakePerson, replicas: tuple[str, str], registered: MakeTool
) -> None:
    made = registered()
    admins = [admin, person(replicas[1], roles=["admin"])]

    def change(number: int) -> Any:
        body = {
            "description": f"Of admin {number}",
            "parameters": {"type": "object"},
            "code": f"def {made['name']}(): return {number}",
        }
        path = f"{CUSTOM}/{made['tool_id']}"
        return admins[number].http.put(path, json=body, headers={"If-Match": '"1"'})

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(change, range(2)), key=lambda answer: answer.status_code)
    assert answers[0].status_code == 200
    assert code_of(answers[1]) == (412, "custom_tool_changed")
    kept = admin.http.get(f"{CUSTOM}/{made['tool_id']}").json()
    assert kept["description"] == answers[0].json()["description"]
