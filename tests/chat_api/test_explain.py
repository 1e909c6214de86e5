"""Postgres finds what is asked on hot paths by an index, of its own accord, in tables that are not small."""

from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pytest
from fastapi import FastAPI

from benchmarks.seed import COMMON, Size, seed
from chat_api.main import create_app
from kit.ids import owner_id
from tests.chat_api.every_route import Having, operations_of
from tests.chat_api.plans import Statements, listening, scans_of
from tests.chat_api.replica import execute, fresh_database, settings_for
from tests.model_server import ModelServer, call, say, serve
from tests.servers import Person

# Those that grow with use. Others have a few rows, which Postgres does best to read all.
GROWING: Final = frozenset(
    {"agent_versions", "agents", "api_keys", "conversations", "events", "messages", "runs", "todos"}
    | {"tool_effects", "users"}
)
PERSON: Final = "user-7"
SIZE: Final = Size(messages=20_000, conversations=400, users=200)
# What others have: the same as the person of the test, but for these columns.
OTHERS: Final = {
    "users": ("generate_series(1, 2000) AS n", "'id', gen_random_uuid(), 'subject', 'idle-' || n"),
    "conversations": (
        "users AS other, generate_series(1, 2)",
        "'id', gen_random_uuid(), 'user_id', other.id",
    ),
    "agents": ("users AS other", "'id', gen_random_uuid(), 'user_id', other.id"),
    "agent_versions": ("agents AS other", "'agent_id', other.id, 'user_id', other.user_id"),
    "todos": ("users AS other", "'id', gen_random_uuid(), 'user_id', other.id"),
    "tool_effects": ("users AS other", "'user_id', other.id"),
    "api_keys": (
        "users AS other",
        "'id', gen_random_uuid(), 'user_id', other.id, 'key_hash', sha256(CAST(other.subject AS bytea))",
    ),
    "events": ("runs AS other", "'run_id', other.id, 'user_id', other.user_id"),
}
MULTIPLY: Final = """
    INSERT INTO {table}
    SELECT (jsonb_populate_record(own.row, jsonb_build_object({columns}))).*
    FROM (SELECT {table} AS row FROM {table} WHERE {whose} = %s LIMIT 1) AS own, {others}
    ON CONFLICT DO NOTHING
"""


@pytest.fixture(scope="module")
def filled(postgres_url: str, template: str) -> Generator[str]:
    with fresh_database(postgres_url, template) as url:
        seed(url, SIZE)
        yield url


@pytest.fixture(scope="module")
def heard(filled: str, shared_model: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Statements:
    """What the API asks Postgres while somebody does all that they can, who did a lot before."""
    folder: Path = tmp_path_factory.mktemp("data")
    app = create_app(settings_for(filled, shared_model.url, data_dir=folder))
    with serve(app) as url:
        person = Person(url, PERSON)
        with person.http, listening() as statements:
            do_everything(app, person, shared_model)
    for table, (others, columns) in OTHERS.items():
        whose = "id" if table == "users" else "user_id"
        multiply = MULTIPLY.format(table=table, whose=whose, others=others, columns=columns)
        execute(filled, multiply, owner_id("turnlog", PERSON))
    # Autovacuum may not have come by yet.
    execute(filled, "ANALYZE")
    return statements


def do_everything(app: FastAPI, person: Person, model: ModelServer) -> None:
    http = person.http
    model.answers(call("add_todo", title="Milk"), call("list_todos"), say("Noted."))
    turn = person.say("Buy milk")
    model.script = lambda _: say("Hello.")
    [*_, old] = http.get("/api/v1/conversations").json()["conversations"]
    person.say("And?", old["conversation_id"])
    headers: dict[str, Any] = {"Idempotency-Key": "once", "Accept": "text/event-stream"}
    for _ in range(2):
        http.post(f"/api/{person.name}/chat", json={"message": "Stream"}, headers=headers)
    http.post(f"/api/v1/runs/{turn['run_id']}/cancel")
    having = Having(person)
    assert having.of("key_id")
    for operation in operations_of(app):
        # Other servers are asked what they have, which takes its time.
        if operation.method == "get" and not operation.of_admins and "server_id" not in operation.slots:
            paths = {place: having.of(place[1]) for place in operation.places if place[0] == "path"}
            queries = [{place: having.of(place[1])} for place in operation.places if place[0] == "query"]
            for query in [dict[tuple[str, str], str](), *queries]:
                operation.ask(http, paths | query)
    page = http.get("/api/v1/runs", params={"since": "2026-01-01T00:00:00Z", "limit": 1}).json()
    for asked in ({"status": "failed"}, {"unfinished": "true"}, {"cursor": page["next_cursor"]}):
        assert http.get("/api/v1/runs", params=asked).status_code == 200
    for word in (COMMON, "nowhere"):
        assert http.get("/api/v1/conversations/search", params={"q": word}).status_code == 200


def growing(found: dict[str, set[str]]) -> list[str]:
    return [
        f"{sorted(tables & GROWING)}: {statement}" for statement, tables in found.items() if tables & GROWING
    ]


def test_every_statement_finds_its_rows_by_an_index(filled: str, heard: Statements) -> None:
    assert len(heard.found) > 30
    for table in GROWING - {"api_keys"}:
        assert any(table in statement for statement in heard.found), f"nothing was asked of {table}"
    assert growing(scans_of(filled, heard)) == []


@pytest.mark.parametrize("index", ["runs_recent", "todos_open"])
def test_it_would_be_seen_where_an_index_is_missing(filled: str, heard: Statements, index: str) -> None:
    [[definition]] = execute(filled, "SELECT pg_get_indexdef(CAST(%s AS regclass))", index)
    execute(filled, f"DROP INDEX {index}")
    try:
        table = index.partition("_")[0]
        assert [each for each in growing(scans_of(filled, heard)) if each.startswith(f"['{table}']")]
    finally:
        execute(filled, definition)
