"""Signing in, registering, signing out: small pages without a script, and a cookie that no script reads."""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from web_ui import forms
from web_ui.api import ApiError
from web_ui.callers import cookie_of, is_at_home, session_of
from web_ui.logins import Login
from web_ui.pages import PATHS
from web_ui.serving import serving

__all__ = ["ROUTES"]

_LONGEST_FORM: Final = 16 * 1024
_UNREACHED: Final = 503
Opened = tuple[str, Login]


async def _show_signin(request: Request) -> Response:
    return _signin(request)


async def _signin_with(request: Request) -> Response:
    form = await _form(request)
    email, password = form.get("email", ""), form.get("password", "")
    signing_in = serving().logins.sign_in
    return await _opening(
        request,
        lambda: signing_in(email, password, _address(request)),
        lambda error: _signin(request, form, error),
    )


async def _show_register(_: Request) -> Response:
    return forms.register()


async def _register_with(request: Request) -> Response:
    form = await _form(request)
    email, password, name = (form.get(field, "") for field in ("email", "password", "name"))
    registering = serving().logins.register
    return await _opening(
        request,
        lambda: registering(email, password, name.strip(), _address(request)),
        lambda error: forms.register(form, str(error), error.status or _UNREACHED),
    )


async def _continue_as_local(request: Request) -> Response:
    form = await _form(request)
    if not _may_be_local(request):
        return _signin(request, form, ApiError("The local user is for this machine's own.", status=403))
    opening = serving().logins.continue_as_local
    return await _opening(request, opening, lambda error: _signin(request, form, error))


async def _show_signout(_: Request) -> Response:
    return forms.signout()


async def _sign_out(request: Request) -> Response:
    answer = RedirectResponse("/signin", 303)
    answer.delete_cookie(
        cookie_of(request), path="/", secure=_is_secure(request), httponly=True, samesite="strict"
    )
    session_id = session_of(request)
    if session_id:
        try:
            await run_in_threadpool(serving().logins.sign_out, session_id)
        except ApiError:
            # It is over here; there it ends by itself.
            return answer
    return answer


async def _opening(
    request: Request, opening: Callable[[], Opened], refused: Callable[[ApiError], Response]
) -> Response:
    """Go on to the page with the session that `opening` makes, or stay with its words."""
    try:
        session_id, login = await run_in_threadpool(opening)
    except ApiError as error:
        return refused(error)
    old = session_of(request)
    if old:
        await _end_quietly(old)
    answer = RedirectResponse(_back(request), 303)
    answer.set_cookie(
        cookie_of(request),
        session_id,
        max_age=login.tokens.refresh_seconds,
        path="/",
        secure=_is_secure(request),
        httponly=True,
        samesite="strict",
    )
    return answer


async def _end_quietly(session_id: str) -> None:
    try:
        await run_in_threadpool(serving().logins.sign_out, session_id)
    except ApiError:
        return


def _signin(
    request: Request, form: Mapping[str, str] | None = None, error: ApiError | None = None
) -> Response:
    status = 200 if error is None else error.status or _UNREACHED
    local = _may_be_local(request)
    return forms.signin(
        form or {}, None if error is None else str(error), status, _back(request), local=local
    )


def _back(request: Request) -> str:
    """Where to go on: a conversation or a page of ours, and nothing else."""
    wanted = request.query_params.get("to", "")
    return wanted if wanted.partition("?")[0] in {"/", *PATHS} else "/"


def _may_be_local(request: Request) -> bool:
    return serving().logins.has_local and is_at_home(request)


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LONGEST_FORM:
            return {}
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=8))
    except ValueError:
        return {}


async def _css(_: Request) -> Response:
    return Response(forms.CSS, media_type="text/css", headers={"Cache-Control": "max-age=3600"})


async def _icon(_: Request) -> Response:
    return Response(forms.ICON, media_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})


ROUTES: Final = (
    Route("/signin", _show_signin, methods=["GET"]),
    Route("/signin", _signin_with, methods=["POST"]),
    Route("/register", _show_register, methods=["GET"]),
    Route("/register", _register_with, methods=["POST"]),
    Route("/local", _continue_as_local, methods=["POST"]),
    Route("/signout", _show_signout, methods=["GET"]),
    Route("/signout", _sign_out, methods=["POST"]),
    Route("/signin.css", _css),
    Route("/favicon.png", _icon),
)
