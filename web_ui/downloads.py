"""Files that are passed on as they come, so that this process never holds one whole."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import httpx2
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from web_ui.api import Api, ApiError, NotSignedIn, message_of
from web_ui.callers import login_of
from web_ui.serving import serving

__all__ = ["DOWNLOADS"]

_AWAY: Final = 502
_NAMED: Final = {"Content-Disposition": 'attachment; filename="turnlog.ndjson"', "Cache-Control": "no-store"}


async def _export(request: Request) -> Response:
    """All that who is signed in has."""
    login = login_of(request, serving().logins)
    if login is None:
        return RedirectResponse("/signin", 303)
    api = Api(serving().http, login.bearer)
    try:
        pieces = await run_in_threadpool(_opened, api)
    except NotSignedIn:
        return RedirectResponse("/signin", 303)
    except ApiError as error:
        return PlainTextResponse(str(error), error.status or _AWAY)
    except httpx2.TransportError:
        return PlainTextResponse("Turnlog's server does not answer. Is it running?", _AWAY)
    return StreamingResponse(pieces, media_type="application/x-ndjson", headers=_NAMED)


def _opened(api: Api) -> Iterator[bytes]:
    """The pieces of it, once the API has begun to send. One that breaks off is no whole file."""
    with ExitStack() as opening:
        response = opening.enter_context(api.stream("GET", "/api/v1/auth/me/export"))
        if not response.is_success:
            raise ApiError(*message_of(response), response.status_code)
        return _pieces(response, opening.pop_all())


def _pieces(response: httpx2.Response, opened: ExitStack) -> Iterator[bytes]:
    with opened:
        yield from response.iter_bytes()


DOWNLOADS: Final = (Route("/export", _export, methods=["GET"]),)
