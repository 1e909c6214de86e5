"""Databases of a test's own, cloned from a migrated one."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
from sqlalchemy import make_url

__all__ = ["execute", "forget_crashes", "fresh_database"]


@contextmanager
def fresh_database(postgres_url: str, template: str) -> Generator[str]:
    name = f"turnlog_test_{uuid4().hex}"
    with _connected(postgres_url) as server:
        hurried = server.execute("SELECT current_setting('fsync') = 'off'").fetchone() == (True,)
        # Through the log it is slower, but for the two checkpoints of the other way.
        how = "STRATEGY file_copy" if hurried else ""
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {how}'.encode())
        yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def forget_crashes(postgres_url: str) -> None:
    """Let a server wait for no disk: killed processes lose nothing by it, only a machine that stops would."""
    for name in ("fsync", "full_page_writes"):
        execute(postgres_url, f"ALTER SYSTEM SET {name} = off")
    execute(postgres_url, "SELECT pg_reload_conf()")


def execute(url: str, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with _connected(url) as connection:
        cursor = connection.execute(statement.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []


def _connected(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
