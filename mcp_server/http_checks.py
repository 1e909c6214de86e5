"""What the SDK's HTTP door lets in, or answers otherwise than the specification says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from mcp_types import (
    HEADER_MISMATCH,
    INVALID_REQUEST,
    PARSE_ERROR,
    PROTOCOL_VERSION_META_KEY,
    UNSUPPORTED_PROTOCOL_VERSION,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError
from pydantic_core import from_json
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_server.bearer import Permits
from mcp_server.refusals import id_of, member, refusal

__all__ = ["HttpChecks"]

_VERSION: Final = "mcp-protocol-version"
_SERVED: Final = (*MODERN_PROTOCOL_VERSIONS, *reversed(HANDSHAKE_PROTOCOL_VERSIONS))
_BLANK: Final = b" \t"


@dataclass(frozen=True, slots=True)
class HttpChecks:
    """Lets only what is one JSON-RPC message, of one protocol version, through to `app`.

    It stands behind the bearer token and the limit of a body's size, and before everything that depends on
    the era, so that both answer alike. Without `permits` nobody needs a token.
    """

    app: ASGIApp
    permits: Permits | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope = {**scope, "headers": [(name, _plain(name, value)) for name, value in scope["headers"]]}
        request = Request(scope, receive)
        message, refused = None, _unfit(request)
        if refused is None:
            try:
                body = await request.body()
            except ClientDisconnect:
                return
            message, refused = _read(body, request.headers)
            receive = _again(body, receive)
        if self.permits is not None:
            refused = self.permits.refusal(scope, message) or refused
        if refused is None:
            await self.app(scope, receive, send)
        else:
            await refused(scope, receive, send)


def _plain(name: bytes, value: bytes) -> bytes:
    """The value as the SDK understands it."""
    # uvicorn leaves the blanks behind a value, which are no part of it (RFC 9110, 5.5).
    value = value.strip(_BLANK)
    # A type is the same in capitals (8.3.1), but not to the SDK.
    return value.lower() if name == b"content-type" else value


def _again(body: bytes, receive: Receive) -> Receive:
    """What `receive` gave, once more, and then what it gives."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return first.pop() if first else await receive()

    return replay


def _unfit(request: Request) -> JSONResponse | None:
    if request.method != "POST":
        # No session, no message that nobody asked for: a stream by GET would stay open and empty.
        told = refusal(HTTPStatus.METHOD_NOT_ALLOWED, INVALID_REQUEST, "Send messages by POST.")
        told.headers["Allow"] = "POST"
        return told
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind.strip().lower() != "application/json":
        message = "Send JSON, with Content-Type: application/json."
        return refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST, message)
    return None


def _read(body: bytes, headers: Headers) -> tuple[Any, JSONResponse | None]:
    """The message, as far as it can be read, and the answer where it is not to be let through."""
    try:
        message = from_json(body, allow_inf_nan=False)
    except ValueError:
        return None, refusal(HTTPStatus.BAD_REQUEST, PARSE_ERROR, "The body is not JSON.")
    if _is_message(message):
        return message, _unfit_version(message, headers.get(_VERSION))
    words = "Send one JSON-RPC 2.0 message, with an id of text or a whole number if it is a request."
    return message, refusal(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, words, id_of(message))


def _is_message(message: Any) -> bool:
    """Whether it is a request, a notification or a response; a batch is none since 2025-06-18."""
    if not isinstance(message, dict):
        return False
    if "method" in message:
        # The SDK takes a request whose id is none for a notification, which is never answered.
        return _is_any(message, [JSONRPCRequest if "id" in message else JSONRPCNotification])
    return _is_any(message, [JSONRPCResponse, JSONRPCError])


def _is_any(
    message: Any,
    kinds: Iterable[type[JSONRPCRequest | JSONRPCNotification | JSONRPCResponse | JSONRPCError]],
) -> bool:
    for kind in kinds:
        try:
            kind.model_validate(message)
        except ValidationError:
            continue
        return True
    return False


def _unfit_version(message: Mapping[str, Any], header: str | None) -> JSONResponse | None:
    """Refuse a version that is not served, and one in the body that is not that of the header.

    The SDK looks for the version in the body only where the header names 2026-07-28 or later.
    """
    named = member(member(message.get("params"), "_meta"), PROTOCOL_VERSION_META_KEY)
    if named is None and header is not None and header not in _SERVED:
        data = {"supported": list(_SERVED), "requested": header}
        words = "Unsupported protocol version"
        return refusal(HTTPStatus.BAD_REQUEST, UNSUPPORTED_PROTOCOL_VERSION, words, id_of(message), data)
    if named is not None and named != header and (header is None or header in HANDSHAKE_PROTOCOL_VERSIONS):
        words = f"Send the protocol version of the body's _meta in the header {_VERSION} too."
        return refusal(HTTPStatus.BAD_REQUEST, HEADER_MISMATCH, words, id_of(message))
    return None
