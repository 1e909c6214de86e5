"""What is deleted of a conversation is nowhere any more, and what follows it stays."""

from collections.abc import Generator
from typing import Any

import httpx2
import psycopg
import pytest
from starlette.responses import Response

from tests.chat_api.branches import echo, said_to, talk, turn
from tests.chat_api.conftest import MakePerson
from tests.chat_api.deciding import ended
from tests.chat_api.replica import Gate, execute, expire_leases, in_thread, running_api
from tests.chat_api.test_races import until_it_waits
from tests.chat_api.test_takeovers import begin, until_kept
from tests.chat_api.transferring import imported
from tests.model_server import Hold, ModelServer, call, calls, say, stream
from tests.servers import Person

TABLES = """
    SELECT quote_ident(table_name) FROM information_schema.tables
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
"""


def places_of(url: str, word: str) -> set[str]:
    """The tables that have the word anywhere."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        tables = [name for (name,) in connection.execute(TABLES)]
        return {
            name
            for name in tables
            if connection.execute(
                f"SELECT FROM {name} AS row WHERE row::text ILIKE %s LIMIT 1".encode(), [f"%{word}%"]
            ).fetchone()
            is not None
        }


def delete(person: Person, conversation: str, message_id: str, scope: str = "message") -> httpx2.Response:
    path = f"/api/v1/conversations/{conversation}/messages/{message_id}"
    return person.http.delete(path, params={"scope": scope})


@pytest.fixture
def carol(database_url: str, model: ModelServer, person: MakePerson) -> Generator[Person]:
    """Alone in her database, all of which is looked at."""
    with running_api(database_url, model.url) as url:
        yield person(url)


def test_a_turn_that_is_deleted_is_nowhere_any_more(
    carol: Person, model: ModelServer, database_url: str
) -> None:
    said = "Xylophones are quiet"
    model.answers(call("add_todo", title="Tune the marimbaphone"), stream("Done, ", "glockenspiel."))
    headers = {"Idempotency-Key": f"key-of-{carol.name}"}
    http = carol.http.post(f"/api/{carol.name}/chat", json={"message": said, "stream": True}, headers=headers)
    assert "glockenspiel" in http.text.replace('"', "")
    conversation = http.headers["X-Conversation-ID"]
    words = ["xylophones", "marimbaphone", "glockenspiel"]
    assert places_of(database_url, "xylophones") == {"conversations", "messages"}
    assert places_of(database_url, "marimbaphone") >= {"messages", "events", "tool_effects", "todos"}
    assert places_of(database_url, "glockenspiel") == {"messages", "events"}
    asked, _ = carol.messages(conversation)
    assert delete(carol, conversation, asked["id"], "turn").status_code == 200
    # The todo is the user's, who may delete it.
    assert [places_of(database_url, word) for word in words] == [set(), {"todos"}, set()]
    assert carol.messages(conversation) == []
    again = carol.http.post(f"/api/{carol.name}/chat", json={"message": said}, headers=headers)
    assert again.json()["error"]["code"] == "idempotency_key_reused"
    assert delete(carol, conversation, asked["id"], "turn").json()["error"]["code"] == "message_not_found"


def test_a_name_goes_with_the_first_message_of_the_user_wherever_it_is(
    alice: Person, model: ModelServer
) -> None:
    said = [("assistant", "Welcome"), ("user", "Xylophones"), ("assistant", "Yes."), ("user", "Thanks")]
    one = imported(alice, {"messages": [{"role": role, "content": content} for role, content in said]})
    id_ = one["conversation_id"]
    path = f"/api/v1/conversations/{id_}"
    greeting, asked, _, thanks = alice.messages(id_)
    for message in (greeting, thanks):
        assert delete(alice, id_, message["id"]).status_code == 200
        assert alice.http.get(path).json()["title"] == "Xylophones"
    assert delete(alice, id_, asked["id"]).status_code == 200
    assert alice.http.get(path).json()["title"] is None


def test_models_are_not_told_of_what_is_deleted(alice: Person, model: ModelServer) -> None:
    conversation = talk(alice, model, "One", "Two", "Three", "Four")
    messages = alice.messages(conversation)
    delete(alice, conversation, messages[3]["id"], "turn")
    alice.say("Five", conversation)
    rest = ["Three", "To Three.", "Four", "To Four.", "Five"]
    assert said_to(model) == ["One", "To One.", *rest]
    delete(alice, conversation, messages[0]["id"])
    delete(alice, conversation, messages[5]["id"])
    alice.say("Six", conversation)
    gone = ["(This message was deleted.)", "To One.", "Three", "(There was no answer.)"]
    assert said_to(model) == [*gone, *rest[2:], "To Five.", "Six"]


def test_a_branch_goes_through_what_is_deleted(alice: Person, model: ModelServer) -> None:
    conversation = talk(alice, model, "One", "Two", "Three")
    messages = alice.messages(conversation)
    turn(alice, conversation, messages[4]["id"], "edit", message="3")
    delete(alice, conversation, messages[2]["id"], "turn")
    alice.say("Four", conversation)
    assert said_to(model) == ["One", "To One.", "3", "To 3.", "Four"]
    shown = alice.messages(conversation)
    assert shown[2]["parent_id"] == messages[1]["id"]
    assert shown[2]["siblings"] == [messages[4]["id"], shown[4]["id"]]


def test_all_answers_go_with_a_turn(alice: Person, model: ModelServer) -> None:
    conversation = talk(alice, model, "One")
    asked, answer = alice.messages(conversation)
    model.script = lambda _: say("Another.")
    turn(alice, conversation, answer["id"], "regenerate")
    delete(alice, conversation, answer["id"], "turn")
    assert alice.messages(conversation) == []
    model.script = echo
    alice.say("Two", conversation)
    assert said_to(model) == ["Two"]
    for how in ("edit", "regenerate"):
        path = f"/api/v1/conversations/{conversation}/messages/{asked['id']}/{how}"
        refused = alice.http.post(path, json={"message": "1"} if how == "edit" else {})
        assert refused.json()["error"]["code"] == "message_not_found"


def test_what_is_being_answered_cannot_be_deleted(alice: Person, model: ModelServer) -> None:
    conversation = talk(alice, model, "One")
    asked, answer = alice.messages(conversation)
    gate = Gate()
    model.answers(gate.before(say("Two.")))
    with in_thread(lambda: turn(alice, conversation, answer["id"], "regenerate")) as taken:
        gate.wait()
        assert delete(alice, conversation, asked["id"]).json()["error"]["code"] == "conversation_busy"
        assert delete(alice, conversation, answer["id"], "turn").status_code == 409
        assert delete(alice, conversation, answer["id"]).status_code == 200
        gate.open()
        assert taken.result()["response"] == "Two."
    assert delete(alice, conversation, asked["id"]).status_code == 200
    anew = alice.messages(conversation)[0]["id"]
    path = f"/api/v1/conversations/{conversation}/messages/{anew}/regenerate"
    assert alice.http.post(path, json={}).json()["error"]["code"] == "message_not_found"


@pytest.mark.parametrize(
    ("source", "after_second", "after_first"),
    [("user", "One", "One"), ("message", "One", None), ("model", None, None)],
)
def test_a_title_goes_with_the_messages_that_it_was_made_of(
    alice: Person,
    model: ModelServer,
    api_database: str,
    source: str,
    after_second: str | None,
    after_first: str | None,
) -> None:
    conversation = talk(alice, model, "One", "Two")
    execute(api_database, "UPDATE conversations SET title_source = %s WHERE id = %s", source, conversation)
    path = f"/api/v1/conversations/{conversation}"
    messages = alice.messages(conversation)
    delete(alice, conversation, messages[2]["id"])
    assert alice.http.get(path).json()["title"] == after_second
    delete(alice, conversation, messages[0]["id"])
    assert alice.http.get(path).json()["title"] == after_first


def test_why_a_turn_failed_goes_with_its_answer(alice: Person, model: ModelServer) -> None:
    model.answers(calls(("add_todo", {"title": "Cello"})), stream("Some wor", then="error"))
    assert alice.post("One").status_code == 502
    conversation = alice.http.get("/api/v1/conversations").json()["conversations"][0]["conversation_id"]
    _, answer = alice.messages(conversation)
    before: dict[str, Any] = alice.http.get(f"/api/v1/runs/{answer['run_id']}").json()["error"]
    assert delete(alice, conversation, answer["id"]).status_code == 200
    after = alice.http.get(f"/api/v1/runs/{answer['run_id']}").json()["error"]
    assert after == before | {"message": "The message was deleted."}
    events = alice.http.get(f"/api/v1/runs/{answer['run_id']}/events").json()["events"]
    assert [event["type"] for event in events] == ["run.started", "run.failed"]
    assert "Cello" not in str(events)


def test_what_was_said_for_nothing_goes_with_the_message(
    alice: Person, model: ModelServer, api_database: str
) -> None:
    """One attempt died in the midst of its answer, and the next had none."""
    hold = Hold()
    model.answers(stream("Bandoneon", hold), lambda _: Response(status_code=500))
    turn = begin(alice, "One")
    hold.wait()
    until_kept(api_database, turn["run_id"])
    expire_leases(api_database)
    path = f"/api/v1/runs/{turn['run_id']}"
    assert ended(alice, turn["run_id"]).frames[-1]["type"] == "error"
    hold.open()
    assert "Bandoneon" in alice.http.get(f"{path}/events").text
    [asked] = alice.messages(turn["conversation_id"])
    assert delete(alice, turn["conversation_id"], asked["id"]).status_code == 200
    events = alice.http.get(f"{path}/events").json()["events"]
    assert [event["type"] for event in events] == ["run.started", "run.failed"]
    assert alice.http.get(path).json()["error"]["message"] == "The message was deleted."


def test_a_message_that_is_deleted_meanwhile_is_not_answered_again(
    alice: Person, model: ModelServer, api_database: str
) -> None:
    conversation = talk(alice, model, "One")
    asked = alice.messages(conversation)[0]["id"]
    path = f"/api/v1/conversations/{conversation}/messages/{asked}/regenerate"
    with psycopg.connect(api_database.replace("+psycopg", "")) as other:
        other.execute("SELECT FROM conversations WHERE id = %s FOR UPDATE", [conversation])
        with in_thread(lambda: alice.http.post(path, json={})) as regenerated:
            until_it_waits(api_database)
            other.execute("UPDATE messages SET content = '', deleted_at = now() WHERE id = %s", [asked])
            other.commit()
            refused = regenerated.result()
    assert refused.json()["error"]["code"] == "message_not_found"
    assert len(model.requests) == 1


def test_a_log_that_is_folded_meanwhile_is_erased(
    alice: Person, model: ModelServer, api_database: str
) -> None:
    """While it is, the text of an answer is in no row that others see."""
    model.answers(stream("Bandoneon."))
    conversation = alice.say("One")["conversation_id"]
    answer = alice.messages(conversation)[1]
    of_run = "run_id = %s AND type = 'text.delta'"
    again = """
        INSERT INTO events
        SELECT run_id, seq + 1, seq + 1, user_id, 'text.delta', '{"text": "Bandoneon."}', at FROM events
        WHERE run_id = %s AND type = 'run.started'
    """
    with psycopg.connect(api_database.replace("+psycopg", "")) as other:
        other.execute("SELECT FROM runs WHERE id = %s FOR NO KEY UPDATE", [answer["run_id"]])
        other.execute(f"DELETE FROM events WHERE {of_run}".encode(), [answer["run_id"]])
        with in_thread(lambda: delete(alice, conversation, answer["id"])) as deleted:
            until_it_waits(api_database)
            other.execute(again, [answer["run_id"]])
            other.commit()
            assert deleted.result().status_code == 200
    assert places_of(api_database, "bandoneon") == set()
