"""Copying conversations: out, in, and into others."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Message, Send
from typing_extensions import override

from chat_api.auth.dependencies import Caller, Database
from chat_api.conversations import exporting
from chat_api.conversations.conversation_schemas import ConversationOut, Title
from chat_api.conversations.forking import fork
from chat_api.conversations.import_forms import Document
from chat_api.conversations.import_reading import Malformed
from chat_api.conversations.importing import import_all
from chat_api.conversations.listing import find

__all__ = ["IMPORT_PATH", "router"]

router = APIRouter(prefix="/api/v1/conversations", tags=["conversations"])

IMPORT_PATH: Final = "/api/v1/conversations/import"
_JSON: Final = "application/json"
_NDJSON: Final = "application/x-ndjson"
_SLOWEST_PIECE: Final = 30.0
_MARKDOWN: Final = "text/markdown; charset=utf-8"
_BODY: Final = {"schema": {"$ref": "#/components/schemas/Document"}}


class ImportedOut(BaseModel):
    """`index` is its number among those that were sent; `notes` say what is not as it was."""

    index: int
    conversation_id: UUID
    title: str | None
    messages: int
    notes: list[str]


class ImportFault(BaseModel):
    index: int
    message: str


class ImportReport(BaseModel):
    imported: list[ImportedOut]
    errors: list[ImportFault]


class Fork(BaseModel):
    model_config = ConfigDict(extra="forbid")

    message_id: UUID | None = Field(default=None, description="The last to copy; left out: the newest")
    title: Title | None = Field(default=None, description="Left out: that of the original")


@router.get(
    "/export",
    response_model=Document,
    responses={200: {"content": {_NDJSON: {"itemSchema": _BODY["schema"]}}}},
)
async def export_all(
    caller: Caller,
    db: Database,
    deleted: Annotated[bool, Query(description="Also those that are deleted")] = False,  # noqa: FBT002
) -> StreamingResponse:
    """All of one's own conversations, also archived ones, a line of JSON each."""
    return _attached(exporting.export_all(db, caller.owner, deleted=deleted), _NDJSON, "conversations.ndjson")


@router.post(
    "/import",
    openapi_extra={"requestBody": {"required": True, "content": {_JSON: _BODY, _NDJSON: _BODY}}},
)
async def import_conversations(caller: Caller, db: Database, request: Request) -> ImportReport:
    """Keep what was exported, or a list of messages as OpenAI's API has it; as NDJSON, one a line.

    Each is kept as a whole or not at all, under new ids.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {_JSON, _NDJSON}:
        raise Malformed
    body = (await request.body()).decode()
    report = await import_all(db, caller, body, lines=kind == _NDJSON)
    return ImportReport.model_validate(report, from_attributes=True)


@router.get(
    "/{conversation_id}/export",
    response_model=Document,
    responses={200: {"content": {"text/markdown": {}}}},
)
async def export_one(
    caller: Caller,
    db: Database,
    conversation_id: UUID,
    format: Literal["json", "markdown"] = "json",  # noqa: A002
    leaf: Annotated[
        exporting.Way | None,
        Query(description="One branch, by its last message; left out: `all` as JSON, `newest` as Markdown"),
    ] = None,
) -> StreamingResponse:
    """A conversation with what was said, called and thought of it, on all branches or on one."""
    head = await exporting.head_of(db, caller.owner, conversation_id)
    wanted = await exporting.way_of(db, head, leaf or ("newest" if format == "markdown" else "all"))
    if format == "markdown":
        name = exporting.file_name(head.title, "md")
        return _attached(exporting.export_markdown(db, head, wanted), _MARKDOWN, name)
    return _attached(exporting.export_json(db, head, wanted), _JSON, exporting.file_name(head.title, "json"))


@router.post("/{conversation_id}/fork", status_code=HTTPStatus.CREATED)
async def fork_conversation(
    caller: Caller, db: Database, conversation_id: UUID, body: Fork
) -> ConversationOut:
    """Copy a conversation up to a message into one of its own, with the tool calls."""
    made = await fork(db, caller.owner, conversation_id, message_id=body.message_id, title=body.title)
    return ConversationOut.of(await find(db, caller.owner, made))


class _Attachment(StreamingResponse):
    """Is broken off where nothing is taken of it for half a minute."""

    @override
    async def stream_response(self, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(_SLOWEST_PIECE):
                await send(message)

        with suppress(TimeoutError):
            await super().stream_response(send_in_time)


def _attached(pieces: AsyncGenerator[bytes], media_type: str, name: str) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return _Attachment(pieces, media_type=media_type, headers=headers)
