"""What was said is found by its words, by nobody but who said it."""

import json
from collections.abc import Callable, Generator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy.dialects import postgresql

from chat_api.conversations.search import Query, statement_of
from kit.ids import owner_id
from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import execute
from tests.model_server import ModelServer, say
from tests.servers import Person

PATH = "/api/v1/conversations/search"
NOTHING = frozenset[str]()
_DIALECT = postgresql.psycopg.dialect()


def found(person: Person, q: str, **query: Any) -> list[dict[str, Any]]:
    response = person.http.get(PATH, params={"q": q, **query})
    assert response.status_code == 200, response.text
    return response.json()["messages"]


def snippets(person: Person, q: str, **query: Any) -> list[str]:
    return [message["snippet"] for message in found(person, q, **query)]


@pytest.fixture
def library(alice: Person, model: ModelServer) -> dict[str, str]:
    """The ids of conversations by a word that is only in them."""
    talks = {
        "whale": ("Who wrote of the white whale?", "Herman Melville wrote it."),
        "raven": ("Quote the raven", "Nevermore. Poe wrote of the raven, and of a black cat."),
        "empty": ("An empty page", "It has no words."),
    }
    made: dict[str, str] = {}
    for word, (asked, answered) in talks.items():
        model.answers(say(answered))
        made[word] = alice.say(asked)["conversation_id"]
    return made


def test_words_find_messages_the_best_first(alice: Person, library: dict[str, str]) -> None:
    [best, next_best] = found(alice, "raven")
    assert best["role"] == "assistant" or best["rank"] == next_best["rank"]
    assert best["rank"] >= next_best["rank"]
    assert {best["conversation_id"], next_best["conversation_id"]} == {library["raven"]}
    assert best["conversation_title"] == "Quote the raven"
    [one] = found(alice, "RAVEN cat")
    assert one["snippet"].count("<mark>") >= 2
    assert "<mark>raven</mark>" in one["snippet"]


@pytest.mark.parametrize(
    ("q", "words"),
    [
        ("melv", {"Melville"}),
        ('"white whale"', {"white whale"}),
        ('"whale white"', NOTHING),
        ('"white wha"', NOTHING),
        ("whale or raven", {"whale", "Quote", "Poe"}),
        ("wrote -raven", {"of the white", "Melville"}),
        ("wrote raven", {"Poe"}),
        ("wrote zebra", NOTHING),
        ("!!!", NOTHING),
        ("\U0001f600", NOTHING),
    ],
)
def test_a_query_reads_as_in_a_web_search(
    alice: Person, library: dict[str, str], q: str, words: frozenset[str] | set[str]
) -> None:
    seen = [snippet.replace("<mark>", "").replace("</mark>", "") for snippet in snippets(alice, q)]
    assert len(seen) == len(words)
    assert all(any(word in snippet for snippet in seen) for word in words)


def test_filters_narrow_what_is_found(alice: Person, library: dict[str, str]) -> None:
    assert len(found(alice, "wrote")) == 3
    assert {message["role"] for message in found(alice, "wrote", role="user")} == {"user"}
    [raven] = found(alice, "poe")
    assert len(found(alice, "wrote", since=raven["created_at"])) == 1
    assert len(found(alice, "wrote", until=raven["created_at"])) == 2
    assert len(found(alice, "wrote", agent_id="default")) == 3
    assert found(alice, "wrote", agent_id=str(uuid4())) == []
    alice.http.post(f"/api/v1/conversations/{library['raven']}/archive")
    assert [message["archived"] for message in found(alice, "poe")] == [True]
    alice.http.delete(f"/api/v1/conversations/{library['raven']}")
    assert found(alice, "poe") == []


def test_pages_have_each_message_once(alice: Person, model: ModelServer) -> None:
    conversation = None
    for number in range(5):
        conversation = alice.say(f"word {'word ' * (number % 3)}", conversation)["conversation_id"]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = alice.http.get(PATH, params={"q": "word", "limit": 2} | cursor).json()
        seen += [message["message_id"] for message in page["messages"]]
        alice.say("word word word", conversation)
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert len(seen) == len(set(seen))
    assert len(seen) >= 5


