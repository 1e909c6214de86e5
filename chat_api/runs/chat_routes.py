"""The chat endpoints: a turn in, its answer out, whole or as it comes."""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import JSONResponse, Response
from structlog.contextvars import bind_contextvars

from chat_api.auth.dependencies import Caller, PathOwner
from chat_api.auth.limits import for_turns, limits_of, tell
from chat_api.conversations.schemas import ToolCall
from chat_api.runs import service
from chat_api.runs.acknowledge import Started
from chat_api.runs.asking import Regeneration
from chat_api.runs.routes import Working, wanted_wire
from chat_api.runs.schemas import (
    AcceptedData,
    AgentChatRequest,
    ChatAccepted,
    ChatData,
    ChatRequest,
    ChatResponse,
    FallbackOut,
    Usage,
)
from chat_api.runs.streaming import RunStream
from chat_api.runs.wire import NDJSON, SSE, Wire
from chat_api.runs.worker import Drive, Worker
from kit.tokens import Identity

__all__ = ["ANSWERS", "Asked", "Key", "Prefer", "answered", "router"]

router = APIRouter(tags=["chat"], dependencies=[Depends(for_turns)])

Key: TypeAlias = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="The same key with the same body is the same turn, however often it is sent",
    ),
]
Prefer: TypeAlias = Annotated[
    str, Header(description="`respond-async`: answer 202 once the turn is kept (RFC 7240)")
]
ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/event-stream": {}, "application/x-ndjson": {}}},
    202: {"model": ChatAccepted},
}


# Before the other, whose path takes any user's name, also one with a slash.
@router.post("/api/agents/{agent_id}/chat", response_model=ChatResponse, responses=ANSWERS)
async def chat_with_agent(
    request: Request,
    caller: Caller,
    worker: Working,
    agent_id: UUID | Literal["default"],
    body: AgentChatRequest,
    idempotency_key: Key = None,
    prefer: Prefer = "",
) -> Response | ChatResponse:
    """The same with the agent in the path; the answer comes as NDJSON unless asked for otherwise."""
    asked = Asked(request, caller, worker, body, idempotency_key, prefer)
    whole = body.model_copy(update={"agent_id": agent_id})
    return await answered(asked, partial(service.start, worker, caller, whole, idempotency_key), NDJSON)


@router.post("/api/{user_id:path}/chat", response_model=ChatResponse, responses=ANSWERS)
async def chat(
    request: Request,
    caller: PathOwner,
    worker: Working,
    body: ChatRequest,
    idempotency_key: Key = None,
    prefer: Prefer = "",
) -> Response | ChatResponse:
    """Say something to the assistant and get its answer, with the tools that it used.

    Whole, or streamed where `stream` or Accept asks for it. The turn goes on if the client leaves.
    """
    asked = Asked(request, caller, worker, body, idempotency_key, prefer)
    return await answered(asked, partial(service.start, worker, caller, body, idempotency_key))


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a turn, and whose it is."""

    request: Request
    caller: Identity
    worker: Worker
    body: ChatRequest | Regeneration
    key: str | None
    prefer: str


async def answered(
    asked: Asked, begin: Callable[[], Awaitable[tuple[Started, Drive | None]]], streamed: Wire = SSE
) -> Response | ChatResponse:
    """Let the turn `begin`, if it may, and answer as the client wants; a stream as `streamed` if it may."""
    worker, caller, limits = asked.worker, asked.caller, limits_of(asked.request)
    seat = nullcontext() if limits is None else limits.answers.offer(caller.owner)
    async with service.admitted(worker, caller, asked.key) as quota:
        if quota is not None:
            tell(asked.request, quota)
        started, drive = await begin()
    bind_contextvars(run_id=str(started.run_id))
    ids = {"X-Run-ID": str(started.run_id), "X-Conversation-ID": str(started.conversation_id)}
    wire = wanted_wire(asked.request) or (
        streamed if asked.body.streams(by_itself=started.streaming) else None
    )
    if wire is not None:
        events = service.follow(worker, started.run_id, 0, ended=False)
        leaves = asked.body.on_disconnect == "cancel"
        gone = (lambda: service.cancel(worker, caller.owner, started.run_id)) if leaves else None
        return RunStream(events, wire, ids, seat, gone=gone)
    if "respond-async" in asked.prefer:
        accepted = ChatAccepted(
            data=AcceptedData(run_id=started.run_id, conversation_id=started.conversation_id)
        )
        headers = {**ids, "Preference-Applied": "respond-async"}
        return JSONResponse(accepted.model_dump(mode="json"), 202, headers)
    with seat:
        result = await service.answer_of(worker, caller, started, drive)
    return ChatResponse(
        data=ChatData(
            response=result.text,
            conversation_id=result.conversation_id,
            message_id=result.message_id,
            tool_calls=[ToolCall.model_validate(call) for call in result.tool_calls],
            timestamp=result.finished_at,
            run_id=result.run_id,
            usage=Usage(**result.usage),
            provider=result.provider,
            model=result.model,
            fallbacks=[FallbackOut(**each) for each in result.fallbacks],
        )
    )
