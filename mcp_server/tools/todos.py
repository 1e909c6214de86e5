"""The user's todos, in Postgres."""

import re
from datetime import datetime
from typing import Annotated, Final, Literal, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, Select, and_, delete, false, func, insert, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from kit.postgres.tables import now
from mcp_server.confirming import Confirm, Unconfirmed
from mcp_server.context import NamedError, ToolContext, ToolError, deps, owner, zone
from mcp_server.effects import apply
from mcp_server.models import Todo
from mcp_server.moments import parse_moment
from mcp_server.tooling import tool

__all__ = ["TOOLS", "TodoItem", "TodoPage", "find_todo", "list_todos"]

Priority: TypeAlias = Literal["low", "normal", "high"]
Title = Annotated[str, Field(min_length=1, max_length=500, description="What is to be done")]
Due = Annotated[
    str, Field(max_length=100, description="When it is due, in the words of the user or as ISO 8601")
]
Notes = Annotated[str, Field(max_length=10_000, description="Anything more that the user said")]
Tag: TypeAlias = Annotated[str, Field(min_length=1, max_length=50)]
Tags = Annotated[list[Tag], Field(max_length=20, description="Labels that the user named")]
TodoId = Annotated[
    str, Field(min_length=1, max_length=500, description="The todo's id, or words of its title")
]


_MOST_MEANT: Final = 20


class NoSuchTodo(NamedError):
    """The user has no todo that is meant."""

    name = "not_found"

    def __init__(self) -> None:
        super().__init__("There is no such todo. Call list_todos for the ids.")


class TodoItem(BaseModel):
    id: str
    title: str
    status: Literal["open", "done"]
    priority: Priority
    due: datetime | None = None
    tags: list[str] = []
    notes: str | None = None


class TodoPage(BaseModel):
    todos: list[TodoItem]
    next_cursor: str | None = Field(None, description="Send it as cursor to get the next page")


async def add_todo(
    ctx: ToolContext,
    title: Title,
    due: Due | None = None,
    priority: Priority = "normal",
    tags: Tags | None = None,
    notes: Notes | None = None,
) -> TodoItem:
    """Add a todo to the user's list, for anything to remember, buy or do."""
    todo = Todo(
        user_id=owner(ctx),
        title=_title(title),
        due=_due(due, zone(ctx)),
        priority=priority,
        tags=_tags(tags),
        notes=_clean(notes) if notes else None,
    )
    item = _item(todo, zone(ctx))
    await apply(ctx, insert(Todo).values(todo.model_dump()), item)
    return item


async def list_todos(
    ctx: ToolContext,
    status: Annotated[Literal["open", "done", "all"], Field(description="Which todos")] = "open",
    tag: Annotated[str, Field(max_length=50, description="Only todos with this tag")] | None = None,
    due_before: Annotated[str, Field(max_length=100, description="Only todos due before this time")]
    | None = None,
    query: Annotated[str, Field(max_length=200, description="Words to look for in title and notes")]
    | None = None,
    limit: Annotated[int, Field(ge=1, le=100, description="How many at most")] = 50,
    cursor: Annotated[str, Field(max_length=64, description="next_cursor of the page before")] | None = None,
) -> TodoPage:
    """Show the user's todos: what there is to do and what is done. Oldest first."""
    wanted = _owned(owner(ctx)).order_by(col(Todo.id)).limit(limit + 1)
    if status != "all":
        completed = col(Todo.completed_at)
        wanted = wanted.where(completed.is_(None) if status == "open" else completed.is_not(None))
    if tag:
        wanted = wanted.where(col(Todo.tags).contains([_clean(tag).lower()]))
    if due_before:
        wanted = wanted.where(col(Todo.due) < parse_moment(due_before, zone(ctx)).at)
    if query:
        wanted = wanted.where(_mentions(query))
    if cursor:
        wanted = wanted.where(col(Todo.id) > _id(cursor, "That cursor is not one that list_todos gave."))
    async with deps(ctx).db() as session:
        found = list(await session.scalars(wanted))
    page = found[:limit]
    more = str(page[-1].id) if len(found) > limit else None
    return TodoPage(todos=[_item(todo, zone(ctx)) for todo in page], next_cursor=more)


async def update_todo(
    ctx: ToolContext,
    id: TodoId,  # noqa: A002
    title: Title | None = None,
    due: Annotated[
        str, Field(max_length=100, description="The new due time, as for add_todo; empty removes it")
    ]
    | None = None,
    priority: Priority | None = None,
    tags: Tags | None = None,
    notes: Notes | None = None,
    status: Annotated[Literal["open", "done"], Field(description="Open reopens a todo that is done")]
    | None = None,
) -> TodoItem:
    """Change a todo. What is left out stays as it is."""
    async with deps(ctx).db.begin() as session:
        todo = await _get_owned(session, owner(ctx), id)
        if title is not None:
            todo.title = _title(title)
        if due is not None:
            todo.due = _due(due, zone(ctx))
        if priority is not None:
            todo.priority = priority
        if tags is not None:
            todo.tags = _tags(tags)
        if notes is not None:
            todo.notes = _clean(notes) or None
        if status is not None:
            todo.completed_at = None if status == "open" else todo.completed_at or now()
        return await _update(ctx, session, todo)


