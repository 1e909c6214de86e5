"""Prompts about the user's files."""

from typing import Final

from mcp_types import EmbeddedResource, PromptMessage, ResourceLink, TextContent, TextResourceContents

from mcp_server import folders
from mcp_server.completions import among, paths
from mcp_server.context import ToolContext
from mcp_server.prompts.prompt import Argument, Arguments, BadArgument, Prompt
from mcp_server.resources import Contents, file_contents

__all__ = ["SUMMARISE_FILE"]

_LENGTHS: Final = {
    "short": "in at most three sentences",
    "medium": "in one or two paragraphs",
    "long": "section by section, on about a page",
}
# What a model can read at once beside a conversation.
_EMBEDDED: Final = 100_000


async def _summarise(ctx: ToolContext, arguments: Arguments) -> list[PromptMessage]:
    length = arguments.get("length", "medium")
    if length not in _LENGTHS:
        raise BadArgument(f"Send `length` as one of {', '.join(_LENGTHS)}.")
    parts = folders.split(arguments["path"])
    file = await file_contents(ctx, parts)
    path, whole = "/".join(parts), _size(file) <= _EMBEDDED
    how = "which is attached" if whole else "which is too long to be attached; read it with read_file"
    text = f"Summarise my file {path}, {how}, {_LENGTHS[length]}. Keep to what is in it."
    return [
        PromptMessage(role="user", content=EmbeddedResource(resource=file) if whole else _link(file, path)),
        PromptMessage(role="user", content=TextContent(text=text)),
    ]


def _size(file: Contents) -> int:
    return len(file.text if isinstance(file, TextResourceContents) else file.blob)


def _link(file: Contents, path: str) -> ResourceLink:
    return ResourceLink(uri=file.uri, name=path, mime_type=file.mime_type)


SUMMARISE_FILE: Final = Prompt(
    name="summarise_file",
    title="Summarise a file",
    description="A summary of one of the user's files",
    arguments=(
        Argument("path", "Path of the file in the user's folder", paths, required=True),
        Argument("length", "short, medium or long; left out: medium", among(*_LENGTHS)),
    ),
    render=_summarise,
)
