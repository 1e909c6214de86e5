"""The tool server, for every transport."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Final

from mcp.server.auth.provider import TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolResult, InputRequiredResult
from pydantic import AnyHttpUrl, ValidationError

from mcp_server.context import Deps
from mcp_server.tooling import argument_error, unknown_arguments
from mcp_server.tools import BUILT_IN

__all__ = ["ToolServer", "create_server"]

_INSTRUCTIONS: Final = (
    "Tools for arithmetic, dates and times, the user's own files, the web, and the user's own todos. "
    "Everything belongs to the user who is signed in."
)


class ToolServer(MCPServer[Deps]):
    """MCPServer with errors that a model can act on."""

    def __init__(self, tools: list[Tool], **options: Any) -> None:
        super().__init__(tools=tools, **options)
        self._by_name: Final = {tool.name: tool for tool in tools}

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Deps, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        tool = self._by_name.get(name)
        if tool is None:
            raise MCPError(code=INVALID_PARAMS, message="Unknown tool; tools/list names those there are.")
        known = tool.parameters.get("properties", {})
        if not arguments.keys() <= known.keys():
            raise ToolError(unknown_arguments(name, known))
        try:
            return await super().call_tool(name, arguments, context)
        except UnexpectedToolError as error:
            # The cause goes to the log; the model learns only that trying again may help.
            raise UnexpectedToolError(f"{name} failed inside the server; try again.") from error
        except ToolError as error:
            raise _plain(tool, error) from error.__cause__


def _plain(tool: Tool, error: ToolError) -> ToolError:
    """The same error without the SDK's prefix, and without Pydantic's words."""
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        return ToolError(argument_error(tool.name, tool.parameters, cause))
    return ToolError(str(cause)) if isinstance(cause, ToolError) else error


def create_server(
    deps: Deps,
    *,
    verifier: TokenVerifier | None = None,
    public_url: str = "http://127.0.0.1:8000",
) -> ToolServer:
    """The tool server over `deps`.

    With a `verifier`, its HTTP app asks for bearer tokens, and publishes the metadata of RFC 9728 for `/mcp`
    at `public_url`, which it names as where tokens come from.
    """

    @asynccontextmanager
    async def lifespan(_: MCPServer[Deps]) -> AsyncGenerator[Deps]:
        yield deps

    auth = None
    if verifier is not None:
        auth = AuthSettings(
            issuer_url=AnyHttpUrl(public_url),
            resource_server_url=AnyHttpUrl(f"{public_url}/mcp"),
            validate_token_resource=False,  # the verifier checks the audience itself
        )
    return ToolServer(
        list(BUILT_IN),
        name="turnlog",
        title="Turnlog tools",
        version=version("turnlog"),
        instructions=_INSTRUCTIONS,
        lifespan=lifespan,
        auth=auth,
        token_verifier=verifier,
        log_level="WARNING",
    )