def test_what_was_said_is_no_markup(alice: Person, model: ModelServer) -> None:
    model.answers(say("A <script>alert('milk')</script> & <mark>fake</mark> \x01milk\x02 & honey"))
    alice.say("What is it?")
    [snippet] = snippets(alice, "honey")
    assert "<mark>honey</mark>" in snippet
    assert "&amp;" in snippet
    rest = snippet.replace("<mark>honey</mark>", "")
    assert "<" not in rest
    assert ">" not in rest
    assert "\x01" not in rest


def test_nobody_finds_what_others_have_said(alice: Person, person: MakePerson) -> None:
    alice.say("Secret plans")
    bob = person()
    bob.say("Hello")
    whose = f"u:{owner_id('turnlog', alice.name)}"
    for q in (
        "secret",
        whose,
        f"'{whose}'",
        f"secret or {whose}",
        f'"{whose}"',
        f"hello or '{whose}' | 'secret'",
    ):
        assert all("ecret" not in snippet for snippet in snippets(bob, q))
    assert len(found(alice, "secret")) == 1


@pytest.mark.parametrize(
    "q",
    [
        "'",
        '"',
        "\\",
        "a & | ! <-> b:* (",
        ":*",
        "a:*b",
        "''':A",
        "-",
        "- -a",
        "or or or",
        '"" or ""',
        '-"a b"',
        "%00",
        "%' OR 1=1 --",
        "\u202eאבג\u202c شكرا",
        "\U0001f600" * 500,
        "字" * 500,
        "<script>",
        "a" * 500,
        "\ufffd\x01\x02",
        " ",
    ],
)
def test_a_query_may_be_anything(alice: Person, q: str) -> None:
    assert isinstance(found(alice, q), list)


@pytest.mark.parametrize("q", ["", "a\x00b", "x" * 501, "x" * 10_000])
def test_a_query_that_cannot_be_is_refused(alice: Person, q: str) -> None:
    response = alice.http.get(PATH, params={"q": q})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("cursor", ["x", "e30", '{"rank": NaN}', "W10"])
def test_a_forged_cursor_is_refused(alice: Person, cursor: str) -> None:
    response = alice.http.get(PATH, params={"q": "a", "cursor": cursor})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_cursor")


@pytest.fixture
def plan(api_database: str) -> Generator[Callable[[UUID], dict[str, Any]]]:
    """How Postgres finds the messages of somebody with a common word, without reading the whole table."""
    with psycopg.connect(api_database.replace("+psycopg", "")) as connection:
        connection.execute("SET enable_seqscan = off")

        def explained(user_id: UUID) -> dict[str, Any]:
            statement, parameters = statement_of(user_id, Query("word"), "'word'", "'word'", None, limit=20)
            compiled = statement.bindparams(**parameters).compile(dialect=_DIALECT)
            rows = connection.execute(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled}".encode(), compiled.params
            ).fetchone()
            assert rows
            return rows[0][0]["Plan"]

        yield explained


def test_a_common_word_costs_ones_own_messages_only(
    alice: Person, api_database: str, plan: Callable[[UUID], dict[str, Any]]
) -> None:
    conversation = alice.say("A word")["conversation_id"]
    others = "INSERT INTO users (id, issuer, subject, created_at) VALUES (%s, 'x', %s, now())"
    crowd = uuid4()
    execute(api_database, others, crowd, str(crowd))
    execute(
        api_database,
        "INSERT INTO conversations (id, user_id, next_position, created_at, updated_at)"
        " VALUES (%s, %s, 2, now(), now())",
        crowd,
        crowd,
    )
    execute(
        api_database,
        "INSERT INTO messages (id, user_id, conversation_id, position, role, content, tool_calls, status,"
        " created_at) SELECT gen_random_uuid(), %s, %s, n, 'user', 'A word', '[]', 'completed', now()"
        " FROM generate_series(0, 4999) AS n",
        crowd,
        crowd,
    )
    execute(api_database, "ANALYZE messages")
    nodes = list(walk(plan(owner_id("turnlog", alice.name))))
    [index] = [node for node in nodes if node.get("Index Name") == "messages_search"]
    assert "u:" in json.dumps(index["Index Cond"])
    assert index["Actual Rows"] < 10
    # The control: the word alone is in thousands.
    assert len(execute(api_database, "SELECT 1 FROM messages WHERE search @@ 'word'::tsquery")) > 4999
    assert conversation


def walk(node: dict[str, Any]) -> Generator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", []):
        yield from walk(inner)
