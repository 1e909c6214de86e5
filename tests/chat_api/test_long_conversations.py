"""What a turn reads does not depend on how long its conversation is."""

from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from tests.chat_api.replica import execute
from tests.model_server import ModelServer, say
from tests.servers import Person, StartApi

LENGTHEN = """
    WITH was AS (
        UPDATE conversations SET next_position = %(length)s WHERE id = %(id)s RETURNING id, user_id
    ), told AS (
        INSERT INTO messages
            (id, user_id, conversation_id, run_id, position, parent_position, role, content, tool_calls,
             status, created_at)
        SELECT gen_random_uuid(), user_id, was.id, gen_random_uuid(), n, n - 1,
            CASE WHEN n %% 2 = 0 THEN 'user' ELSE 'assistant' END, 'Number ' || n, '[]', 'completed', now()
        FROM was, generate_series(2, %(length)s - 1) AS n
    )
    INSERT INTO runs
        (id, user_id, conversation_id, position, answer_position, status, attempt, cancel_requested, folded,
         created_at, finished_at)
    SELECT gen_random_uuid(), user_id, was.id, n, n + 1, 'completed', 1, false, true, now(), now()
    FROM was, generate_series(2, %(length)s - 2, 2) AS n
"""
# Autovacuum would read them, too, and a turn would put the words of all of them into their index.
QUIET = """
    ALTER TABLE messages SET (autovacuum_enabled = false, toast.autovacuum_enabled = false);
    ALTER TABLE runs SET (autovacuum_enabled = false)
"""
READ = """
    SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int,
        sum(heap_blks_read + heap_blks_hit)::int,
        (SELECT sum(idx_tup_read)::int FROM pg_stat_user_indexes),
        (SELECT sum(idx_blks_read + idx_blks_hit)::int FROM pg_statio_user_indexes)
    FROM pg_stat_user_tables JOIN pg_statio_user_tables USING (relid)
"""

ENLARGE = """
    UPDATE messages SET content = (
        SELECT string_agg(md5(position || ' ' || n), ' ') FROM generate_series(1, 1250) AS n
    ) WHERE position > 1
"""
READ_OF_TEXTS = """
    SELECT (toast_blks_read + toast_blks_hit)::int FROM pg_statio_user_tables WHERE relname = 'messages'
"""


class Read(NamedTuple):
    """What Postgres has read of our tables."""

    rows: int
    blocks: int
    entries: int
    index_blocks: int


def lengthen(url: str, conversation_id: str, length: int) -> None:
    """Let the conversation have as many messages, and the runs that they are of."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(QUIET)
        connection.execute(LENGTHEN, {"length": length, "id": UUID(conversation_id)})
        connection.execute("SELECT gin_clean_pending_list('messages_search')")
        # Which autovacuum would do within a minute.
        connection.execute("VACUUM ANALYZE")


def until_alone(url: str) -> None:
    """Until all other sessions are over, for each tells at its end what it has read."""
    others = "datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    while execute(url, f"SELECT count(*) FROM pg_stat_activity WHERE {others}")[0][0]:
        pass


def read_so_far(url: str) -> Read:
    until_alone(url)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        found = connection.execute(READ).fetchone()
    assert found is not None
    return Read(*found)


def take_turn(start_api: StartApi, message: str, conversation_id: str | None = None) -> dict[str, Any]:
    """A turn at a replica that is gone then."""
    with start_api() as url:
        alice = Person(url, "alice")
        with alice.http:
            return alice.say(message, conversation_id)


def test_a_turn_reads_as_much_of_thirty_thousand_messages_as_of_four_hundred(
    start_api: StartApi, database_url: str, model: ModelServer
) -> None:
    read: list[Read] = []
    model.script = lambda _: say("I do.")
    for length in (400, 30_000):
        said = take_turn(start_api, "Hello")
        lengthen(database_url, said["conversation_id"], length)
        before = read_so_far(database_url)
        take_turn(start_api, "Do you remember?", said["conversation_id"])
        after = read_so_far(database_url)
        read.append(Read(*(late - early for late, early in zip(after, before, strict=True))))
        heard = [message["content"] for message in model.requests[-1]["messages"]]
        assert heard[-2:] == [f"Number {length - 1}", "Do you remember?"]
        # The instructions, the newest 400 messages, and the new one.
        assert len(heard) <= 402
    short, long = read
    assert short.rows >= 398
    # A small table is read whole, which costs less than its index.
    assert long.rows <= short.rows
    assert long.entries < 600
    assert long.blocks <= short.blocks + 30
    assert long.index_blocks <= short.index_blocks + 60


def test_no_more_is_read_of_large_messages_than_a_model_can_take(
    start_api: StartApi, database_url: str, model: ModelServer
) -> None:
    model.script = lambda _: say("I do.")
    said = take_turn(start_api, "Hello")
    lengthen(database_url, said["conversation_id"], 300)
    execute(database_url, ENLARGE)
    until_alone(database_url)
    before = execute(database_url, READ_OF_TEXTS)
    take_turn(start_api, "Do you remember?", said["conversation_id"])
    until_alone(database_url)
    after = execute(database_url, READ_OF_TEXTS)
    # All that there is are over 1,500 blocks.
    assert 0 < after[0][0] - before[0][0] < 300
