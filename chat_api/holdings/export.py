"""All that somebody has, as lines of JSON."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import RowMapping, Select, select, tuple_

from chat_api.holdings.holdings import Holdings
from chat_api.holdings.tree import Branch, branches, shown
from kit.postgres import Db
from kit.postgres.tables import now

__all__ = ["export"]

_PAGE: Final = 200


async def export(holdings: Holdings, user_id: UUID) -> AsyncGenerator[bytes]:
    """A line for each row, by table, then one for each file, and a last one that counts them.

    They are read a page at a time, so that no connection is kept while somebody reads slowly.
    """
    yield _line("export", {"format": "turnlog-export", "version": 1, "id": user_id, "exported_at": now()})
    lines = 0
    for branch in branches():
        if branch.above is None:
            async for kind, row in _walk(holdings.db, branch, [user_id]):
                lines += 1
                yield _line(kind, row)
    for file in await asyncio.to_thread(holdings.files, user_id):
        lines += 1
        yield _line("files", {"path": file.path, "size": file.size, "modified": file.modified})
    yield _line("end", {"lines": lines})


async def _walk(
    db: Db, branch: Branch, above: Sequence[object]
) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
    """The rows of a branch, each page followed by what belongs to it."""
    below = [each for each in branches() if each.above is branch]
    keys = list(branch.table.primary_key)
    wanted = select(*shown(branch.table)).where(branch.column.in_(above)).order_by(*keys).limit(_PAGE)
    last: Sequence[object] | None = None
    while True:
        rows = await _page(db, wanted if last is None else wanted.where(tuple_(*keys) > tuple_(*last)))
        for row in rows:
            yield branch.table.name, dict(row)
        for each in below:
            key = next(iter(each.column.foreign_keys)).column.name
            async for found in _walk(db, each, [row[key] for row in rows]):
                yield found
        if len(rows) < _PAGE:
            return
        last = [rows[-1][key.name] for key in keys]


async def _page(db: Db, wanted: Select[*tuple[Any, ...]]) -> Sequence[RowMapping]:
    async with db() as session:
        return (await session.execute(wanted)).mappings().all()


def _line(kind: str, data: dict[str, Any]) -> bytes:
    return to_json({"type": kind, "data": data}) + b"\n"
