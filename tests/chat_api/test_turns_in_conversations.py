"""What a turn does to the conversation that it is taken in."""

import pytest

from tests.servers import Person

PATH = "/api/v1/conversations"


@pytest.mark.parametrize(
    ("message", "title"),
    [
        ("Hello", "Hello"),
        (" \n\n\t What  is\tthis? \r\nAnd that?", "What is this?"),
        ("one two three four five six seven eight nine ten eleven twelve thirteen", None),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 60 + "…"),
        ("a" + " " * 2000 + "b", "a"),
        ("天気はどうですか\u2028明日は", "天気はどうですか"),
    ],
)
def test_a_conversation_is_called_as_its_first_message_begins(
    alice: Person, message: str, title: str | None
) -> None:
    conversation = alice.say(message)["conversation_id"]
    alice.say("Something else", conversation)
    expected = title or "one two three four five six seven eight nine ten eleven…"
    assert alice.http.get(f"{PATH}/{conversation}").json()["title"] == expected


def test_a_turn_takes_a_conversation_out_of_the_archive(alice: Person) -> None:
    conversation = alice.say("Hello")["conversation_id"]
    assert alice.http.post(f"{PATH}/{conversation}/archive").json()["status"] == "archived"
    alice.say("More", conversation)
    assert alice.http.get(f"{PATH}/{conversation}").json()["status"] == "active"
