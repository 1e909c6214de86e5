"""Files that are passed on as they come, so that this process never holds one whole."""

from collections.abc import Iterator, Mapping
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
_KEPT: Final = ("Content-Type", "Content-Disposition")
_PLAIN: Final = {"Content-Disposition": "attachment", "Cache-Control": "no-store"}
_ASKED: Final = ("format", "leaf")


async def _all(request: Request) -> Response:
    """All that who is signed in has."""
    return await _passed_on(request, "/api/v1/auth/me/export")


async def _conversation(request: Request) -> Response:
    """One of theirs, in a format, with one branch or all."""
    query = {name: request.query_params[name] for name in _ASKED if name in request.query_params}
    return await _passed_on(
        request, f"/api/v1/conversations/{request.path_params['conversation_id']}/export", query
    )


async def _passed_on(request: Request, path: str, query: Mapping[str, str] | None = None) -> Response:
    login = login_of(request, serving().logins)
    if login is None:
        return RedirectResponse("/signin", 303)
    api = Api(serving().http, login.bearer)
    try:
        headers, pieces = await run_in_threadpool(_opened, api, path, query)
    except NotSignedIn:
        return RedirectResponse("/signin", 303)
    except ApiError as error:
        return PlainTextResponse(str(error), error.status or _AWAY)
    except httpx2.TransportError:
        return PlainTextResponse("Turnlog's server does not answer. Is it running?", _AWAY)
    return StreamingResponse(pieces, headers=headers)


def _opened(
    api: Api, path: str, query: Mapping[str, str] | None
) -> tuple[Mapping[str, str], Iterator[bytes]]:
    """What it is, and its pieces, once the API has begun to send. One that breaks off is no whole file."""
    with ExitStack() as opening:
        response = opening.enter_context(api.stream("GET", path, params=query))
        if not response.is_success:
            raise ApiError(*message_of(response), response.status_code)
        told = {name: response.headers[name] for name in _KEPT if name in response.headers}
        return _PLAIN | told, _pieces(response, opening.pop_all())


def _pieces(response: httpx2.Response, opened: ExitStack) -> Iterator[bytes]:
    with opened:
        yield from response.iter_bytes()


DOWNLOADS: Final = (
    Route("/export", _all, methods=["GET"]),
    Route("/conversations/{conversation_id:uuid}/export", _conversation, methods=["GET"]),
)
