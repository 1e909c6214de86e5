"""What the conformance suite calls to be asked something: by a result that needs input, or by a request."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    TextContent,
)
from pydantic import BaseModel

from mcp_server.context import ToolContext

__all__ = ["TOOLS", "add_prompt"]

_PREFIX: Final = "test_input_required_result_"
T = TypeVar("T")


def _form(message: str, field: str, kind: str = "string") -> ElicitRequest:
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def _completion(prompt: str, most: int) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=most))


def _ask(state: str | None = None, **requests: Any) -> InputRequiredResult:
    return InputRequiredResult(input_requests=requests, request_state=state)


def _given(ctx: ToolContext, key: str, kind: type[T]) -> T | None:
    response = (ctx.input_responses or {}).get(key)
    return response if isinstance(response, kind) else None


def _field(ctx: ToolContext, key: str, field: str) -> Any:
    form = _given(ctx, key, ElicitResult)
    return None if form is None or form.content is None else form.content.get(field)


async def elicitation(ctx: ToolContext) -> str | InputRequiredResult:
    name = _field(ctx, "user_name", "name")
    if not isinstance(name, str):
        return _ask(user_name=_form("What is your name?", "name"))
    return f"Hello, {name}!"


async def sampling(ctx: ToolContext) -> str | InputRequiredResult:
    answer = _given(ctx, "capital_question", CreateMessageResult)
    if answer is None:
        return _ask(capital_question=_completion("What is the capital of France?", 100))
    return answer.content.text if isinstance(answer.content, TextContent) else "Something else than text."


async def list_roots(ctx: ToolContext) -> str | InputRequiredResult:
    listed = _given(ctx, "client_roots", ListRootsResult)
    if listed is None:
        return _ask(client_roots=ListRootsRequest())
    return ", ".join(str(root.uri) for root in listed.roots)


async def request_state(ctx: ToolContext) -> str | InputRequiredResult:
    if _field(ctx, "confirm", "ok") is None:
        return _ask("asked", confirm=_form("Please confirm", "ok", "boolean"))
    if ctx.request_state != "asked":
        raise MCPError(INVALID_PARAMS, "The requestState is not that of this call.")
    return "state-ok"


async def multiple_inputs(ctx: ToolContext) -> str | InputRequiredResult:
    name = _field(ctx, "user_name", "name")
    greeting = _given(ctx, "greeting", CreateMessageResult)
    listed = _given(ctx, "client_roots", ListRootsResult)
    if name is None or greeting is None or listed is None:
        return _ask(
            "asked",
            user_name=_form("What is your name?", "name"),
            greeting=_completion("Generate a greeting", 50),
            client_roots=ListRootsRequest(),
        )
    return f"{name} has {len(listed.roots)} roots."


async def multi_round(ctx: ToolContext) -> str | InputRequiredResult:
    if ctx.request_state is None:
        return _ask("1", step1=_form("Step 1: What is your name?", "name"))
    if ctx.request_state == "1":
        name = _field(ctx, "step1", "name")
        return _ask(f"2 {name}", step2=_form("Step 2: What is your favorite color?", "color"))
    return f"{ctx.request_state.removeprefix('2 ')} likes {_field(ctx, 'step2', 'color')}."


async def capabilities(ctx: ToolContext) -> str | InputRequiredResult:
    declared = ctx.client_capabilities
    wanted: dict[str, Any] = {}
    if declared is not None and declared.sampling is not None:
        wanted["greeting"] = _completion("Generate a greeting", 50)
    if declared is not None and declared.elicitation is not None:
        wanted["user_name"] = _form("What is your name?", "name")
    return _ask(**wanted) if wanted else "Nothing can be asked."


async def test_streaming_elicitation(ctx: ToolContext) -> str | InputRequiredResult:
    await ctx.report_progress(1, 2)
    return await elicitation(ctx)


class _Anything(BaseModel):
    username: str = ""


async def _by_request(ctx: ToolContext) -> str:
    """Ask by a request to the client, for which a stateless server has no way."""
    answer = await ctx.elicit("Who are you?", _Anything)
    return f"Elicitation completed: action={answer.action}"


async def test_elicitation(ctx: ToolContext, message: str) -> str:
    return await _by_request(ctx)


async def test_sampling(ctx: ToolContext, prompt: str) -> str:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    answer = await ctx.session.create_message(  # pyright: ignore[reportDeprecated] - what the scenario is about
        [message], max_tokens=100, related_request_id=ctx.request_id
    )
    return f"LLM response: {answer.content}"


def _tool(function: Callable[..., Any], name: str | None = None) -> Tool:
    return Tool.from_function(function, name=name, description="A fixture.", structured_output=False)


TOOLS: Final = [
    *(
        _tool(function, _PREFIX + function.__name__)
        for function in (
            elicitation,
            sampling,
            list_roots,
            request_state,
            multiple_inputs,
            multi_round,
            capabilities,
        )
    ),
    _tool(request_state, f"{_PREFIX}tampered_state"),
    _tool(test_streaming_elicitation),
    _tool(test_elicitation),
    _tool(test_sampling),
    _tool(_by_request, "test_elicitation_sep1034_defaults"),
    _tool(_by_request, "test_elicitation_sep1330_enums"),
]


def add_prompt(server: MCPServer[Any]) -> None:
    @server.prompt(description="A fixture.")
    async def test_input_required_result_prompt(ctx: ToolContext) -> str | InputRequiredResult:
        context = _field(ctx, "user_context", "context")
        if context is None:
            return _ask(user_context=_form("What context should the prompt use?", "context"))
        return f"Use {context}."

    _ = test_input_required_result_prompt
