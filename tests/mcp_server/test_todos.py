"""Todos, through the official client."""

from typing import Any

import pytest
from mcp import Client

from tests.clients import Call, Connect


async def test_an_added_todo_is_listed(call: Call) -> None:
    added = await call("add_todo", title="Buy milk", tags=["Shop"], priority="high")
    assert await call("list_todos") == {"todos": [added], "next_cursor": None}
    assert (added["status"], added["tags"], added["priority"]) == ("open", ["shop"], "high")


async def test_a_plain_language_due_date_is_read_in_the_users_zone(call: Call) -> None:
    added = await call("add_todo", title="Call Ann", due="2027-01-02 17:00")
    assert added["due"] == "2027-01-02T17:00:00+01:00"
    tomorrow = await call("add_todo", title="Call Bob", due="tomorrow 5pm")
    assert tomorrow["due"].split("T")[1].startswith("17:00:00+0")


async def test_a_due_day_without_a_time_ends_with_the_day(call: Call) -> None:
    added = await call("add_todo", title="Pay rent", due="2027-01-02")
    assert added["due"] == "2027-01-02T23:59:00+01:00"


async def test_completing_twice_is_harmless(call: Call) -> None:
    todo = await call("add_todo", title="Run")
    first = await call("complete_todo", id=todo["id"])
    assert first == await call("complete_todo", id=todo["id"])
    assert first["status"] == "done"
    assert (await call("list_todos"))["todos"] == []
    assert (await call("list_todos", status="done"))["todos"] == [first]


async def test_update_changes_only_what_is_sent(call: Call) -> None:
    todo = await call("add_todo", title="Run", notes="5 km", due="2027-01-02")
    changed = await call("update_todo", id=todo["id"], title="Walk", due="")
    assert changed == {**todo, "title": "Walk", "due": None}


@pytest.mark.parametrize("text", ['{"a": 1}', "[1, 2]", "true", '"quoted"', "12"])
async def test_a_text_that_looks_like_json_is_kept_as_it_is(call: Call, text: str) -> None:
    todo = await call("add_todo", title=text, notes=text, tags=["a"])
    assert (todo["title"], todo["notes"]) == (text, text)
    changed = await call("update_todo", id=todo["id"], title=f" {text}", notes="")
    assert await call("update_todo", id=todo["id"], title=text, notes=text) == todo != changed
    # A list may come as the text of one, as some clients send it.
    assert (await call("update_todo", id=todo["id"], tags='["b"]'))["tags"] == ["b"]


async def test_null_is_nothing_where_nothing_may_be_sent(call: Call) -> None:
    todo = await call("add_todo", title="null", notes="null", due="null")
    assert (todo["title"], todo["notes"], todo["due"]) == ("null", None, None)
    assert await call("update_todo", id=todo["id"], title="null", notes="5 km") == {**todo, "notes": "5 km"}


async def test_a_title_of_blanks_is_refused(call: Call, client: Client) -> None:
    todo = await call("add_todo", title="Run")
    for name, arguments in (
        ("add_todo", {"title": " \n"}),
        ("update_todo", {"id": todo["id"], "title": " "}),
    ):
        assert (await client.call_tool(name, arguments)).is_error
    assert (await call("list_todos"))["todos"] == [todo]


async def test_a_todo_that_is_done_is_opened_again(call: Call) -> None:
    todo = await call("add_todo", title="Run")
    assert (await call("update_todo", id=todo["id"], status="done"))["status"] == "done"
    assert (await call("list_todos"))["todos"] == []
    assert await call("update_todo", id="run", status="open") == todo
    assert (await call("list_todos"))["todos"] == [todo]


async def test_an_hour_alone_is_a_time(call: Call) -> None:
    for due in ("Tomorrow at 9", "at 9 tomorrow", "tomorrow at 9:00", "tomorrow at 9 am"):
        assert "T09:00:00+0" in (await call("add_todo", title="Run", due=due))["due"]


