"""The chat endpoints: a turn in, its answer out, whole or as it comes."""

from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import JSONResponse, Response
from structlog.contextvars import bind_contextvars

from chat_api.auth.dependencies import Caller, PathOwner
from chat_api.auth.limits import for_turns, tell
from chat_api.conversations.schemas import ToolCall
from chat_api.runs import service
from chat_api.runs.routes import Working, wanted_wire
from chat_api.runs.schemas import (
    AcceptedData,
    AgentChatRequest,
    ChatAccepted,
    ChatData,
    ChatRequest,
    ChatResponse,
    Usage,
)
from chat_api.runs.streaming import RunStream
from chat_api.runs.wire import NDJSON, SSE, Wire
from chat_api.runs.worker import Worker
from kit.tokens import Identity

router = APIRouter(tags=["chat"], dependencies=[Depends(for_turns)])

_Key: TypeAlias = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="The same key with the same body is the same turn, however often it is sent",
    ),
]
_Prefer: TypeAlias = Annotated[
    str, Header(description="`respond-async`: answer 202 once the turn is kept (RFC 7240)")
]
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/event-stream": {}, "application/x-ndjson": {}}},
    202: {"model": ChatAccepted},
}


# Before the other, whose path takes any user's name, also one with a slash.
@router.post("/api/agents/{agent_id}/chat", response_model=ChatResponse, responses=_ANSWERS)
async def chat_with_agent(
    request: Request,
    caller: Caller,
    worker: Working,
    agent_id: UUID | Literal["default"],
    body: AgentChatRequest,
    idempotency_key: _Key = None,
    prefer: _Prefer = "",
) -> Response | ChatResponse:
    """The same with the agent in the path; the answer comes as NDJSON unless asked for otherwise."""
    body = body.model_copy(update={"agent_id": agent_id})
    return await _chat(request, caller, worker, body, idempotency_key, NDJSON, prefer)


@router.post("/api/{user_id:path}/chat", response_model=ChatResponse, responses=_ANSWERS)
async def chat(
    request: Request,
    caller: PathOwner,
    worker: Working,
    body: ChatRequest,
    idempotency_key: _Key = None,
    prefer: _Prefer = "",
) -> Response | ChatResponse:
    """Say something to the assistant and get its answer, with the tools that it used.

    Whole, or streamed where `stream` or Accept asks for it. The turn goes on if the client leaves.
    """
    return await _chat(request, caller, worker, body, idempotency_key, SSE, prefer)


async def _chat(
    request: Request,
    caller: Identity,
    worker: Worker,
    body: ChatRequest,
    key: str | None,
    streamed: Wire,
    prefer: str,
) -> Response | ChatResponse:
    async with service.admitted(worker, caller, key) as quota:
        if quota is not None:
            tell(request, quota)
        started, drive = await service.start(worker, caller, body, key)
    bind_contextvars(run_id=str(started.run_id))
    ids = {"X-Run-ID": str(started.run_id), "X-Conversation-ID": str(started.conversation_id)}
    wire = wanted_wire(request) or (streamed if body.streams(by_itself=started.streaming) else None)
    if wire is not None:
        events = service.follow(worker, started.run_id, 0, ended=False)
        leaves = body.on_disconnect == "cancel"
        gone = (lambda: service.cancel(worker, caller.owner, started.run_id)) if leaves else None
        return RunStream(events, wire, ids, gone=gone)
    if "respond-async" in prefer:
        accepted = ChatAccepted(
            data=AcceptedData(run_id=started.run_id, conversation_id=started.conversation_id)
        )
        headers = {**ids, "Preference-Applied": "respond-async"}
        return JSONResponse(accepted.model_dump(mode="json"), 202, headers)
    result = await service.answer_of(worker, caller, started, drive)
    return ChatResponse(
        data=ChatData(
            response=result.text,
            conversation_id=result.conversation_id,
            tool_calls=[ToolCall.model_validate(call) for call in result.tool_calls],
            timestamp=result.finished_at,
            run_id=result.run_id,
            usage=Usage(**result.usage),
        )
    )
