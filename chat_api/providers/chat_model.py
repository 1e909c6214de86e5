"""The Agents SDK's `Model` without the openai client's transforms, which cost a third of a turn."""

import json
import re
from typing import Any, Final, cast

from agents import (
    AgentOutputSchemaBase,
    FunctionTool,
    Handoff,
    ModelResponse,
    ModelSettings,
    ModelTracing,
    OpenAIChatCompletionsModel,
    Tool,
    TResponseInputItem,
    Usage,
)
from agents.models.chatcmpl_converter import Converter
from openai import AsyncOpenAI
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText
from openai.types.responses.response_prompt_param import ResponsePromptParam
from typing_extensions import override

from chat_api.providers.completions import Completion, CompletionClient, FunctionCall
from kit.ids import new_id

__all__ = ["NOT_JSON", "ChatModel"]

NOT_JSON: Final = "not_json"
"""The one argument of a call whose arguments cannot be used: what goes back to a model must be JSON."""

_REFUSED: Final = json.dumps({NOT_JSON: True})
_DEEPEST: Final = 100
_FAKE_ID: Final = "__fake_id__"
_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class ChatModel(OpenAIChatCompletionsModel):
    """Whole answers go past the openai client; streamed ones still go through it."""

    def __init__(self, name: str, client: CompletionClient) -> None:
        super().__init__(
            name,
            AsyncOpenAI(
                base_url=client.base_url,
                api_key=client.api_key,
                http_client=client.http,
                timeout=client.timeout_seconds,
            ),
        )
        self._name: Final = name
        self._completions: Final = client

    @override
    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff[Any, Any]],
        tracing: ModelTracing,
        previous_response_id: str | None = None,
        conversation_id: str | None = None,
        prompt: ResponsePromptParam | None = None,
    ) -> ModelResponse:
        messages = cast("list[dict[str, Any]]", Converter.items_to_messages(input, model=self._name))
        if system_instructions:
            messages.insert(0, {"role": "system", "content": system_instructions})
        body: dict[str, Any] = {"model": self._name, "messages": messages, **_options(model_settings)}
        if tools:
            body["tools"] = [_tool(tool) for tool in tools]
        return _response(await self._completions.complete(body))


def _options(settings: ModelSettings) -> dict[str, Any]:
    options = {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "max_tokens": settings.max_tokens,
        "parallel_tool_calls": settings.parallel_tool_calls,
        **(settings.extra_args or {}),
    }
    return {name: value for name, value in options.items() if value is not None}


def _tool(tool: Tool) -> dict[str, Any]:
    function = cast("FunctionTool", tool)
    return {
        "type": "function",
        "function": {
            "name": function.name,
            "description": function.description,
            "parameters": function.params_json_schema,
        },
    }


def _response(completion: Completion) -> ModelResponse:
    """The completion as the SDK wants it; built without validation, for it is our own."""
    output: list[Any] = [_function_call(call) for call in completion.calls]
    if completion.text:
        text = ResponseOutputText.model_construct(text=completion.text, type="output_text", annotations=[])
        message = ResponseOutputMessage.model_construct(
            id=_FAKE_ID, content=[text], role="assistant", status="completed", type="message"
        )
        output.insert(0, message)
    usage = Usage(
        requests=1,
        input_tokens=completion.input_tokens,
        output_tokens=completion.output_tokens,
        total_tokens=completion.input_tokens + completion.output_tokens,
    )
    return ModelResponse(output=output, usage=usage, response_id=None)


def _function_call(call: FunctionCall) -> ResponseFunctionToolCall:
    # The ids are ours: not every server makes them, and some make the same one twice.
    return ResponseFunctionToolCall.model_construct(
        id=_FAKE_ID,
        call_id=f"call_{new_id().hex}",
        name=call.name,
        arguments=_object(call.arguments),
        type="function_call",
    )


def _object(text: str) -> str:
    """`text` where it is a JSON object that can be kept: no NUL, lone surrogate, NaN; not too deep."""
    try:
        value = json.loads(text)
        kept = json.dumps(value, ensure_ascii=False, allow_nan=False)
        kept.encode()
    except (ValueError, RecursionError):
        return _REFUSED
    usable = isinstance(value, dict) and not _NUL.search(kept) and not _is_deep(value)
    return text if usable else _REFUSED


def _is_deep(value: Any, left: int = _DEEPEST) -> bool:
    """Whether `value` nests further than the SDK and the database follow."""
    match value:
        case dict():
            parts = list(cast("dict[str, Any]", value).values())
        case list():
            parts = cast("list[Any]", value)
        case _:
            return False
    return left == 0 or any(_is_deep(part, left - 1) for part in parts)
