"""Fill a database with people, conversations and messages: as many as years of use leave.

`python -m benchmarks.seed` fills the database that DATABASE_URL names, which must be empty; MESSAGES,
CONVERSATIONS and USERS say how many.
"""

import os
import random
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import Connection, sql

from kit.ids import owner_id
from kit.postgres import migrate

__all__ = ["COMMON", "RARE", "Size", "seed", "subject_of"]

RARE: Final = "quokka"
COMMON: Final = "river"
_ISSUER: Final = "turnlog"
_SYLLABLES: Final = (
    "ba",
    "ren",
    "to",
    "mi",
    "lus",
    "ka",
    "dor",
    "fe",
    "sha",
    "vin",
    "gro",
    "pel",
    "ny",
    "ort",
)
_WORDS: Final = 3000
_SENTENCES: Final = 5000
_BATCH: Final = 100_000
_TABLES: Final = ("conversations", "messages", "runs")

# Rows are in the order of time, as they would be kept. Ids are as `kit.ids.new_id` makes them.
_PREPARE: Final = """
    CREATE FUNCTION pg_temp.id_at(moment timestamptz) RETURNS uuid LANGUAGE sql AS $$
        SELECT CAST(lpad(to_hex(CAST(extract(epoch FROM moment) * 1000 AS bigint)), 12, '0')
            || '7' || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15) AS uuid)
    $$;
    CREATE TEMP TABLE people (n int PRIMARY KEY, id uuid);
    CREATE TEMP TABLE sentences (n int PRIMARY KEY, words text);
"""
_CONVERSATIONS: Final = """
    INSERT INTO conversations (id, user_id, next_position, title, title_source, created_at, updated_at)
    SELECT pg_temp.id_at(moment), people.id, %(each)s, split_part(words, ' ', 1) || ' ' || begun.n, 'message',
        moment, moment + %(each)s * interval '1 minute'
    FROM (
        SELECT n, now() - interval '1 year' * n / %(conversations)s AS moment
        FROM generate_series(1, %(conversations)s) AS n
    ) AS begun
    JOIN people ON people.n = begun.n %% %(users)s
    JOIN sentences ON sentences.n = begun.n %% %(sentences)s
"""
_TURNS: Final = """
    CREATE TEMP TABLE turns AS
    SELECT row_number() OVER (ORDER BY moment) AS n, pg_temp.id_at(moment) AS run_id, turn.*
    FROM (
        SELECT id AS conversation_id, user_id, 2 * number AS position,
            created_at + 2 * number * interval '1 minute' AS moment
        FROM conversations CROSS JOIN generate_series(0, %(each)s / 2 - 1) AS number
    ) AS turn;
"""
_RUNS: Final = """
    INSERT INTO runs (id, user_id, conversation_id, position, answer_position, status, attempt,
        cancel_requested, provider, model, usage, cost_usd, folded, created_at, finished_at)
    SELECT run_id, user_id, conversation_id, position, position + 1,
        CASE WHEN n %% 50 = 0 THEN 'failed' ELSE 'completed' END, 1, false, 'openai',
        CASE WHEN n %% 3 = 0 THEN 'gpt-5' ELSE 'gpt-5-mini' END,
        jsonb_build_object('requests', 1, 'input_tokens', 900, 'output_tokens', 60, 'total_tokens', 960),
        0.0012, true, moment, moment + interval '2 seconds'
    FROM turns WHERE n > %(after)s AND n <= %(after)s + %(batch)s
"""
_MESSAGES: Final = """
    INSERT INTO messages (id, user_id, conversation_id, run_id, position, parent_position, role, content,
        tool_calls, status, created_at)
    SELECT pg_temp.id_at(moment), user_id, conversation_id, run_id, position + answer,
        CASE WHEN position + answer > 0 THEN position + answer - 1 END,
        CASE answer WHEN 0 THEN 'user' ELSE 'assistant' END,
        concat_ws(' ', one.words || '.', other.words,
            CASE WHEN CAST(chance * 1e8 AS bigint) %% 1000 = 7 THEN CAST(%(rare)s AS text) END),
        '[]', 'completed', moment
    FROM (
        SELECT turns.*, answer, random() AS chance
        FROM turns CROSS JOIN generate_series(0, 1) AS answer
        WHERE n > %(after)s AND n <= %(after)s + %(batch)s
    ) AS said
    JOIN sentences AS one ON one.n = CAST(chance * 1e9 AS bigint) %% %(sentences)s
    JOIN sentences AS other ON other.n = CAST(chance * 1e6 AS bigint) %% %(sentences)s
    ORDER BY moment, answer
"""


