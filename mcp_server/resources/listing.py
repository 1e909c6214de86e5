"""The resources and templates that a client is shown."""

from datetime import UTC, datetime
from itertools import dropwhile
from typing import Final

from anyio import to_thread
from mcp_types import Annotations, Resource, ResourceTemplate

from mcp_server import folders, pages
from mcp_server.context import ToolContext, deps, owner
from mcp_server.resources.addresses import FILE_TEMPLATE, TODO_TEMPLATE, file_uri, todo_uri
from mcp_server.resources.contents import FOLDER_TYPE, JSON_TYPE, mime_type

__all__ = ["TEMPLATES", "listed"]

_WHAT: Final = "resources"

_TODOS: Final = (
    Resource(
        uri=todo_uri("open"),
        name="open_todos",
        title="Open todos",
        description="What the user has to do, oldest first, without the notes",
        mime_type=JSON_TYPE,
    ),
    Resource(
        uri=todo_uri("all"),
        name="all_todos",
        title="All todos",
        description="What the user has to do and what is done, oldest first, without the notes",
        mime_type=JSON_TYPE,
    ),
)

TEMPLATES: Final = (
    ResourceTemplate(
        uri_template=TODO_TEMPLATE,
        name="todo",
        title="A todo",
        description="One todo with its notes, by its id",
        mime_type=JSON_TYPE,
    ),
    ResourceTemplate(
        uri_template=FILE_TEMPLATE,
        name="file",
        title="A file",
        description="A file of the user, or the URIs of what is in a folder, by its path",
    ),
)


async def listed(ctx: ToolContext, cursor: str | None) -> tuple[list[Resource], str | None]:
    """A page of the todos and the top of the folder. Raises BadCursor."""
    after = pages.key_before(_WHAT, cursor)
    entries, following = await to_thread.run_sync(_top, ctx, after)
    files = [_shown(entry) for entry in entries]
    return (files if after else [*_TODOS, *files]), following


def _top(ctx: ToolContext, after: str | None) -> tuple[list[folders.Entry], str | None]:
    with folders.open_folder(deps(ctx).files_root, owner(ctx)) as folder:
        entries = folders.walk(folder, deepest=1)
        if after:
            entries = dropwhile(lambda entry: entry.path <= after, entries)
        return pages.cut(_WHAT, entries, lambda entry: entry.path)


def _shown(entry: folders.Entry) -> Resource:
    modified = datetime.fromtimestamp(int(entry.modified), UTC)
    return Resource(
        uri=file_uri(entry.parts),
        name=entry.path,
        mime_type=FOLDER_TYPE if entry.is_folder else mime_type(entry.path),
        size=None if entry.is_folder else entry.size,
        annotations=Annotations(last_modified=modified.isoformat()),
    )
