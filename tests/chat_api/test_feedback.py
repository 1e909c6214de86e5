"""What people think of answers is kept with them, and listed for nobody else."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.chat_api.conftest import MakePerson
from tests.servers import Person

PATH = "/api/v1/conversations"


def rate(person: Person, id_: str, message: dict[str, Any], **body: Any) -> httpx2.Response:
    return person.http.put(f"{PATH}/{id_}/messages/{message['id']}/feedback", json=body)


def test_an_answer_is_rated_anew_and_no_more(alice: Person) -> None:
    id_ = alice.say("Hello")["conversation_id"]
    [asked, answer] = alice.messages(id_)
    assert (answer["rating"], answer["comment"]) == (None, None)
    rated = rate(alice, id_, answer, rating="up", comment="Nice").json()
    assert rated == answer | {"rating": "up", "comment": "Nice"}
    assert rate(alice, id_, answer, rating="down").json() == answer | {"rating": "down", "comment": None}
    assert alice.messages(id_)[1]["rating"] == "down"
    refused = rate(alice, id_, asked, rating="up")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_an_answer")
    for _ in range(2):
        deleted = alice.http.delete(f"{PATH}/{id_}/messages/{answer['id']}/feedback")
        assert deleted.json()["message"] == "Feedback deleted successfully"
    assert alice.messages(id_) == [asked, answer]


def test_feedback_is_listed_in_pages_for_its_owner(alice: Person, person: MakePerson) -> None:
    ids = [alice.say(f"Number {number}")["conversation_id"] for number in range(3)]
    for id_, rating in zip(ids, ("up", "down", "up"), strict=True):
        rate(alice, id_, alice.messages(id_)[1], rating=rating)
    rate(bob := person(), other := bob.say("Hi")["conversation_id"], bob.messages(other)[1], rating="up")

    def listed(**query: Any) -> tuple[list[str], str | None]:
        page = alice.http.get(f"{PATH}/feedback", params=query).json()
        return [each["conversation_id"] for each in page["feedback"]], page["next_cursor"]

    first, cursor = listed(limit=2)
    assert (first, listed(limit=2, cursor=cursor)) == (ids[:0:-1], (ids[:1], None))
    assert listed(rating="down") == (ids[1:2], None)
    alice.http.delete(f"{PATH}/{ids[1]}")
    assert listed(rating="down") == ([], None)


def test_only_ones_own_answers_are_rated(alice: Person, person: MakePerson) -> None:
    id_ = alice.say("Hello")["conversation_id"]
    answer = alice.messages(id_)[1]
    bob = person()
    own = bob.say("Hello")["conversation_id"]
    for conversation, message in ((id_, answer), (own, answer), (own, {"id": str(uuid4())})):
        refused = rate(bob, conversation, message, rating="down")
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "message_not_found")
    assert alice.messages(id_)[1] == answer


@pytest.mark.parametrize(
    "body",
    [{}, {"rating": "left"}, {"rating": "up", "comment": "x" * 4001}, {"rating": "up", "comment": "\x00"}],
)
def test_what_is_no_feedback_is_refused(alice: Person, body: dict[str, Any]) -> None:
    id_ = alice.say("Hello")["conversation_id"]
    assert rate(alice, id_, alice.messages(id_)[1], **body).status_code == 422


def test_messages_are_listed_by_role_and_from_either_end(alice: Person) -> None:
    id_ = alice.say("0")["conversation_id"]
    for number in range(1, 3):
        alice.say(str(number), id_)

    def listed(**query: Any) -> tuple[list[str], str | None]:
        page = alice.http.get(f"{PATH}/{id_}/messages", params=query).json()
        return [message["content"] for message in page["messages"]], page["next_cursor"]

    assert listed(role="user") == (["0", "1", "2"], None)
    newest, cursor = listed(role="user", order="desc", limit=2)
    assert (newest, listed(role="user", order="desc", cursor=cursor)) == (["2", "1"], (["0"], None))
    assert listed(order="desc", limit=1)[0] == ["Hello."]
