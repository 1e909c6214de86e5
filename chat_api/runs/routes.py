"""The chat endpoint."""

from typing import cast

from fastapi import APIRouter, Depends, Request

from chat_api.auth.dependencies import PathOwner
from chat_api.conversations.schemas import ToolCall
from chat_api.runs.schemas import ChatData, ChatRequest, ChatResponse, Usage
from chat_api.runs.service import TurnDeps, take_turn
from kit.errors import Problem


class NotUtf8(Problem):
    status = 400
    code = "invalid_json"


async def _utf8_body(request: Request) -> None:
    """Refuse JSON in another encoding (RFC 8259, section 8.1), which Python's parser would guess."""
    body = await request.body()
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise NotUtf8("The body is not JSON in UTF-8.") from error
    if b"\x00" in body:
        raise NotUtf8("The body is not JSON in UTF-8.")


router = APIRouter(tags=["chat"], dependencies=[Depends(_utf8_body)])


@router.post("/api/{user_id:path}/chat")
async def chat(request: Request, caller: PathOwner, body: ChatRequest) -> ChatResponse:
    """Say something to the assistant and get its answer, with the tools that it used."""
    result = await take_turn(cast("TurnDeps", request.state.turns), caller, body)
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