async def test_programs_are_told_by_name_what_is_wrong(client: Client) -> None:
    nobody = "01a1fdba-25e1-749b-b52a-bc59c9bbe264"
    for name, arguments, wrong in (
        ("complete_todo", {"id": nobody}, "not_found"),
        ("add_todo", {"title": "Run", "due": "soonish"}, "not_a_time"),
        ("list_todos", {"due_before": "soonish"}, "not_a_time"),
        ("add_todo", {}, None),
    ):
        result = await client.call_tool(name, arguments)
        assert (result.is_error, (result.meta or {}).get("turnlog/error")) == (True, wrong)


async def test_a_deleted_todo_is_gone(call: Call, refused: Any) -> None:
    todo = await call("add_todo", title="Run")
    await call("delete_todo", id=todo["id"], confirm=True)
    assert "list_todos" in await refused("complete_todo", id=todo["id"])


async def test_a_todo_is_found_by_words_of_its_title_that_no_other_has(call: Call, refused: Any) -> None:
    for title in ("Buy stamps", "Buy milk", "Sell the old bike"):
        await call("add_todo", title=title)
    assert (await call("complete_todo", id="buy_stamps"))["title"] == "Buy stamps"
    assert (await call("delete_todo", id="old BIKE", confirm=True))["title"] == "Sell the old bike"
    await call("add_todo", title="Buy bread")
    assert "send the id" in await refused("delete_todo", id="buy", confirm=True)
    for nothing in ("cheese", "!?", "%", "%%%"):
        assert "list_todos" in await refused("delete_todo", id=nothing, confirm=True)
    assert len((await call("list_todos", status="all"))["todos"]) == 3
    again = await call("add_todo", title="Buy stamps")
    assert (await call("complete_todo", id="stamps"))["id"] == again["id"]


async def test_filters_and_pages(call: Call) -> None:
    for number in range(5):
        await call("add_todo", title=f"Todo {number}", tags=["odd" if number % 2 else "even"])
    await call("add_todo", title="100% sure", due="2027-05-01")
    assert len((await call("list_todos", tag="ODD"))["todos"]) == 2
    assert [todo["title"] for todo in (await call("list_todos", query="0% S"))["todos"]] == ["100% sure"]
    assert (await call("list_todos", query="_"))["todos"] == []
    assert len((await call("list_todos", due_before="2027-05-02"))["todos"]) == 1
    first = await call("list_todos", limit=4)
    second = await call("list_todos", limit=4, cursor=first["next_cursor"])
    assert [len(page["todos"]) for page in (first, second)] == [4, 2]
    assert second["next_cursor"] is None


async def test_a_todo_of_somebody_else_does_not_exist(connect: Connect) -> None:
    async with connect("alice") as alice, connect("mallory") as mallory:
        todo: Any = (await alice.call_tool("add_todo", {"title": "Secret"})).structured_content
        for name in ("update_todo", "complete_todo", "delete_todo"):
            assert (await mallory.call_tool(name, {"id": todo["id"]})).is_error
        assert (await mallory.call_tool("list_todos", {})).structured_content == {
            "todos": [],
            "next_cursor": None,
        }


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("add_todo", {}, "`title` to be text of 1 to 500 characters"),
        ("add_todo", {"title": "x", "priority": "SECRET"}, "one of low, normal, high"),
        ("add_todo", {"title": "x", "colour": "SECRET"}, "takes only these arguments: title, due"),
        ("add_todo", {"title": "x", "due": "SECRET"}, "ISO 8601"),
        ("add_todo", {"title": "x", "due": "9999-12-31T23:59-12:00"}, "out of range"),
        ("add_todo", {"title": "x", "due": "0001-01-01T00:00+14:00"}, "out of range"),
        ("add_todo", {"title": "a\x00SECRET"}, "NUL"),
        ("list_todos", {"limit": 1000}, "a whole number from 1 to 100"),
        ("list_todos", {"cursor": "SECRET"}, "cursor"),
        ("list_todos", {"tag": "\x00SECRET"}, "NUL"),
        ("complete_todo", {"id": "SECRET"}, "Call list_todos"),
    ],
)
async def test_a_wrong_argument_is_answered_with_what_to_send(
    refused: Any, name: str, arguments: dict[str, Any], words: str
) -> None:
    said = await refused(name, **arguments)
    assert words in said
    assert "SECRET" not in said
    assert "pydantic" not in said.lower()
