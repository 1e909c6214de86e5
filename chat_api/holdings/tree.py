"""Which tables hold what of a person: as the schema says it, so that none is forgotten."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import Column, LargeBinary, Table
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import SQLModel

__all__ = ["Branch", "branches", "loose", "makers", "shown"]

_USERS: Final = "users"
_OWNER: Final = "user_id"
_MAKER: Final = "created_by"
_SECRET: Final = frozenset({"password_hash"})


@dataclass(frozen=True, slots=True)
class Branch:
    """Rows of `table` whose `column` is the id of the person, or of a row of the branch `above`."""

    table: Table
    column: Column[Any]
    above: "Branch | None" = None


@cache
def branches() -> tuple[Branch, ...]:
    """Every table with rows of a person, after the one that it is reached from.

    A table that names its owner by a foreign key is reached from the person, another one from what it
    belongs to; one that belongs to nothing by its `user_id` alone.
    """
    users = SQLModel.metadata.tables[_USERS]
    found = {_USERS: Branch(users, users.c.id)}
    for table in SQLModel.metadata.sorted_tables:
        owned = _points_to(table, _USERS)
        above = [(each, _points_to(table, name)) for name, each in found.items() if name != _USERS]
        reached = [(each, column) for each, column in above if column is not None]
        if table is users:
            continue
        if owned is not None:
            found[table.name] = Branch(table, owned)
        elif reached:
            found[table.name] = Branch(table, reached[0][1], reached[0][0])
        elif _OWNER in table.c:
            found[table.name] = Branch(table, table.c[_OWNER])
    return tuple(found.values())


def loose() -> list[Branch]:
    """Those that a person's row does not take with it when it is deleted."""
    return [
        branch
        for branch in branches()
        if branch.above is None and branch.table.name != _USERS and not branch.column.foreign_keys
    ]


def makers() -> list[Column[Any]]:
    """Where it is said who made what is everybody's."""
    return [table.c[_MAKER] for table in SQLModel.metadata.sorted_tables if _MAKER in table.c]


def shown(table: Table) -> list[Column[Any]]:
    """The columns that may be read: no hashes, no sealed secrets, nothing that is made of others."""
    return [
        column
        for column in table.c
        if not isinstance(column.type, LargeBinary | TSVECTOR) and column.name not in _SECRET
    ]


def _points_to(table: Table, name: str) -> Column[Any] | None:
    """The column whose rows go with those of table `name`."""
    for key in table.foreign_keys:
        if key.column.table.name == name and (key.ondelete or "").upper() == "CASCADE":
            return key.parent
    return None
