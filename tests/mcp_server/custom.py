"""Custom tools for tests: a server that has them, and one that everybody knows."""

from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from mcp import Client

from kit.postgres import Db
from mcp_server.context import Deps, SearchConfig
from mcp_server.custom.catalogue import CustomTools
from mcp_server.custom.checking import Draft
from mcp_server.custom.errors import Unfit
from mcp_server.custom.registry import register
from mcp_server.server import create_server
from mcp_server.setup import names_of_tools
from tests.clients import text_of
from tests.mcp_server.doors import Era

__all__ = ["SHOUT", "catalogue", "connected", "deps_with", "draft", "names", "refused", "result", "unfit"]

SHOUT: Final = Draft(
    name="shout",
    description="Say something loudly.",
    parameters={
        "type": "object",
        "properties": {
            "words": {"type": "string", "maxLength": 100, "description": "What to say"},
            "times": {"type": "integer", "minimum": 1, "maximum": 5},
        },
    },
    code="def shout(words, times=1):\n    return ' '.join([words.upper() + '!'] * times)\n",
)


def draft(code: str, *arguments: str, name: str = "probe", **properties: Any) -> Draft:
    """A tool whose `arguments` may be anything, beside those with schemas."""
    anything: dict[str, Any] = {}
    schemas = dict.fromkeys(arguments, anything) | properties
    return Draft(name, "A tool of a test.", {"type": "object", "properties": schemas}, code)


def catalogue(db: Db) -> CustomTools:
    return CustomTools(db, names_of_tools())


def deps_with(tools: CustomTools | None, db: Db, files: Path, user: str = "alice") -> Deps:
    return Deps(db, files, SearchConfig("off"), ZoneInfo("Europe/Berlin"), user, tools)


def connected(
    tools: CustomTools | None, db: Db, files: Path, era: Era = "2026-07-28", user: str = "alice"
) -> Client:
    return Client(create_server(deps_with(tools, db, files, user)), mode=era, cache=None)


async def names(client: Client) -> list[str]:
    return [tool.name for tool in (await client.list_tools()).tools]


async def result(client: Client, name: str, /, **arguments: Any) -> Any:
    """What the function returned, of a call that is meant to succeed."""
    called = await client.call_tool(name, arguments)
    assert not called.is_error, text_of(called)
    assert called.structured_content is not None
    return called.structured_content["result"]


async def refused(client: Client, name: str, /, **arguments: Any) -> str:
    """What is said of a call that is meant to fail."""
    called = await client.call_tool(name, arguments)
    assert called.is_error, called.structured_content
    return text_of(called)


async def unfit(tools: CustomTools, draft: Draft) -> Unfit:
    """Why the tool is refused."""
    with pytest.raises(Unfit) as raised:
        await register(tools, draft, None)
    return raised.value
