"""How the requests beside tools/call are answered, and what is told where one cannot be."""

import logging
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CompleteRequestParams,
    CompleteResult,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    RequestParams,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from mcp_server import pages, prompts, resources
from mcp_server.completing import complete
from mcp_server.context import ToolContext, ToolError

__all__ = ["ANSWERS", "Answer", "told_plainly"]

_log = logging.getLogger(__name__)
# The specification up to 2025-11-25 has a code of its own; 2026-07-28 has retired it.
_RESOURCE_NOT_FOUND: Final = -32002


@dataclass(frozen=True, slots=True)
class Answer:
    """How requests of one method are answered."""

    method: str
    params: type[RequestParams]
    answer: Callable[[ToolContext, Any], Awaitable[BaseModel]]


@contextmanager
def told_plainly() -> Generator[None]:
    """Errors leave it as those of the protocol, with a sentence and nothing of the server's inside."""
    try:
        yield
    except ToolError as error:
        raise MCPError(INVALID_PARAMS, str(error)) from error
    except (SQLAlchemyError, OSError) as error:
        _log.exception("a request failed")
        raise MCPError(INTERNAL_ERROR, "That failed inside the server; try again.") from error


async def _list_resources(ctx: ToolContext, params: PaginatedRequestParams) -> ListResourcesResult:
    listed, following = await resources.listed(ctx, params.cursor)
    return ListResourcesResult(resources=listed, next_cursor=following)


async def _list_templates(_: ToolContext, params: PaginatedRequestParams) -> ListResourceTemplatesResult:
    listed, following = pages.page("templates", resources.TEMPLATES, lambda one: one.name, params.cursor)
    return ListResourceTemplatesResult(resource_templates=listed, next_cursor=following)


async def _read_resource(ctx: ToolContext, params: ReadResourceRequestParams) -> ReadResourceResult:
    try:
        return ReadResourceResult(contents=[await resources.contents_of(ctx, params.uri)])
    except resources.UnknownResource as error:
        old = ctx.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS
        code = _RESOURCE_NOT_FOUND if old else INVALID_PARAMS
        raise MCPError(code, str(error), {"uri": params.uri}) from error


async def _list_prompts(_: ToolContext, params: PaginatedRequestParams) -> ListPromptsResult:
    shown = [prompt.shown for prompt in prompts.PROMPTS.values()]
    listed, following = pages.page("prompts", shown, lambda one: one.name, params.cursor)
    return ListPromptsResult(prompts=listed, next_cursor=following)


async def _get_prompt(ctx: ToolContext, params: GetPromptRequestParams) -> GetPromptResult:
    prompt = prompts.named(prompts.PROMPTS, params.name)
    return await prompts.answer(ctx, prompt, params.arguments or {})


async def _complete(ctx: ToolContext, params: CompleteRequestParams) -> CompleteResult:
    return CompleteResult(completion=await complete(ctx, params))


ANSWERS: Final = (
    Answer("resources/list", PaginatedRequestParams, _list_resources),
    Answer("resources/templates/list", PaginatedRequestParams, _list_templates),
    Answer("resources/read", ReadResourceRequestParams, _read_resource),
    Answer("prompts/list", PaginatedRequestParams, _list_prompts),
    Answer("prompts/get", GetPromptRequestParams, _get_prompt),
    Answer("completion/complete", CompleteRequestParams, _complete),
)
