"""Every error under /api in one envelope."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, Literal, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import Scope

from kit.errors import Problem
from kit.postgres.errors import AWAY

__all__ = ["ErrorEnvelope", "answer_errors", "answer_to", "answer_to_bug", "envelope"]


class ErrorBody(BaseModel):
    code: str
    details: Any = None
    request_id: str


class ErrorEnvelope(BaseModel):
    """What every error looks like."""

    success: Literal[False] = False
    data: None = None
    message: str
    error: ErrorBody


_PLAIN: Final = re.compile(r"\w{1,40}", re.ASCII)
_CODES: Final = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "too_large",
}


def envelope(
    request: Request,
    status: int,
    code: str,
    message: str,
    details: Any = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    request_id = request.scope.get("request_id", "")
    error = {"code": code, "request_id": request_id}
    if details is not None:
        error["details"] = details
    body = {"success": False, "data": None, "message": message, "error": error}
    # Here too, for what answers a bug of the middleware stands outside of it.
    return JSONResponse(body, status, headers={**(headers or {}), "X-Request-ID": request_id})


def answer_errors(app: FastAPI) -> None:
    """Make `app` answer whatever is raised with the envelope."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for unavailable in AWAY:
        app.add_exception_handler(unavailable, _database)
    app.add_exception_handler(Exception, answer_to_bug)


def answer_to(scope: Scope, problem: Problem) -> JSONResponse:
    """The answer to a request that ends for a problem."""
    headers = {"WWW-Authenticate": "Bearer"} if problem.status == HTTPStatus.UNAUTHORIZED else {}
    return envelope(
        Request(scope),
        problem.status,
        problem.code,
        problem.message,
        problem.details,
        headers | problem.headers,
    )


async def answer_to_bug(request: Request, _: Exception) -> JSONResponse:
    """The answer to a request that met a fault of ours, of which only the log tells more."""
    message = "Something went wrong here; the log has the request id."
    # The server closes the connection once the exception gets there, so that the client must be told.
    return envelope(request, 500, "internal_error", message, headers={"Connection": "close"})


async def _problem(request: Request, error: Exception) -> JSONResponse:
    return answer_to(request.scope, cast("Problem", error))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """Say which fields are wrong, and how, without repeating what was sent."""
    found = cast("RequestValidationError", error).errors()
    fields = [
        {"field": ".".join(_named(part) for part in detail["loc"][1:]) or "body", "message": detail["msg"]}
        for detail in found
    ]
    if any(detail["type"] == "json_invalid" for detail in found):
        return envelope(request, 400, "invalid_json", "The body is not JSON.")
    named = ", ".join(dict.fromkeys(field["field"] for field in fields))
    return envelope(request, 422, "invalid_request", f"These fields are not valid: {named}.", fields)


def _named(part: str | int) -> str:
    """A part of a field's path; a caller's own invention is named only where it is a plain word."""
    name = str(part)
    return name if _PLAIN.fullmatch(name) else "(a field of another name)"


async def _http(request: Request, error: Exception) -> JSONResponse:
    status = cast("HTTPException", error).status_code
    headers = cast("HTTPException", error).headers
    return envelope(
        request, status, _CODES.get(status, "error"), f"{HTTPStatus(status).phrase}.", headers=headers
    )


async def _database(request: Request, _: Exception) -> JSONResponse:
    return envelope(
        request,
        503,
        "database_unavailable",
        "The database cannot be reached right now; try again in a moment.",
        headers={"Retry-After": "1"},
    )
