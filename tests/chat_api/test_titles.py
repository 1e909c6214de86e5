"""The model names a conversation after its second turn, beside the turns and never over its user's name."""

from collections.abc import Callable, Generator
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from chat_api.runs.titles import clean_title
from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import Gate, running_api
from tests.chat_api.waiting import once
from tests.model_server import Chat, ModelServer, say
from tests.servers import Person

PATH = "/api/v1/conversations"


@pytest.fixture(scope="module")
def naming(api_database: str, shared_model: ModelServer) -> Generator[str]:
    with running_api(api_database, shared_model.url, titles_by_model=True) as url:
        yield url


@pytest.fixture
def carol(naming: str, person: MakePerson) -> Person:
    return person(naming)


def asks_for_name(chat: Chat) -> bool:
    return chat["messages"][0]["content"].startswith("Name the conversation")


def naming_by(reply: Callable[[Chat], Any]) -> Callable[[Chat], Any]:
    return lambda chat: reply(chat) if asks_for_name(chat) else say("Hello.")


def title_of(person: Person, id_: str) -> str:
    return person.http.get(f"{PATH}/{id_}").json()["title"]


def two_turns(person: Person) -> str:
    id_ = person.say("What is the weather in Lisbon tomorrow?")["conversation_id"]
    assert title_of(person, id_) == "What is the weather in Lisbon tomorrow?"
    return person.say("And the day after?", id_)["conversation_id"]


def test_the_model_names_it_after_the_second_turn(carol: Person, model: ModelServer) -> None:
    model.script = naming_by(lambda _: say('"Weather in Lisbon."\nAnything else?'))
    id_ = two_turns(carol)
    once(lambda: title_of(carol, id_) == "Weather in Lisbon")
    [asked] = [chat for chat in model.requests if asks_for_name(chat)]
    assert (asked.get("tools"), asked["max_tokens"]) == (None, 30)
    assert "And the day after?" in asked["messages"][1]["content"]
    carol.say("Thanks", id_)
    assert sum(map(asks_for_name, model.requests)) == 1


def test_a_name_that_its_user_gives_meanwhile_stays(carol: Person, model: ModelServer) -> None:
    gate = Gate()
    model.script = naming_by(gate.before(say("Weather in Lisbon")))
    id_ = two_turns(carol)
    gate.wait()
    carol.http.patch(f"{PATH}/{id_}", json={"title": "Holidays"})
    gate.open()
    other = two_turns(carol)
    once(lambda: title_of(carol, other) == "Weather in Lisbon")
    assert title_of(carol, id_) == "Holidays"


def test_no_name_is_made_of_what_is_deleted_meanwhile(carol: Person, model: ModelServer) -> None:
    gate = Gate()
    first = gate.before(say("A secret"))
    model.script = naming_by(lambda chat: say("Weather") if "Porto" in str(chat) else first(chat))
    id_ = two_turns(carol)
    gate.wait()
    second = carol.http.get(f"{PATH}/{id_}/messages").json()["messages"][2]["id"]
    assert carol.http.delete(f"{PATH}/{id_}/messages/{second}", params={"scope": "turn"}).status_code == 200
    gate.open()
    carol.say("And in Porto?", id_)
    once(lambda: title_of(carol, id_) == "Weather")


@pytest.mark.parametrize("reply", [JSONResponse({}, 500), say(""), say("<think>Well")])
def test_a_turn_does_not_fail_where_there_is_no_name(
    carol: Person, model: ModelServer, reply: Response
) -> None:
    model.script = naming_by(lambda _: reply)
    id_ = two_turns(carol)
    assert carol.say("Thanks", id_)["response"] == "Hello."
    assert title_of(carol, id_) == "What is the weather in Lisbon tomorrow?"


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ("**Trip to Porto**\n", "Trip to Porto"),
        ("<think>Hm.\n</think>\n\n  Title: Trip   to Porto.", "Trip to Porto"),
        ("「旅行」", "「旅行」"),
        ("a\x00b\ud800", "ab?"),
        ("word " * 30, ("word " * 16).strip()),
        ("x" * 200, "x" * 80),
        ("\n\n", ""),
        ("...", ""),
    ],
)
def test_a_name_is_one_short_line(answer: str, title: str) -> None:
    assert clean_title(answer) == title
