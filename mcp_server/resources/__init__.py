"""The user's todos and files as resources."""

from mcp_server.resources.addresses import FILE_TEMPLATE, TODO_TEMPLATE, file_uri, todo_uri
from mcp_server.resources.contents import Contents, contents_of, file_contents
from mcp_server.resources.listing import TEMPLATES, listed
from mcp_server.resources.trouble import UnknownResource

__all__ = [
    "FILE_TEMPLATE",
    "TEMPLATES",
    "TODO_TEMPLATE",
    "Contents",
    "UnknownResource",
    "contents_of",
    "file_contents",
    "file_uri",
    "listed",
    "todo_uri",
]
