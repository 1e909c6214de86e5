"""Pictures of the tools, for clients that show some: each family of tools has one."""

from http import HTTPStatus
from importlib.resources import files
from typing import Final

from mcp_types import Icon
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mcp_server.tools import FAMILIES

__all__ = ["ICONS_PATH", "icon_of", "icons_route"]

ICONS_PATH: Final = "/icons/{name}.svg"
_FAMILY_OF: Final = {tool.name: family for family, tools in FAMILIES.items() for tool in tools}
_HEADERS: Final = {
    "Cache-Control": "public, max-age=86400",
    # A page of a client may show it, and nothing in it can do anything.
    "Access-Control-Allow-Origin": "*",
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}


def icon_of(public_url: str, tool: str) -> Icon:
    """The icon of a tool, at the server that clients know as `public_url`; a custom tool is a program."""
    path = ICONS_PATH.format(name=_FAMILY_OF.get(tool, "python"))
    return Icon(src=public_url + path, mime_type="image/svg+xml", sizes=["any"])


def icons_route() -> Route:
    """Answers with the icons, to everybody."""
    return Route(ICONS_PATH, _answer, methods=["GET"])


async def _answer(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in FAMILIES:
        return Response(status_code=HTTPStatus.NOT_FOUND)
    return Response(_picture(name), media_type="image/svg+xml", headers=_HEADERS)


def _picture(name: str) -> bytes:
    return (files(__name__) / f"{name}.svg").read_bytes()
