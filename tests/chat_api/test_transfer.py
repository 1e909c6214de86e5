"""Conversations go out as documents, come back the same, and can be copied at a message."""

import json
import re
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.chat_api.conftest import MakePerson
from tests.chat_api.transferring import LINES, PATH, erase, export, imported, upload
from tests.model_server import ModelServer, call, say
from tests.servers import Person

UNDO = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)


def plain(document: str) -> str:
    """The document with the numbers of ids in their place."""
    numbers: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        return f'"{found[1]}":"{numbers.setdefault(found[2], str(len(numbers)))}"'

    return re.sub(r'"(id|parent_id|conversation_id)":"([0-9a-f-]{36})"', number, document)


def content(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ids = {"id", "run_id", "parent_id", "siblings"}
    return [{name: message[name] for name in message.keys() - ids} for message in messages]


def test_a_conversation_comes_back_as_it_was(alice: Person, model: ModelServer) -> None:
    model.answers(call("add_todo", title="Milk"), call("complete_todo", id="x"), say("Noted."), say("Yes."))
    id_ = alice.say("Buy milk \u202e<b>\U0001f600")["conversation_id"]
    alice.say("Really?", id_)
    answers = [message for message in alice.messages(id_) if message["role"] == "assistant"]
    rating = {"rating": "down", "comment": "Too short"}
    alice.http.put(f"{PATH}/{id_}/messages/{answers[1]['id']}/feedback", json=rating)
    alice.http.patch(f"{PATH}/{id_}", json={"title": "Milk", "metadata": {"b": [1.5, None], "a": "é"}})
    alice.http.post(f"{PATH}/{id_}/archive")
    before, said = export(alice, id_), alice.messages(id_)
    erase(alice, id_)
    again = imported(alice, before)
    assert (again["messages"], again["notes"], again["title"]) == (4, [], "Milk")
    assert again["conversation_id"] != id_
    after = export(alice, again["conversation_id"])
    assert plain(after) == plain(before)
    # The control: what is compared is all there is.
    for word in ("add_todo", "Call list_todos", "Too short", "down", '"b":[1.5,null]', "\U0001f600"):
        assert word in before
    back = alice.messages(again["conversation_id"])
    assert content(back) == content(said)
    assert {message["run_id"] for message in back} == {None}
    assert alice.http.get(f"{PATH}/{again['conversation_id']}").json()["status"] == "archived"


def test_one_goes_on_with_what_was_imported(alice: Person, model: ModelServer) -> None:
    model.answers(call("add_todo", title="Milk"), say("Noted."))
    before = export(alice, alice.say("Buy milk")["conversation_id"])
    id_ = imported(alice, before)["conversation_id"]
    model.requests.clear()
    model.answers(say("Milk."))
    alice.say("What did I say?", id_)
    told = [message["role"] for message in model.requests[0]["messages"]]
    assert told == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert [message["content"] for message in alice.messages(id_)][-1] == "Milk."


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
CALLED = st.fixed_dictionaries(
    {
        "tool": st.text(min_size=1, max_size=20, alphabet="abc_"),
        "args": st.dictionaries(TEXT, VALUE, max_size=3),
    },
    optional={"result": VALUE, "error": TEXT | st.none()},
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A tree: each message of a user follows any or nothing, each answer a message of a user."""
    messages: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 9))):
        asked = [each["id"] for each in messages if each["role"] == "user"]
        said = [each["id"] for each in messages]
        is_answer = bool(asked) and draw(st.booleans())
        message = {
            "id": str(number),
            "parent_id": draw(st.sampled_from(asked if is_answer else [None, *said])),
            "role": "assistant" if is_answer else "user",
            "content": draw(TEXT),
            "created_at": "2026-01-02T03:04:05.000006+00:00",
        }
        if is_answer:
            message |= {
                "tool_calls": draw(st.lists(CALLED, max_size=2)),
                "status": draw(st.sampled_from(["completed", "failed", "cancelled"])),
                "rating": draw(st.sampled_from([None, "up", "down"])),
            }
        messages.append(message)
    head = {"title": "x", "title_source": "model", "metadata": draw(st.dictionaries(TEXT, VALUE, max_size=3))}
    return {"format": "turnlog-conversation", "version": 1, "conversation": head, "messages": messages}


def shape(messages: list[dict[str, Any]]) -> list[Any]:
    numbers = {message["id"]: number for number, message in enumerate(messages)}
    numbers[None] = -1
    return [
        (numbers[message["parent_id"]], message["role"], message["content"], message.get("tool_calls", []))
        for message in messages
    ]


@UNDO
@given(document=documents())
def test_whatever_goes_out_comes_back(alice: Person, document: dict[str, Any]) -> None:
    first = imported(alice, document)["conversation_id"]
    before = export(alice, first)
    assert shape(json.loads(before)["messages"]) == shape(document["messages"])
    erase(alice, first)
    second = imported(alice, before)["conversation_id"]
    after = export(alice, second)
    assert plain(after) == plain(before)
    erase(alice, second)


def test_all_go_out_and_come_back_a_line_each(alice: Person, person: MakePerson, model: ModelServer) -> None:
    kept = [alice.say(f"Number {number}")["conversation_id"] for number in range(3)]
    alice.http.post(f"{PATH}/{kept[1]}/archive")
    deleted = alice.say("Deleted")["conversation_id"]
    alice.http.delete(f"{PATH}/{deleted}")
    bob = person()
    bob.say("Mine alone")
    response = alice.http.get(f"{PATH}/export")
    assert response.headers["Content-Type"] == "application/x-ndjson"
    assert response.headers["Content-Disposition"] == 'attachment; filename="conversations.ndjson"'
    lines = response.text.splitlines()
    assert [json.loads(line)["conversation"]["conversation_id"] for line in lines] == kept
    assert [plain(line) for line in lines] == [plain(export(alice, id_)).rstrip("\n") for id_ in kept]
    everything = alice.http.get(f"{PATH}/export", params={"deleted": True}).text.splitlines()
    assert len(everything) == 4
    broken = "\n".join([lines[0], "{", "", "[]", lines[1], '{"messages": [{"role": "king"}]}', lines[2], ""])
    report = upload(bob, broken, LINES).json()
    assert [one["index"] for one in report["imported"]] == [0, 3, 5]
    assert [one["index"] for one in report["errors"]] == [1, 2, 4]
    texts = [plain(line) for line in bob.http.get(f"{PATH}/export").text.splitlines()]
    assert texts[1:] == [plain(line) for line in lines]


def test_a_conversation_is_copied_up_to_a_message(alice: Person, model: ModelServer) -> None:
    model.answers(call("add_todo", title="Milk"), say("Noted."), say("Two."), say("Three."))
    id_ = alice.say("One")["conversation_id"]
    for text in ("Two", "Three"):
        alice.say(text, id_)
    said = alice.messages(id_)

    def forked(**body: Any) -> dict[str, Any]:
        response = alice.http.post(f"{PATH}/{id_}/fork", json=body)
        assert response.status_code == 201, response.text
        return response.json()

    copy = forked(message_id=said[3]["id"], title="Elsewhere")
    assert (copy["title"], copy["message_count"]) == ("Elsewhere", 4)
    copied = alice.messages(copy["conversation_id"])
    assert content(copied) == content(said[:4])
    assert copied[1]["tool_calls"][0]["tool"] == "add_todo"
    model.requests.clear()
    model.answers(say("Other."))
    alice.say("Other", copy["conversation_id"])
    assert [message["content"] for message in model.requests[0]["messages"]][-3:] == ["Two", "Two.", "Other"]
    assert alice.messages(id_) == said
    whole = forked()
    assert (whole["title"], whole["message_count"]) == ("One", 6)
    unanswered = forked(message_id=said[2]["id"])
    assert [message["content"] for message in alice.messages(unanswered["conversation_id"])][-1] == "Two"
    assert alice.http.post(f"{PATH}/{id_}/fork", json={"message_id": str(uuid4())}).status_code == 404


def test_markdown_is_for_reading_and_holds_what_was_said(alice: Person, model: ModelServer) -> None:
    model.answers(call("add_todo", title="```\nMilk"), say("# Noted."))
    id_ = alice.say("Buy milk/../\r\n\x07")["conversation_id"]
    response = alice.http.get(f"{PATH}/{id_}/export", params={"format": "markdown"})
    assert response.headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="buy-milk.md"'
    assert response.text.startswith("# Buy milk")
    for part in ("## You, ", "## Assistant, ", "\n# Noted.\n", "add_todo"):
        assert part in response.text
    assert alice.http.get(f"{PATH}/{id_}/export", params={"format": "pdf"}).status_code == 422


def test_who_takes_an_export_slowly_keeps_nobody_waiting(alice: Person) -> None:
    long = {"messages": [{"role": "user", "content": "x" * 100_000} for _ in range(50)]}
    id_ = imported(alice, long)["conversation_id"]
    with ExitStack() as stack:
        slow = [
            stack.enter_context(alice.http.stream("GET", f"{PATH}/{id_}/export", timeout=60))
            for _ in range(12)
        ]
        # There are ten connections to the database.
        assert {response.status_code for response in slow} == {200}
        assert alice.http.get(f"{PATH}/{id_}", timeout=5).status_code == 200
        assert len(slow[0].read()) > 5_000_000


def test_branches_come_back_and_only_the_newest_is_copied(alice: Person, model: ModelServer) -> None:
    model.answers(say("First."), say("Second."), say("Third."), say("Fourth."))
    id_ = alice.say("One")["conversation_id"]
    [asked, answer] = alice.messages(id_)
    place = f"{PATH}/{id_}/messages"
    assert alice.http.post(f"{place}/{answer['id']}/regenerate", json={}).status_code == 200
    alice.say("Two", id_)
    assert alice.http.post(f"{place}/{asked['id']}/edit", json={"message": "Uno"}).status_code == 200
    assert alice.http.delete(f"{place}/{answer['id']}").status_code == 200
    before, said = export(alice, id_), alice.messages(id_)
    assert [message["content"] for message in said] == ["One", "Second.", "Two", "Third.", "Uno", "Fourth."]
    fork = alice.http.post(f"{PATH}/{id_}/fork", json={}).json()["conversation_id"]
    assert [message["content"] for message in alice.messages(fork)] == ["Uno", "Fourth."]
    told = export(alice, id_, format="markdown")
    assert ("Uno" in told, "One" in told.partition("\n")[2], "Two" in told) == (True, False, False)
    first = json.loads(export(alice, id_, leaf=said[1]["id"]))
    assert [message["content"] for message in first["messages"]] == ["One", "Second."]
    told = export(alice, id_, format="markdown", leaf=said[1]["id"])
    assert ("Second." in told, "Third." in told) == (True, False)
    told = export(alice, id_, format="markdown", leaf="all")
    assert [part in told for part in ("Second.", "Third.", "Fourth.", ", version 2")] == [True] * 4
    path = f"{PATH}/{id_}/export"
    assert alice.http.get(path, params={"leaf": str(uuid4())}).json()["error"]["code"] == "message_not_found"
    erase(alice, id_)
    again = imported(alice, before)["conversation_id"]
    assert plain(export(alice, again)) == plain(before)
    assert content(alice.messages(again)) == content(said)
    model.requests.clear()
    model.answers(say("Fifth."))
    parent = alice.messages(again)[3]["id"]
    body = {"message": "Three", "conversation_id": again, "parent_id": parent}
    assert alice.http.post(f"/api/{alice.name}/chat", json=body).status_code == 200
    assert [message["content"] for message in model.requests[0]["messages"]][1:] == [
        *("One", "Second.", "Two", "Third.", "Three")
    ]
