"""What an argument may be completed to, from what belongs to the user."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from anyio import to_thread
from mcp_types import Completion
from sqlalchemy import Select, Text, cast, func, or_, select
from sqlmodel import col

from mcp_server import folders
from mcp_server.context import ToolContext, deps, owner
from mcp_server.models import Todo

__all__ = ["Completer", "among", "paths", "tags_of_open_todos", "todo_ids"]

Completer: TypeAlias = Callable[[ToolContext, str], Awaitable[Completion]]

MOST: Final = 100
"""The most that the specification lets one answer have."""

_LONGEST: Final = 1000
_TOTAL: Final = func.count().over()


async def paths(ctx: ToolContext, typed: str) -> Completion:
    """The files and folders of one folder, as a shell completes them: a folder ends with a slash."""
    return _of(await to_thread.run_sync(_paths, ctx, typed) if len(typed) <= _LONGEST else [])


async def todo_ids(ctx: ToolContext, typed: str) -> Completion:
    """The ids of todos that begin so or have this in their title; open ones first, then the newest."""
    todo_id, is_done = col(Todo.id), col(Todo.completed_at).is_not(None)
    meant = or_(
        cast(todo_id, Text).startswith(typed.lower(), autoescape=True),
        col(Todo.title).icontains(typed, autoescape=True),
    )
    found = select(todo_id, _TOTAL).where(col(Todo.user_id) == owner(ctx), meant)
    return await _selected(ctx, typed, found.order_by(is_done, todo_id.desc()))


async def tags_of_open_todos(ctx: ToolContext, typed: str) -> Completion:
    mine = (col(Todo.user_id) == owner(ctx), col(Todo.completed_at).is_(None))
    tag = select(func.unnest(col(Todo.tags)).label("tag")).where(*mine).distinct().subquery().c.tag
    found = select(tag, _TOTAL).where(tag.startswith(typed.lower(), autoescape=True))
    return await _selected(ctx, typed, found.order_by(tag))


def among(*values: str) -> Completer:
    async def complete(_: ToolContext, typed: str) -> Completion:
        return _of([value for value in values if value.startswith(typed.lower())])

    return complete


async def _selected(ctx: ToolContext, typed: str, found: Select[Any, int]) -> Completion:
    if len(typed) > _LONGEST or "\x00" in typed:  # which Postgres cannot take
        return _of([])
    rows = await deps(ctx).db.run(found.limit(MOST), {})
    return _of([str(row[0]) for row in rows], total=rows[0][1] if rows else 0)


def _paths(ctx: ToolContext, typed: str) -> list[str]:
    above, slash, name = typed.rpartition("/")
    try:
        parts = folders.split(above + slash)  # a slash alone is a path from the root, and refused
        with folders.open_folder(deps(ctx).files_root, owner(ctx)) as folder:
            inside = list(folders.walk(folder, parts, deepest=len(parts) + 1))
    except (folders.PathRefused, folders.NothingThere):
        return []
    return [
        f"{entry.path}/" if entry.is_folder else entry.path
        for entry in inside
        if entry.parts[-1].casefold().startswith(name.casefold())
    ]


def _of(values: list[str], *, total: int | None = None) -> Completion:
    total = len(values) if total is None else total
    return Completion(values=values[:MOST], total=total, has_more=total > MOST)
