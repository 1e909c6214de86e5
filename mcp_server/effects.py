"""Calls that are repeated with the same key have their effect once.

What a call does and its result are kept in one transaction. There is no claim before: a repeat runs into the
primary key, or into what its first call has done, is rolled back, and answered with what is kept.
"""

import json
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final, TypeAlias
from uuid import UUID

from anyio import CancelScope
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult
from pydantic import BaseModel
from sqlalchemy import Delete, Insert, Update, delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from kit.postgres import Db
from kit.postgres.errors import violated
from kit.postgres.tables import now
from mcp_server.context import NamedError, ToolContext, ToolError, deps, owner
from mcp_server.models import ToolEffect

__all__ = [
    "IDEMPOTENCY_KEY",
    "AlreadyDone",
    "BadKey",
    "Effect",
    "KeyReused",
    "apply",
    "carrying",
    "effect_of",
    "is_carrying",
    "keep",
    "redo_of",
]

IDEMPOTENCY_KEY: Final = "turnlog/idempotency-key"
"""In `_meta` of a call: its key. In `_meta` of a tool: true where it heeds one."""

Change: TypeAlias = Insert | Update | Delete

_KEY: Final = re.compile(r"[ -~]{1,200}")
# A caller that has not repeated a call for so long never will, and the results are its user's data.
_KEPT: Final = timedelta(days=7)
_CLEARED_ONCE_IN: Final = 1000
_PRIMARY_KEY: Final = "tool_effects_pkey"


class BadKey(ToolError):
    """The key is malformed."""


class KeyReused(NamedError):
    """The key belongs to a call of another tool, or with other arguments."""

    name = "key_reused"


class AlreadyDone(ToolError):
    """A call with this key has had its effect."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A call that carries a key."""

    user_id: UUID
    key: str
    tool: Tool
    digest: bytes

    def row(self, result: BaseModel, redo: BaseModel | None = None) -> Insert:
        answer = self.tool.fn_metadata.convert_result(result)
        return insert(ToolEffect).values(
            user_id=self.user_id,
            key=self.key,
            tool=self.tool.name,
            digest=self.digest,
            result=answer.model_dump(mode="json", by_alias=True),
            redo=redo.model_dump(mode="json") if redo else None,
            created_at=now(),
        )

    async def kept(self, db: Db) -> CallToolResult | None:
        """What the first call with this key answered. Raises KeyReused."""
        mine = (col(ToolEffect.user_id) == self.user_id, col(ToolEffect.key) == self.key)
        columns = (col(ToolEffect.tool), col(ToolEffect.digest), col(ToolEffect.result))
        rows = await db.run(select(*columns).where(*mine), {})
        if not rows:
            return None
        tool, digest, result = rows[0]
        if (tool, digest) != (self.tool.name, self.digest):
            raise KeyReused(
                "That idempotency key belongs to another call: "
                "send a new key, or the same tool with the same arguments."
            )
        return CallToolResult.model_validate(result)

    async def clear_old(self, db: Db) -> None:
        """Now and then, delete what is too old to be asked for."""
        if hash(self.key) % _CLEARED_ONCE_IN == 0:
            await db.run(delete(ToolEffect).where(col(ToolEffect.created_at) < now() - _KEPT), {})


_carried: ContextVar[Effect | None] = ContextVar("effect", default=None)


def effect_of(tool: Tool, arguments: dict[str, Any], context: ToolContext) -> Effect | None:
    """None where the call carries no key, or the tool heeds none. Raises BadKey."""
    key: Any = (context.request_context.meta or {}).get(IDEMPOTENCY_KEY)
    if key is None or not (tool.meta or {}).get(IDEMPOTENCY_KEY):
        return None
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise BadKey(f"Send {IDEMPOTENCY_KEY} as a text of 1 to 200 printable ASCII characters.")
    sent = json.dumps(arguments, sort_keys=True, separators=(",", ":"))
    return Effect(owner(context), key, tool, sha256(sent.encode()).digest())


@contextmanager
def carrying(effect: Effect) -> Generator[None]:
    """Within it, `apply` and `keep` are for this call."""
    token = _carried.set(effect)
    try:
        yield
    finally:
        _carried.reset(token)


def is_carrying() -> bool:
    """Whether this call carries a key."""
    return _carried.get() is not None


async def apply(
    ctx: ToolContext, change: Change | None, result: BaseModel, session: AsyncSession | None = None
) -> None:
    """Change the database, in the session's transaction or one of its own, and keep the result with it.

    Change and result are one statement, so a key costs no round trip. Raises AlreadyDone.
    """
    effect = _carried.get()
    if effect is not None:
        row = effect.row(result)
        change = row if change is None else row.add_cte(change.cte("change"))
    if change is None:
        return
    with _refused():
        if session is None:
            await deps(ctx).db.run(change, {})
        else:
            await (await session.connection()).execute(change)


async def keep(ctx: ToolContext, result: BaseModel, redo: BaseModel) -> None:
    """Decide a change that is made outside of the database: keep its result, and how it is finished.

    Raises AlreadyDone.
    """
    effect = _carried.get()
    if effect is not None:
        # The thread of a call that is cancelled goes on, and has to know.
        with _refused(), CancelScope(shield=True):
            await deps(ctx).db.run(effect.row(result, redo), {})


async def redo_of(ctx: ToolContext, parts: Sequence[str]) -> list[Any]:
    """How the changes of the user are finished whose `part` is one of `parts`, where they were decided."""
    redo = col(ToolEffect.redo)
    mine = (col(ToolEffect.user_id) == owner(ctx), redo["part"].as_string().in_(parts))
    return [row[0] for row in await deps(ctx).db.run(select(redo).where(*mine), {})]


@contextmanager
def _refused() -> Generator[None]:
    try:
        yield
    except IntegrityError as error:
        if violated(error) != _PRIMARY_KEY:
            raise
        raise AlreadyDone("A call with that idempotency key has just been answered; try again.") from error
