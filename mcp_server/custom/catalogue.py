"""The custom tools there are, as far as this process knows."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from uuid import UUID

import anyio
from sqlalchemy import select
from sqlmodel import col

from kit.postgres import Db
from mcp_server.custom.parameters import Validator, validator_of
from mcp_server.models import CustomTool, CustomToolVersion

__all__ = ["LIFETIME", "CustomTools", "Enabled"]

LIFETIME: Final = 2.0
"""Seconds after which what other processes have changed is seen."""


@dataclass(frozen=True)
class Enabled:
    """A custom tool that can be called, in its newest version."""

    id: UUID
    version: int
    name: str
    description: str
    parameters: dict[str, Any]
    code: str

    @cached_property
    def validator(self) -> Validator:
        return validator_of(self.parameters)


@dataclass(slots=True)
class CustomTools:
    """The custom tools of one server; `built_in` are the names that they cannot have."""

    db: Db
    built_in: frozenset[str]
    last: Mapping[str, Enabled] = field(default_factory=dict[str, Enabled])
    """Those there were when somebody last looked, by name."""

    _until: float = 0.0
    _changes: int = 0
    _looking: anyio.Lock = field(default_factory=anyio.Lock)

    async def enabled(self) -> Mapping[str, Enabled]:
        """Those there are, or were 2 s ago, by name and in its order."""
        if time.monotonic() >= self._until:
            async with self._looking:
                if time.monotonic() >= self._until:
                    await self._look()
        return self.last

    def changed(self) -> None:
        """Look again before the next answer."""
        self._changes += 1
        self._until = 0.0

    async def _look(self) -> None:
        began, changes = time.monotonic(), self._changes
        known = {(tool.id, tool.version) for tool in self.last.values()}
        ids = select(col(CustomTool.id), col(CustomTool.version)).where(col(CustomTool.enabled))
        if {(row.id, row.version) for row in await self.db.run(ids, {})} != known:
            self.last = await _enabled(self.db)
        # What was changed while we looked may not have been seen.
        self._until = began + LIFETIME if changes == self._changes else 0.0


async def _enabled(db: Db) -> Mapping[str, Enabled]:
    tool, version = CustomTool, CustomToolVersion
    columns = (col(version.description), col(version.parameters), col(version.code))
    newest = (col(version.tool_id) == col(tool.id)) & (col(version.version) == col(tool.version))
    wanted = (
        select(col(tool.id), col(tool.version), col(tool.name), *columns)
        .join(version, newest)
        .where(col(tool.enabled))
        .order_by(col(tool.name))
    )
    return {row.name: Enabled(*row) for row in await db.run(wanted, {})}
