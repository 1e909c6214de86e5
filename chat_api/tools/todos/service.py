"""Todos by way of the tool server, in the name of their user."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, TypeVar, cast
from uuid import UUID

from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolResult, RequestParamsMeta, TextContent, TextResourceContents
from pydantic import BaseModel

from chat_api.auth.service import Deputy
from chat_api.tools.bridge import ToolBridge
from chat_api.tools.function_tools import KEY
from chat_api.tools.todos.errors import NotATime, TodoKeyReused, TodoNotFound, TodosUnavailable
from chat_api.tools.todos.schemas import TodoList, TodoOut
from kit.ids import new_id

__all__ = ["Desk"]

# In the `_meta` of an error: which one it is.
_ERROR: Final = "turnlog/error"

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Desk:
    """The todos of one person. Ids are those of todos, never words of a title. All raise TodosUnavailable."""

    bridge: ToolBridge
    deputy: Deputy

    async def listed(self, wanted: dict[str, Any]) -> TodoList:
        """A page of them. Raises NotATime."""
        return await self._call("list_todos", wanted, TodoList)

    async def add(self, todo: dict[str, Any], key: str | None) -> TodoOut:
        """Add one, or none where `key` was sent before. Raises NotATime and TodoKeyReused."""
        return await self._call("add_todo", todo, TodoOut, key)

    async def get(self, todo_id: UUID) -> TodoOut:
        """Raises TodoNotFound."""

        async def send(client: Client) -> TodoOut:
            try:
                found = (await client.read_resource(f"todo://{todo_id}")).contents
            except MCPError as error:
                if error.code == INVALID_PARAMS:
                    raise TodoNotFound from error
                raise
            text = found[0].text if found and isinstance(found[0], TextResourceContents) else ""
            return TodoOut.model_validate_json(text)

        return await self.bridge.ask(self.deputy, send, TodosUnavailable)

    async def change(self, todo_id: UUID, changes: dict[str, Any]) -> TodoOut:
        """Raises TodoNotFound and NotATime."""
        return await self._call("update_todo", {"id": str(todo_id), **changes}, TodoOut)

    async def delete(self, todo_id: UUID) -> None:
        """Raises TodoNotFound."""
        await self._call("delete_todo", {"id": str(todo_id), "confirm": True}, TodoOut)

    async def _call(self, tool: str, arguments: dict[str, Any], model: type[M], key: str | None = None) -> M:
        meta = cast("RequestParamsMeta", {KEY: _key(key)})

        async def send(client: Client) -> M:
            result = await client.call_tool(tool, arguments, meta=meta)
            if result.is_error:
                raise _problem(result)
            return model.model_validate(result.structured_content)

        return await self.bridge.ask(self.deputy, send, TodosUnavailable)


def _key(sent: str | None) -> str:
    """A key that no other kind of call has; a new one for a call that nobody but us repeats."""
    return f"todos:{new_id() if sent is None else sha256(sent.encode()).hexdigest()}"


def _problem(result: CallToolResult) -> Exception:
    match (result.meta or {}).get(_ERROR):
        case "not_found":
            return TodoNotFound()
        case "not_a_time":
            return NotATime("".join(part.text for part in result.content if isinstance(part, TextContent)))
        case "key_reused":
            return TodoKeyReused()
        case _:
            return TodosUnavailable()