async def complete_todo(ctx: ToolContext, id: TodoId) -> TodoItem:  # noqa: A002
    """Mark a todo as done. Doing so twice is harmless."""
    async with deps(ctx).db.begin() as session:
        todo = await _get_owned(session, owner(ctx), id)
        if todo.completed_at is None:
            todo.completed_at = now()
            return await _update(ctx, session, todo)
        item = _item(todo, zone(ctx))
        await apply(ctx, None, item, session)
        return item


async def delete_todo(ctx: ToolContext, id: TodoId, confirm: Confirm = False) -> TodoItem:  # noqa: A002, FBT002
    """Delete a todo for good, and return what it was. To tick one off, use complete_todo."""
    async with deps(ctx).db.begin() as session:
        todo = await _get_owned(session, owner(ctx), id)
        if not confirm:
            raise Unconfirmed(f"Delete the todo “{todo.title}” for good?")
        item = _item(todo, zone(ctx))
        await apply(ctx, delete(Todo).where(col(Todo.id) == todo.id), item, session)
        return item


async def find_todo(ctx: ToolContext, todo_id: UUID) -> TodoItem | None:
    """The user's todo with that id."""
    async with deps(ctx).db() as session:
        todo = await session.scalar(_owned(owner(ctx)).where(col(Todo.id) == todo_id))
    return _item(todo, zone(ctx)) if todo else None


async def _update(ctx: ToolContext, session: AsyncSession, todo: Todo) -> TodoItem:
    """Keep what a locked todo has become."""
    todo.updated_at = now()
    item, changed = _item(todo, zone(ctx)), todo.model_dump(exclude={"id", "user_id", "created_at"})
    await apply(ctx, update(Todo).where(col(Todo.id) == todo.id).values(changed), item, session)
    return item


def _owned(user_id: UUID) -> Select[Todo]:
    return select(Todo).where(col(Todo.user_id) == user_id)


async def _get_owned(session: AsyncSession, user_id: UUID, named: str) -> Todo:
    """The user's one todo that `named` means: its id, or words of its title. It is locked, and detached.

    Small models, and people, know a todo by its title. One that is open is meant before one that is done.
    Raises NoSuchTodo, and ToolError where several are meant.
    """
    meant = _owned(user_id).where(_is_meant(named)).order_by(col(Todo.id)).limit(_MOST_MEANT)
    found = list(await session.scalars(meant.with_for_update()))
    if not found:
        raise NoSuchTodo
    for some in (found, [todo for todo in found if todo.completed_at is None]):
        if len(some) == 1:
            session.expunge(some[0])
            return some[0]
    raise ToolError("Several todos have these words in their title. Call list_todos and send the id.")


def _is_meant(named: str) -> ColumnElement[bool]:
    try:
        return col(Todo.id) == UUID(named)
    except ValueError:
        words = re.findall(r"\w+", named.replace("_", " "))
        return and_(false() if not words else true(), *(col(Todo.title).icontains(word) for word in words))


def _id(text: str, message: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise ToolError(message) from error


def _mentions(query: str) -> ColumnElement[bool]:
    pattern = func.concat("%", func.regexp_replace(_clean(query), r"([\\%_])", r"\\\1", "g"), "%")
    return or_(col(Todo.title).ilike(pattern), col(Todo.notes).ilike(pattern))


def _title(text: str) -> str:
    title = _clean(text)
    if not title:
        raise ToolError("A todo needs a title that says what is to be done.")
    return title


def _clean(text: str) -> str:
    """Text that Postgres can keep. Raises ToolError for control characters that it cannot."""
    if "\x00" in text:
        raise ToolError("Texts cannot contain the NUL character.")
    return text.strip()


def _tags(tags: list[str] | None) -> list[str]:
    return list(dict.fromkeys(_clean(tag).lower() for tag in tags or []))


def _due(due: str | None, zone: ZoneInfo) -> datetime | None:
    return parse_moment(due, zone).end() if due else None


def _item(todo: Todo, zone: ZoneInfo) -> TodoItem:
    return TodoItem(
        id=str(todo.id),
        title=todo.title,
        status="open" if todo.completed_at is None else "done",
        priority=todo.priority,  # pyright: ignore[reportArgumentType]
        due=todo.due.astimezone(zone) if todo.due else None,
        tags=todo.tags,
        notes=todo.notes,
    )


TOOLS: Final = (
    tool(add_todo, title="Add a todo", once=True),
    tool(list_todos, title="List todos", read_only=True),
    tool(update_todo, title="Change a todo", idempotent=True, once=True),
    tool(complete_todo, title="Complete a todo", idempotent=True, once=True),
    tool(delete_todo, title="Delete a todo", destructive=True, idempotent=True, once=True),
)
