"""Streamlit's page at the addresses beside the chat, told where its server is.

Alone it would look for the server below `/usage` first, and a browser logs what is not there as an error.
"""

from functools import cache
from pathlib import Path
from typing import Final

import streamlit
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from web_ui.pages import PATHS

__all__ = ["INDEXES"]

_MODULE: Final = '<script type="module"'
_TOLD: Final = "window.__streamlit = { BACKEND_BASE_URL: location.origin }"
_ASK_AGAIN: Final = {"Cache-Control": "no-cache"}


@cache
def _index() -> str:
    index = (Path(streamlit.__file__).parent / "static" / "index.html").read_text("utf-8")
    before, module, after = index.partition(_MODULE)
    return f'{before}<script src="/where.js"></script>{module}{after}'


async def _show_index(_: Request) -> Response:
    return HTMLResponse(_index(), headers=_ASK_AGAIN)


async def _where(_: Request) -> Response:
    return Response(_TOLD, media_type="text/javascript", headers=_ASK_AGAIN)


INDEXES: Final = (
    Route("/where.js", _where),
    *(Route(path, _show_index, methods=["GET"]) for path in sorted(PATHS)),
)
