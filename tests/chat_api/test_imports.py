"""What can be imported, in which form and size; and what cannot is refused as a whole."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from chat_api.conversations import importing
from chat_api.conversations.import_reading import members_of
from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import execute, running_api
from tests.chat_api.transferring import LINES, PATH, export, imported, upload
from tests.model_server import ModelServer
from tests.servers import Person


def test_a_list_of_messages_as_others_have_it_is_taken(alice: Person, model: ModelServer) -> None:
    function = {"name": "add_todo", "arguments": '{"title": "Milk"}'}
    calls = [{"id": "c1", "type": "function", "function": function}]
    other = {"id": "c2", "type": "function", "function": {"name": "get_time", "arguments": "{}"}}
    one = imported(
        alice,
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Buy"}, {"type": "image_url"}]},
                {"role": "assistant", "content": None, "tool_calls": [*calls, other]},
                {"role": "tool", "tool_call_id": "c2", "content": "noon"},
                {"role": "tool", "tool_call_id": "c1", "content": '{"id": 7}'},
                {"role": "assistant", "content": "Noted."},
                {"role": "user", "content": "Thanks"},
            ]
        },
    )
    assert one["title"] == "Buy"
    assert [note.split()[0] for note in one["notes"]] == ["What", "Parts"]
    conversation = alice.http.get(f"{PATH}/{one['conversation_id']}").json()
    assert conversation["metadata"] == {"system": "Be brief."}
    asked, answered, thanks = alice.messages(one["conversation_id"])
    assert (asked["content"], thanks["content"]) == ("Buy", "Thanks")
    assert answered["content"] == "Noted."
    assert [(made["tool"], made["args"], made["result"]) for made in answered["tool_calls"]] == [
        ("add_todo", {"title": "Milk"}, {"id": 7}),
        ("get_time", {}, "noon"),
    ]
    alice.say("More", one["conversation_id"])
    assert [message["role"] for message in model.requests[0]["messages"]][-3:] == [
        "user",
        "assistant",
        "user",
    ]


OWN: dict[str, Any] = {"format": "turnlog-conversation", "version": 1}
ASKED: dict[str, Any] = {"id": "1", "role": "user", "content": "Hi"}


UNFIT: list[tuple[Any, str]] = [
    ({"messages": [{"role": "king", "content": "x"}]}, "messages[0]: role"),
    ({"messages": [{"role": "tool", "tool_call_id": "x", "content": "x"}]}, "tool_call_id"),
    ({"messages": [{"role": "user", "content": "a\x00b"}]}, "NUL"),
    ({"messages": [{"role": "user", "content": "\ud800"}]}, "surrogates"),
    ({"messages": ["x"]}, "no object"),
    ({"messages": "x"}, "no list"),
    ({}, "no list"),
    ({**OWN, "version": 2, "messages": []}, "version 1"),
    ({**OWN, "messages": [ASKED | {"parent_id": "2"}]}, "parent_id"),
    ({**OWN, "messages": [ASKED | {"role": "system"}]}, "messages[0]: role"),
    ({**OWN, "messages": [ASKED | {"tool_calls": [{"tool": "x", "args": {}}]}]}, "only the assistant"),
    ({**OWN, "messages": [ASKED, ASKED | {"role": "assistant", "parent_id": "9"}]}, "messages[1]"),
    ({**OWN, "conversation": {"title": ""}, "messages": []}, "conversation: title"),
    ({**OWN, "messages": [ASKED | {"created_at": "0001-01-01T00:00:00+14:00"}]}, "created_at"),
    ({**OWN, "conversation": {"metadata": {"a": "x" * 20_000}}, "messages": []}, "metadata"),
]


@pytest.mark.parametrize(("document", "said"), UNFIT)
def test_what_cannot_be_kept_is_refused_as_a_whole(alice: Person, document: Any, said: str) -> None:
    response = upload(alice, document)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "nothing_imported")
    [error] = response.json()["error"]["details"]["errors"]
    assert said in error["message"]
    assert alice.http.get(PATH).json()["conversations"] == []


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "x", '{"messages":[NaN]}', '{"messages":[1,]}', '{"a":1}}', "[" * 100_000]
)
def test_what_is_no_json_is_refused(alice: Person, body: str) -> None:
    response = upload(alice, body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_json")


def test_an_import_may_be_larger_than_other_requests_but_not_without_end(
    alice: Person, api_database: str, model: ModelServer, person: MakePerson
) -> None:
    long = {"messages": [{"role": "user", "content": "x" * 1000} for _ in range(3000)]}
    one = imported(alice, long)
    assert one["messages"] == 3000
    assert alice.http.get(f"{PATH}/{one['conversation_id']}").json()["message_count"] == 6000
    assert len(json.loads(export(alice, one["conversation_id"]))["messages"]) == 3000
    assert alice.http.post(f"/api/{alice.name}/chat", json={"message": "x" * 2**20}).status_code == 413
    with running_api(api_database, model.url, import_max_bytes=100_000) as url:
        assert upload(person(url), long).status_code == 413


def test_times_of_tomorrow_and_agents_of_others_are_not_believed(alice: Person, person: MakePerson) -> None:
    agent = {"name": "Hers", "system_prompt": "You are hers."}
    agent_id = alice.http.post("/api/v1/agents", json=agent).json()["agent_id"]
    head = {"agent_id": agent_id, "agent_name": "Hers", "created_at": "9999-12-31T23:59:59-14:00"}
    head["archived_at"] = head["created_at"]
    document: dict[str, Any] = {**OWN, "conversation": head, "messages": []}
    bob = person()
    one = imported(bob, document)
    assert "Hers" in one["notes"][0]
    conversation = bob.http.get(f"{PATH}/{one['conversation_id']}").json()
    assert conversation["agent_id"] is None
    assert max(conversation["created_at"], conversation["archived_at"]) < "2999"
    assert imported(alice, document)["notes"] == []


def test_what_an_assistant_says_bit_by_bit_is_no_longer_than_what_it_says_at_once(alice: Person) -> None:
    bits = [{"role": "assistant", "content": "x" * 49_998} for _ in range(20)]
    kept = imported(alice, {"messages": bits})["conversation_id"]
    [said] = alice.messages(kept)
    assert len(said["content"]) == 999_998
    [error] = upload(alice, {"messages": [*bits, bits[0]]}).json()["error"]["details"]["errors"]
    assert error["message"].startswith("messages[20]: ")
    calls = [{"id": "c", "function": {"name": "now", "arguments": "{}"}}] * 600
    called = {"messages": [{"role": "assistant", "content": None, "tool_calls": calls}] * 2}
    [error] = upload(alice, called).json()["error"]["details"]["errors"]
    assert error["message"] == "messages[1]: the assistant calls over 1,000 tools at once."


@pytest.mark.parametrize("parent", [None, "0"])
def test_not_too_many_messages_follow_the_same(alice: Person, parent: str | None) -> None:
    first: list[dict[str, Any]] = [] if parent is None else [ASKED | {"id": "0"}]
    beside = [ASKED | {"id": f"b{number}", "parent_id": parent} for number in range(201)]
    assert imported(alice, {**OWN, "messages": [*first, *beside[:200]]})["messages"] == 200 + len(first)
    [error] = upload(alice, {**OWN, "messages": [*first, *beside]}).json()["error"]["details"]["errors"]
    assert "over 200 messages follow the same" in error["message"]


def test_an_import_ends_after_many_errors_or_conversations(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = '{"messages": []}\n'
    report = upload(alice, good + "x\n" * 200_000, LINES).json()
    assert ([one["index"] for one in report["imported"]], len(report["errors"])) == ([0], 101)
    assert report["errors"][-1]["index"] == 101
    assert "those after it were not read" in report["errors"][-1]["message"]
    monkeypatch.setattr(importing, "_MOST_CONVERSATIONS", 3)
    assert upload(alice, "\n" * 1_000_000 + good * 3, LINES).json()["errors"] == []
    report = upload(alice, good * 5, LINES).json()
    assert (len(report["imported"]), [one["index"] for one in report["errors"]]) == (3, [3])


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body", ['{"a":1' + ',"a":1' * 30_000 + "}", '{"messages":[1' + ",1" * 90_000 + "]}"]
)
async def test_others_have_their_turns_while_much_is_read(body: str) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    async for _ in members_of(body):
        pass
    counting.cancel()
    assert turns


def test_many_imports_and_copies_at_once_keep_nobody_waiting(alice: Person, api_database: str) -> None:
    document = {"messages": [{"role": "user", "content": "Hi"}]}
    id_ = imported(alice, document)["conversation_id"]
    with psycopg.connect(api_database.replace("+psycopg", "")) as lock, ThreadPoolExecutor(12) as pool:
        lock.execute("LOCK TABLE messages IN SHARE MODE")
        taken = [pool.submit(upload, alice, document) for _ in range(6)]
        taken += [pool.submit(alice.http.post, f"{PATH}/{id_}/fork", json={}) for _ in range(6)]
        waiting = """
            SELECT count(*) FROM pg_stat_activity
            WHERE wait_event_type = 'Lock' AND datname = current_database()
        """
        while execute(api_database, waiting)[0][0] < 2:
            pass
        for _ in range(20):
            assert alice.http.get(f"{PATH}/{id_}/messages", timeout=5).status_code == 200
        lock.rollback()
        assert {response.result().status_code for response in taken} <= {200, 201}
