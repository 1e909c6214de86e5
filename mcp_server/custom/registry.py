"""Keeping custom tools: every change of what one does is a version of its own."""

from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Select, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from kit.ids import new_id
from kit.postgres import Db
from kit.postgres.errors import violated
from kit.postgres.tables import now
from mcp_server.custom.catalogue import CustomTools
from mcp_server.custom.checking import Draft, checked
from mcp_server.custom.errors import (
    CustomToolChanged,
    CustomToolNotFound,
    NameTaken,
    TooManyCustomTools,
)
from mcp_server.custom.names import skeleton
from mcp_server.models import CustomTool, CustomToolVersion

__all__ = [
    "MOST_TOOLS",
    "Kept",
    "Version",
    "change",
    "get",
    "listed",
    "named",
    "register",
    "remove",
    "restore",
    "set_enabled",
    "versions",
]

MOST_TOOLS: Final = 100
"""How many custom tools there may be."""

_NOBODY: Final = UUID(int=0)
_NAMES: Final = frozenset({"custom_tools_name", "custom_tools_skeleton"})


@dataclass(frozen=True, slots=True)
class Kept:
    """A custom tool as it is now. `created_by` is None where it came by the command line."""

    id: UUID
    name: str
    version: int
    enabled: bool
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime
    description: str
    parameters: dict[str, Any]
    code: str


@dataclass(frozen=True, slots=True)
class Version:
    version: int
    description: str
    parameters: dict[str, Any]
    code: str
    created_by: UUID | None
    created_at: datetime


async def register(tools: CustomTools, draft: Draft, by: UUID | None) -> Kept:
    """Add a tool. Raises Unfit, NameTaken, TooManyCustomTools."""
    draft = await checked(draft, tools.built_in, by or _NOBODY)
    tool = CustomTool(
        id=new_id(), name=draft.name, skeleton=skeleton(draft.name), version=1, enabled=True, created_by=by
    )
    with _named_errors():
        async with tools.db.begin() as session:
            there = (await session.execute(select(func.count()).select_from(CustomTool))).scalar_one()
            if there >= MOST_TOOLS:
                raise TooManyCustomTools(MOST_TOOLS)
            session.add(tool)
            await session.flush()
            session.add(_version(tool.id, 1, draft, by))
    tools.changed()
    return await get(tools.db, tool.id)


async def change(
    tools: CustomTools, tool_id: UUID, draft: Draft, seen: Collection[int], by: UUID | None
) -> Kept:
    """Make a new version, of the same name, of a tool whose newest version is one of those `seen`.

    Raises CustomToolNotFound, CustomToolChanged, Unfit.
    """
    kept = await get(tools.db, tool_id)
    draft = await checked(replace(draft, name=kept.name), tools.built_in, by or _NOBODY)
    async with tools.db.begin() as session:
        newest = await _advance(session, tool_id, seen)
        session.add(_version(tool_id, newest, draft, by))
    tools.changed()
    return await get(tools.db, tool_id)


async def restore(
    tools: CustomTools, tool_id: UUID, version: int, seen: Collection[int], by: UUID | None
) -> Kept:
    """Make a new version that is what `version` was. Raises as `change` does."""
    old = next((one for one in await versions(tools.db, tool_id) if one.version == version), None)
    if old is None:
        raise CustomToolNotFound
    draft = Draft("", old.description, old.parameters, old.code)
    return await change(tools, tool_id, draft, seen, by)


async def set_enabled(tools: CustomTools, tool_id: UUID, *, enabled: bool) -> Kept:
    """Let it be called, or not. Raises CustomToolNotFound."""
    setting = (
        update(CustomTool)
        .where(col(CustomTool.id) == tool_id)
        .values(enabled=enabled, updated_at=now())
        .returning(col(CustomTool.id))
    )
    if not await tools.db.run(setting, {}):
        raise CustomToolNotFound
    tools.changed()
    return await get(tools.db, tool_id)


async def remove(tools: CustomTools, tool_id: UUID) -> None:
    """Remove it with all its versions. Raises CustomToolNotFound."""
    removing = delete(CustomTool).where(col(CustomTool.id) == tool_id).returning(col(CustomTool.id))
    if not await tools.db.run(removing, {}):
        raise CustomToolNotFound
    tools.changed()


async def listed(db: Db) -> list[Kept]:
    """All of them, enabled or not, by name."""
    return [Kept(*row) for row in await db.run(_kept().order_by(col(CustomTool.name)), {})]


async def get(db: Db, tool_id: UUID) -> Kept:
    """Raises CustomToolNotFound."""
    return _one(await db.run(_kept().where(col(CustomTool.id) == tool_id), {}))


async def named(db: Db, name: str) -> Kept:
    """Raises CustomToolNotFound."""
    return _one(await db.run(_kept().where(col(CustomTool.name) == name), {}))


async def versions(db: Db, tool_id: UUID) -> list[Version]:
    """The versions of a tool, newest first. Raises CustomToolNotFound."""
    version = CustomToolVersion
    columns = (col(version.version), col(version.description), col(version.parameters), col(version.code))
    wanted = (
        select(*columns, col(version.created_by), col(version.created_at))
        .where(col(version.tool_id) == tool_id)
        .order_by(col(version.version).desc())
    )
    rows = await db.run(wanted, {})
    if not rows:
        raise CustomToolNotFound
    return [Version(*row) for row in rows]


def _kept() -> Select[*tuple[Any, ...]]:
    tool, version = CustomTool, CustomToolVersion
    newest = (col(version.tool_id) == col(tool.id)) & (col(version.version) == col(tool.version))
    return select(
        *(col(tool.id), col(tool.name), col(tool.version), col(tool.enabled), col(tool.created_by)),
        *(col(tool.created_at), col(tool.updated_at)),
        *(col(version.description), col(version.parameters), col(version.code)),
    ).join(version, newest)


def _one(rows: Sequence[Row[*tuple[Any, ...]]]) -> Kept:
    if not rows:
        raise CustomToolNotFound
    return Kept(*rows[0])


def _version(tool_id: UUID, version: int, draft: Draft, by: UUID | None) -> CustomToolVersion:
    return CustomToolVersion(
        tool_id=tool_id,
        version=version,
        description=draft.description,
        parameters=draft.parameters,
        code=draft.code,
        created_by=by,
    )


async def _advance(session: AsyncSession, tool_id: UUID, seen: Collection[int]) -> int:
    """Count the version up, unless somebody else has done so: of two, the second waits for the first."""
    version = col(CustomTool.version)
    advancing = (
        update(CustomTool)
        .where(col(CustomTool.id) == tool_id, version.in_(seen))
        .values(version=version + 1, updated_at=now())
        .returning(version)
    )
    newest = await session.scalar(advancing)
    if newest is None:
        raise CustomToolChanged
    return newest


@contextmanager
def _named_errors() -> Generator[None]:
    try:
        yield
    except IntegrityError as error:
        if violated(error) not in _NAMES:
            raise
        raise NameTaken from error
