"""What was there before conversations could branch, and what is left of branches on the way back."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config

from tests.kit.test_migrate import ROOT, connected, empty_url

__all__ = ["empty_url"]

BEFORE = """
    INSERT INTO users (id, issuer, subject, created_at, role, tier)
    VALUES (gen_random_uuid(), 'i', 's', now(), 'user', 'authenticated');
    INSERT INTO conversations (id, user_id, next_position, created_at, updated_at)
    SELECT gen_random_uuid(), id, 4, now(), now() FROM users, generate_series(1, 2);
    INSERT INTO runs (id, user_id, conversation_id, position, status, attempt, cancel_requested, folded,
        created_at, agent_id)
    SELECT gen_random_uuid(), user_id, id, position, 'completed', 1, false, true, now(),
        CASE position WHEN 2 THEN id END
    FROM conversations, unnest(ARRAY[0, 2]) AS position;
    INSERT INTO messages (id, user_id, conversation_id, run_id, position, role, content, tool_calls, status,
        created_at)
    SELECT gen_random_uuid(), user_id, conversation_id, id, place,
        CASE WHEN place = position THEN 'user' ELSE 'assistant' END,
        CASE place WHEN 0 THEN
            E'  \\n What  is the\\tname of the longest river that flows through two capitals? \\n!'
        ELSE 'Zebras' END, '[]', 'completed', now()
    FROM runs, unnest(ARRAY[position, position + 1]) AS place;
"""


def move(url: str, how: Any, revision: str) -> None:
    with connected(url) as connection:
        config = Config()
        config.set_main_option("script_location", str(ROOT / "migrations"))
        config.attributes["connection"] = connection
        how(config, revision)


@contextmanager
def database(url: str) -> Generator[psycopg.Connection[tuple[Any, ...]]]:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


@pytest.fixture
def older(empty_url: str) -> str:
    move(empty_url, command.upgrade, "0007")
    with database(empty_url) as connection:
        connection.execute(BEFORE.encode())
    return empty_url


def test_what_was_there_gets_its_place_a_title_and_can_be_found(older: str) -> None:
    move(older, command.upgrade, "0008")
    with database(older) as connection:
        found = connection.execute("SELECT DISTINCT position, parent_position FROM messages ORDER BY 1")
        assert found.fetchall() == [(0, None), (1, 0), (2, 1), (3, 2)]
        runs = connection.execute("SELECT DISTINCT position, answer_position FROM runs ORDER BY 1")
        assert runs.fetchall() == [(0, 1), (2, 3)]
        titles = connection.execute("SELECT DISTINCT title, title_source, agent_id = id FROM conversations")
        assert titles.fetchall() == [
            ("What is the name of the longest river that flows through…", "message", True)
        ]
        of_user = "SELECT count(*) FROM messages, users WHERE search @@ CAST(%s || users.id AS tsquery)"
        assert connection.execute(of_user, ["zebras & u\\:"]).fetchone() == (6,)
        assert connection.execute(of_user, ["capitals & u\\:"]).fetchone() == (2,)


def test_on_the_way_back_all_that_was_said_stays(older: str) -> None:
    move(older, command.upgrade, "0008")
    with database(older) as connection:
        connection.execute("UPDATE conversations SET branched = true, deleted_at = now()")
        connection.execute("UPDATE messages SET parent_position = NULL WHERE position = 2")
    move(older, command.downgrade, "0007")
    with database(older) as connection:
        assert connection.execute("SELECT count(*), max(position) FROM messages").fetchone() == (8, 3)
        assert connection.execute("SELECT count(*) FROM conversations").fetchone() == (2,)
    move(older, command.upgrade, "0008")
