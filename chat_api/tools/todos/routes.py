"""The user's todos, which the assistant keeps, too."""

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Final, Literal, TypeAlias, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from chat_api.auth.dependencies import Caller
from chat_api.auth.service import Delegation
from chat_api.tools.bridge import ToolBridge
from chat_api.tools.todos.errors import TodoNotFound
from chat_api.tools.todos.schemas import NewTodo, TodoChange, TodoList, TodoOut, Zone
from chat_api.tools.todos.service import Desk

_PREFIX: Final = "/api/v1/todos"
_ONE: Final = "/{todo_id}"

router = APIRouter(prefix=_PREFIX, tags=["todos"])


async def _desk(
    request: Request,
    caller: Caller,
    timezone: Annotated[
        Zone | None,
        Query(description="The zone that times are read and told in; left out, the user's own"),
    ] = None,
) -> Desk:
    delegation = cast("Delegation", request.state.delegation)
    person = caller if timezone is None else replace(caller, claims=caller.claims | {"zoneinfo": timezone})
    return Desk(cast("ToolBridge", request.state.tools), delegation.deputy(person))


async def _todo_id(todo_id: Annotated[str, Path(json_schema_extra={"format": "uuid"})]) -> UUID:
    """Words are the id of nothing, though the tools would take those of a title. Raises TodoNotFound."""
    try:
        found = UUID(todo_id)
    except ValueError as error:
        raise TodoNotFound from error
    if str(found) != todo_id.lower():
        raise TodoNotFound
    return found


Todos: TypeAlias = Annotated[Desk, Depends(_desk)]
TodoId: TypeAlias = Annotated[UUID, Depends(_todo_id)]
_Words: TypeAlias = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]


@router.get("")
async def list_todos(
    todos: Todos,
    status: Literal["open", "done", "all"] = "open",
    tag: Annotated[str, Query(max_length=50, pattern=r"^[^\x00]*$")] | None = None,
    query: Annotated[_Words, Query(description="Words of title and notes")] | None = None,
    due_before: Annotated[
        str,
        Query(
            max_length=100,
            pattern=r"^[^\x00]*$",
            description="A time, written as `due` of a new one; of a date alone its first minute, and "
            "`tomorrow` is tomorrow at this time",
        ),
    ]
    | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[UUID, Query(description="`next_cursor` of the page before")] | None = None,
) -> TodoList:
    """One's todos, the oldest first."""
    wanted = {"status": status, "tag": tag, "query": query, "due_before": due_before, "limit": limit}
    wanted["cursor"] = None if cursor is None else str(cursor)
    return await todos.listed({name: value for name, value in wanted.items() if value is not None})


@router.post("", status_code=HTTPStatus.CREATED)
async def add_todo(
    todos: Todos,
    body: NewTodo,
    response: Response,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            pattern=r"^[\x21-\x7e]{1,255}$",
            description="The same key with the same body is the same todo, however often it is sent",
        ),
    ] = None,
) -> TodoOut:
    """Add one."""
    added = await todos.add(body.model_dump(exclude_none=True), idempotency_key)
    response.headers["Location"] = f"{_PREFIX}/{added.id}"
    return added


@router.get(_ONE)
async def get_todo(todos: Todos, todo_id: TodoId) -> TodoOut:
    """One of them."""
    return await todos.get(todo_id)


@router.patch(_ONE)
async def change_todo(todos: Todos, todo_id: TodoId, body: TodoChange) -> TodoOut:
    """Change one, tick it off, or open it again."""
    return await todos.change(todo_id, body.arguments)


@router.delete(_ONE, status_code=HTTPStatus.NO_CONTENT)
async def delete_todo(todos: Todos, todo_id: TodoId) -> None:
    """Delete one for good."""
    await todos.delete(todo_id)
