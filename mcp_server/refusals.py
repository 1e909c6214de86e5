"""Answers to what is not let through to the MCP SDK, as its clients read them."""

from http import HTTPStatus
from typing import Any, cast

from starlette.responses import JSONResponse

__all__ = ["id_of", "member", "refusal"]


def refusal(
    status: HTTPStatus, code: int, message: str, id_: str | int | None = None, data: Any = None
) -> JSONResponse:
    """A JSON-RPC error with the HTTP status `status`."""
    error = {"code": code, "message": message} | ({} if data is None else {"data": data})
    return JSONResponse({"jsonrpc": "2.0", "id": id_, "error": error}, status)


def id_of(message: Any) -> str | int | None:
    """The id to answer with: none where there is none that is right."""
    found = member(message, "id")
    return found if isinstance(found, str | int) and not isinstance(found, bool) else None


def member(value: Any, name: str) -> Any:
    """What an object has by that name; none where it is no object."""
    return cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
