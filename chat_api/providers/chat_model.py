"""Asking a model in the words of the Agents SDK, and answering in them."""

from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from agents import FunctionTool, ModelResponse, ModelSettings, Tool, TResponseInputItem, Usage
from agents.models.chatcmpl_converter import Converter
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from chat_api.providers.completions import Completion, CompletionClient, FunctionCall
from chat_api.providers.meter import Meter
from chat_api.providers.taste import Taste
from chat_api.providers.tool_calls import NOT_JSON

__all__ = ["NOT_JSON", "ChatModel", "model_response"]

_FAKE_ID: Final = "__fake_id__"


class ChatModel:
    """A model of one server, by name."""

    def __init__(self, name: str, client: CompletionClient) -> None:
        self.name: Final = name
        self._client: Final = client
        self._taste: Final = Taste()

    async def reply(
        self,
        instructions: str | None,
        items: Sequence[TResponseInputItem] | str,
        settings: ModelSettings,
        tools: list[Tool],
        on_text: Callable[[str], None],
        meter: Meter | None = None,
    ) -> Completion:
        """Ask for the answer to `items`; `on_text` gets each piece of its text as it arrives.

        `meter` knows at any time what that has taken.

        Raises ProviderUnreachable, ProviderTimeout or ProviderFailed; `on_text` may have been called by then.
        """
        messages = cast("list[dict[str, Any]]", Converter.items_to_messages(items, model=self.name))
        if instructions:
            messages.insert(0, {"role": "system", "content": instructions})
        body: dict[str, Any] = {"model": self.name, "messages": messages, **_options(settings)}
        if tools:
            body["tools"] = [_tool(tool) for tool in tools]
        return await self._client.complete(body, on_text, self._taste, meter or Meter())


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


def model_response(completion: Completion) -> ModelResponse:
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
    return ResponseFunctionToolCall.model_construct(
        id=_FAKE_ID,
        call_id=call.call_id,
        name=call.name,
        arguments=call.arguments,
        type="function_call",
    )