@dataclass(frozen=True, slots=True)
class Size:
    messages: int
    conversations: int
    users: int

    @property
    def each(self) -> int:
        """Messages a conversation: an even number, for each has its answer."""
        return self.messages // self.conversations // 2 * 2


def subject_of(number: int) -> str:
    """The `sub` of a person."""
    return f"user-{number}"


def seed(url: str, size: Size) -> None:
    """Migrate the database at `url`, fill it, and have it know what is in it."""
    migrate(url)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(_PREPARE)
        _seed_people(connection, size.users)
        _seed_sentences(connection)
        numbers: dict[str, Any] = {
            "each": size.each,
            "conversations": size.conversations,
            "users": size.users,
            "sentences": _SENTENCES,
            "batch": _BATCH,
            "rare": RARE,
        }
        with _without_indexes(connection):
            connection.execute(_CONVERSATIONS, numbers)
            turns = psycopg.ClientCursor(connection).mogrify(_TURNS, numbers)
            connection.execute(turns.encode())
            for after in range(0, size.conversations * size.each // 2, _BATCH):
                connection.execute(_RUNS, numbers | {"after": after})
                connection.execute(_MESSAGES, numbers | {"after": after})
        connection.execute("VACUUM ANALYZE")


def _seed_people(connection: Connection, users: int) -> None:
    people = [(number, owner_id(_ISSUER, subject_of(number))) for number in range(users)]
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO people VALUES (%s, %s)", people)
    connection.execute(
        """
        INSERT INTO users (id, issuer, subject, created_at)
        SELECT id, %s, 'user-' || n, now() - interval '1 year' FROM people
        """,
        [_ISSUER],
    )


def _seed_sentences(connection: Connection) -> None:
    """Sentences of words of which a few are in most of them, and most in few, as they are in languages."""
    chance = random.Random(1)
    words = [COMMON, *("".join(chance.choices(_SYLLABLES, k=1 + n % 4)) for n in range(1, _WORDS))]
    weights = [1 / (rank + 1) for rank in range(_WORDS)]
    sentences = (
        (number, " ".join(chance.choices(words, weights, k=chance.randint(5, 15))).capitalize())
        for number in range(_SENTENCES)
    )
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO sentences VALUES (%s, %s)", sentences)


@contextmanager
def _without_indexes(connection: Connection) -> Generator[None]:
    """Make the indexes of what is filled after it is: that is faster."""
    found = connection.execute(
        """
        SELECT indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND tablename = ANY(%s)
            AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = indexname)
        """,
        [list(_TABLES)],
    ).fetchall()
    for name, _ in found:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    yield
    connection.execute("SET maintenance_work_mem = '512MB'")
    for _, definition in found:
        connection.execute(definition.encode())


def main() -> None:
    url = os.environ.get("DATABASE_URL")
    if not url:
        sys.exit("Set DATABASE_URL to an empty database.")
    counts = (int(os.environ.get(name, usual)) for name, usual in _USUAL.items())
    size, began = Size(*counts), time.monotonic()
    seed(url, size)
    print(f"{size.conversations * size.each:,} messages in {time.monotonic() - began:.0f} s")


_USUAL: Final = {"MESSAGES": "1000000", "CONVERSATIONS": "20000", "USERS": "500"}

if __name__ == "__main__":
    main()
