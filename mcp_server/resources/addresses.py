"""What a resource's URI names: todos, or something in the user's folder.

URIs are taken apart by hand: urllib's parser leaves out tabs and newlines, so that what was checked would not
be what was sent.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.parse import quote, unquote
from uuid import UUID

from mcp_server import folders
from mcp_server.resources.trouble import UnknownResource

__all__ = ["FILE_TEMPLATE", "TODO_LISTS", "TODO_TEMPLATE", "Address", "file_uri", "parse", "todo_uri"]

FILE_TEMPLATE: Final = "file:///{+path}"
"""`+` leaves the slashes between names as they are (RFC 6570)."""
TODO_TEMPLATE: Final = "todo://{id}"
TODO_LISTS: Final = ("open", "all")

_FILE: Final = "file:///"
_TODO: Final = "todo://"
_MAX_PATH: Final = 1000
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9a-f]{2})", re.IGNORECASE)

Address: TypeAlias = "TodoList | TodoId | FilePath"


@dataclass(frozen=True, slots=True)
class TodoList:
    status: Literal["open", "all"]


@dataclass(frozen=True, slots=True)
class TodoId:
    id: UUID


@dataclass(frozen=True, slots=True)
class FilePath:
    parts: folders.Parts


def file_uri(parts: folders.Parts) -> str:
    return _FILE + quote("/".join(parts))


def todo_uri(name: str) -> str:
    return _TODO + name


def parse(uri: str) -> Address:
    """Raises UnknownResource, and PathRefused for a path that no file can have."""
    scheme, colon, rest = uri.partition(":")
    uri = scheme.lower() + colon + rest
    if uri.startswith(_FILE):
        return FilePath(folders.split(_path(uri.removeprefix(_FILE))))
    if uri.startswith(_TODO):
        return _todo(uri.removeprefix(_TODO))
    raise UnknownResource


def _path(encoded: str) -> str:
    """Raises UnknownResource for a query, a fragment, bytes that are not UTF-8, and what is too long."""
    if "?" in encoded or "#" in encoded or _BAD_ESCAPE.search(encoded):
        raise UnknownResource
    try:
        path = unquote(encoded, errors="strict")
    except UnicodeDecodeError as error:
        raise UnknownResource from error
    if len(path) > _MAX_PATH:
        raise UnknownResource
    return path


def _todo(name: str) -> TodoList | TodoId:
    match name:
        case "open" | "all":
            return TodoList(name)
        case _ if _UUID.fullmatch(name):
            return TodoId(UUID(name))
        case _:
            raise UnknownResource
