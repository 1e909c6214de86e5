"""What the conformance suite calls, reads and gets: tools, resources and prompts that only answer."""

import asyncio
import base64
import json
from typing import Annotated, Any, Final

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)
from pydantic import Field

from mcp_server.context import ToolContext, ToolError

__all__ = ["TOOLS", "add_prompts", "add_resources"]

_PNG: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
_WAV: Final = b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0@\x1f\0\0@\x1f\0\0\1\0\x08\0data\0\0\0\0"
_PAUSE: Final = 0.05
# The scenario json-schema-2020-12 looks for these words in a tool's schema.
_SCHEMA_2020: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def _png() -> ImageContent:
    return ImageContent(type="image", data=base64.b64encode(_PNG).decode(), mime_type="image/png")


def _text(text: str) -> TextContent:
    return TextContent(type="text", text=text)


def _embedded(uri: str, text: str, mime_type: str = "text/plain") -> EmbeddedResource:
    contents = TextResourceContents(uri=uri, text=text, mime_type=mime_type)
    return EmbeddedResource(type="resource", resource=contents)


async def test_simple_text() -> str:
    return "This is a simple text response for testing."


async def test_image_content() -> CallToolResult:
    return CallToolResult(content=[_png()])


async def test_audio_content() -> CallToolResult:
    data = base64.b64encode(_WAV).decode()
    return CallToolResult(content=[AudioContent(type="audio", data=data, mime_type="audio/wav")])


async def test_embedded_resource() -> CallToolResult:
    embedded = _embedded("test://embedded-resource", "This is an embedded resource content.")
    return CallToolResult(content=[embedded])


async def test_multiple_content_types() -> CallToolResult:
    data = json.dumps({"test": "data", "value": 123})
    embedded = _embedded("test://mixed-content-resource", data, "application/json")
    return CallToolResult(content=[_text("Multiple content types test:"), _png(), embedded])


async def test_error_handling() -> str:
    raise ToolError("This tool intentionally returns an error for testing")


async def test_tool_with_logging(ctx: ToolContext) -> str:
    for step in ("started", "processing data", "completed"):
        words = f"Tool {step}" if " " in step else f"Tool execution {step}"
        await ctx.session.send_log_message(  # pyright: ignore[reportDeprecated] - what the scenario is about
            level="info", data=words, related_request_id=ctx.request_id
        )
        await asyncio.sleep(_PAUSE)
    return "Logged."


async def test_tool_with_progress(ctx: ToolContext) -> str:
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
        await asyncio.sleep(_PAUSE)
    return "Done."


async def test_missing_capability(ctx: ToolContext) -> str:
    declared = ctx.client_capabilities
    if declared is None or declared.sampling is None:
        needed: dict[str, Any] = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "This tool needs sampling.", needed)
    return "Sampling is there."


async def test_trigger_tool_change(ctx: ToolContext) -> str:
    await ctx.notify_tools_changed()
    return "Told."


async def test_trigger_prompt_change(ctx: ToolContext) -> str:
    await ctx.notify_prompts_changed()
    return "Told."


async def test_custom_headers(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
) -> str:
    return region


async def json_schema_2020_12_tool(name: str = "") -> str:
    return name


def _made() -> list[Tool]:
    functions = [
        test_simple_text,
        test_image_content,
        test_audio_content,
        test_embedded_resource,
        test_multiple_content_types,
        test_error_handling,
        test_tool_with_logging,
        test_tool_with_progress,
        test_missing_capability,
        test_trigger_tool_change,
        test_trigger_prompt_change,
        test_custom_headers,
        json_schema_2020_12_tool,
    ]
    tools = [Tool.from_function(function, description="A fixture.") for function in functions]
    tools.append(
        Tool.from_function(test_tool_with_logging, name="test_logging_tool", description="A fixture.")
    )
    for tool in tools:
        if tool.name == "json_schema_2020_12_tool":
            tool.parameters = _SCHEMA_2020
    return tools


TOOLS: Final = _made()


def add_resources(server: MCPServer[Any]) -> None:
    @server.resource("test://static-text", description="A fixture.", mime_type="text/plain")
    async def static_text() -> str:
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", description="A fixture.", mime_type="image/png")
    async def static_binary() -> bytes:
        return _PNG

    @server.resource("test://watched-resource", description="A fixture.", mime_type="text/plain")
    async def watched() -> str:
        return "Watched."

    @server.resource("test://template/{id}/data", description="A fixture.", mime_type="application/json")
    async def templated(id: str) -> str:  # noqa: A002 - the scenario names it
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})

    _ = static_text, static_binary, watched, templated


def add_prompts(server: MCPServer[Any]) -> None:
    @server.prompt(description="A fixture.")
    async def test_simple_prompt() -> str:
        return "This is a simple prompt for testing."

    @server.prompt(description="A fixture.")
    async def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt(description="A fixture.")
    async def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803
        embedded = _embedded(resourceUri, "Embedded resource content for testing.")
        return [UserMessage(embedded), UserMessage("Please process the embedded resource above.")]

    @server.prompt(description="A fixture.")
    async def test_prompt_with_image() -> list[UserMessage]:
        return [UserMessage(_png()), UserMessage("Please analyze the image above.")]

    _ = test_simple_prompt, test_prompt_with_arguments
    _ = test_prompt_with_embedded_resource, test_prompt_with_image
