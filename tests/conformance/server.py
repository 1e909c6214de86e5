"""The tool server with the conformance suite's fixtures beside what is its own, over HTTP without a token."""

import argparse
import asyncio
from collections.abc import Callable
from typing import Any, Final

import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp_types import (
    Completion,
    EmptyResult,
    SetLevelRequestParams,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)

from kit.postgres import embedded_url, migrate, open_db
from kit.settings import load
from mcp_server.context import Deps
from mcp_server.server import ToolServer, create_server
from mcp_server.settings import McpSettings
from mcp_server.setup import deps_from, http_app
from mcp_server.tools import BUILT_IN
from tests.conformance import answering, asking

__all__ = ["conformance_server"]

_LISTS: Final = {
    "resources/list": "resources",
    "resources/templates/list": "resource_templates",
    "prompts/list": "prompts",
}
_FIXTURES: Final = ("test://static-", "test://watched-", "test://template/")


def conformance_server(deps: Deps) -> ToolServer:
    server = create_server(deps, tools=[*BUILT_IN, *answering.TOOLS, *asking.TOOLS])
    fixtures: MCPServer[Any] = MCPServer("fixtures")
    answering.add_resources(fixtures)
    answering.add_prompts(fixtures)
    asking.add_prompt(fixtures)

    @fixtures.completion()
    async def complete(_: Any, __: Any, ___: Any) -> Completion:
        return Completion(values=["test"])

    _ = complete
    _add_beside(_low(server), _low(fixtures))
    _add_2025(_low(server))
    return server


def _low(server: MCPServer[Any]) -> Server[Any]:
    return server._lowlevel_server  # pyright: ignore[reportPrivateUsage] - there is no public way to handlers


def _add_beside(ours: Server[Any], fixtures: Server[Any]) -> None:
    """Answer what names a fixture by the fixtures' handlers, and everything else as the product does."""
    for method, member in _LISTS.items():
        _add_list(ours, fixtures, method, member)
    _add_one(ours, fixtures, "resources/read", lambda params: params.uri.startswith(_FIXTURES))
    _add_one(ours, fixtures, "prompts/get", lambda params: params.name.startswith("test_"))
    _add_one(
        ours,
        fixtures,
        "completion/complete",
        lambda params: str(getattr(params.ref, "name", None)).startswith("test_"),
    )


def _add_list(ours: Server[Any], fixtures: Server[Any], method: str, member: str) -> None:
    own, theirs = ours.get_request_handler(method), fixtures.get_request_handler(method)
    assert own is not None
    assert theirs is not None

    async def listed(ctx: ServerRequestContext[Any, Any], params: Any) -> Any:
        found: Any = await own.handler(ctx, params)
        if found.next_cursor is None:
            added: Any = await theirs.handler(ctx, params)
            getattr(found, member).extend(getattr(added, member))
        return found

    ours.add_request_handler(method, own.params_type, listed)


def _add_one(ours: Server[Any], fixtures: Server[Any], method: str, named: Callable[[Any], bool]) -> None:
    own, theirs = ours.get_request_handler(method), fixtures.get_request_handler(method)
    assert theirs is not None

    async def answered(ctx: ServerRequestContext[Any, Any], params: Any) -> Any:
        entry = theirs if own is None or named(params) else own
        return await entry.handler(ctx, params)

    ours.add_request_handler(method, theirs.params_type, answered)


def _add_2025(ours: Server[Any]) -> None:
    """Requests of 2025-11-25 that Turnlog has no use for, but whose way through the stack the suite tests."""

    async def accept(_: ServerRequestContext[Any, Any], __: Any) -> EmptyResult:
        return EmptyResult()

    ours.add_request_handler("logging/setLevel", SetLevelRequestParams, accept)
    ours.add_request_handler("resources/subscribe", SubscribeRequestParams, accept)
    ours.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, accept)


async def _serve(port: int) -> None:
    settings = load(McpSettings)
    url = settings.database_url or embedded_url(settings.data_dir)
    await asyncio.to_thread(migrate, url)
    async with open_db(url) as db:
        app = http_app(conformance_server(deps_from(settings, db, local=True)), settings, None)
        await uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning")).serve()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(_serve(parser.parse_args().port))
