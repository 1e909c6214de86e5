"""The reference as a page, at `/docs`: Swagger UI, from here and not from somebody else's server.

People paste tokens into it, so nothing of it comes from elsewhere, and it can talk to nobody else. It is what
the npm package `swagger-ui-dist` 5.35.0 has, compressed; LICENSE and NOTICE are of that package.
"""

from http import HTTPStatus
from importlib.resources import files
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["PAGE_PATH", "PART_PATH", "reference_routes"]

PAGE_PATH: Final = "/docs"
PART_PATH: Final = "/docs/{name}"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PARTS: Final = {
    "start.js": "text/javascript",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
}


def reference_routes() -> list[Route]:
    """The page and its parts, for everybody."""
    return [Route(PAGE_PATH, _page, methods=["GET"]), Route(PART_PATH, _part, methods=["GET"])]


async def _page(_: Request) -> Response:
    return Response(_read("page.html"), media_type="text/html", headers={"Content-Security-Policy": _POLICY})


async def _part(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _PARTS:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    # The page asks for another address where they are others.
    headers = {"Cache-Control": "public, max-age=86400"}
    if name.startswith("swagger-ui"):
        return Response(
            _read(f"{name}.gz"), media_type=_PARTS[name], headers={**headers, "Content-Encoding": "gzip"}
        )
    return Response(_read(name), media_type=_PARTS[name], headers=headers)


def _read(name: str) -> bytes:
    return (files(__name__) / name).read_bytes()
