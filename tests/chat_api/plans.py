"""How Postgres goes about what the API asks it: every statement that was sent, and its plan."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Engine, event

__all__ = ["Statements", "listening", "scans_of"]


class Statements:
    """Each statement once, with parameters that it was sent with."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}

    def take(
        self, _c: object, _cursor: object, statement: str, parameters: Any, _context: object, many: bool
    ) -> None:
        self.found.setdefault(statement, parameters[0] if many else parameters)


@contextmanager
def listening() -> Generator[Statements]:
    """Hear what all engines of this process are asked."""
    heard = Statements()
    event.listen(Engine, "before_cursor_execute", heard.take)
    try:
        yield heard
    finally:
        event.remove(Engine, "before_cursor_execute", heard.take)


def scans_of(url: str, heard: Statements) -> dict[str, set[str]]:
    """By statement: the tables that Postgres would read from the first row to the last."""
    found: dict[str, set[str]] = {}
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement, parameters in heard.found.items():
            if statement.lstrip().upper().startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
                explain = f"EXPLAIN (FORMAT JSON) {statement}"
                [[[plan]]] = connection.execute(explain.encode(), parameters).fetchall()
                if scanned := set(_scanned(plan["Plan"])):
                    found[statement] = scanned
    return found


def _scanned(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from _scanned(part)
