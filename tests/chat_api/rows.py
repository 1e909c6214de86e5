"""Every row of a database as text, to look for what is not to be there."""

import psycopg
from psycopg import sql

__all__ = ["all_rows", "of", "tables_of_people"]

_TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
# Those with a user_id, and those that belong to one of these.
_OF_PEOPLE = """
    WITH RECURSIVE owned AS (
        SELECT attrelid AS oid FROM pg_attribute
        WHERE attname = 'user_id' AND attrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r')
        UNION SELECT conrelid FROM pg_constraint JOIN owned ON confrelid = owned.oid WHERE contype = 'f'
    )
    SELECT relname FROM pg_class JOIN owned USING (oid)
    WHERE relnamespace = 'public'::regnamespace UNION SELECT 'users'
"""


def all_rows(url: str) -> dict[str, list[str]]:
    """By table. What is kept as bytes is there in hexadecimal digits."""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        names: list[str] = [name for (name,) in connection.execute(_TABLES)]
        found: dict[str, list[str]] = {}
        for name in sorted(names):
            query = sql.SQL("SELECT one::text FROM {} AS one ORDER BY 1").format(sql.Identifier(name))
            found[name] = [row for (row,) in connection.execute(query)]
        return found


def tables_of_people(url: str) -> set[str]:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        return {name for (name,) in connection.execute(_OF_PEOPLE)}


def of(rows: dict[str, list[str]], *words: str) -> dict[str, list[str]]:
    """The rows that one of the words is in, as itself or in hexadecimal digits."""
    wanted = [form for word in words for form in (word, word.replace("-", ""), word.encode().hex())]
    found = {
        name: [row for row in each if any(word in row for word in wanted)] for name, each in rows.items()
    }
    return {name: each for name, each in found.items() if each}
