"""Asking a server now, for somebody who waits for it."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import Final

from chat_api.auth.service import Deputy
from chat_api.providers.tool_calls import clean_text
from chat_api.tools.servers.errors import McpServerFailed
from chat_api.tools.servers.exchange import Trouble
from chat_api.tools.servers.models import McpServer
from chat_api.tools.servers.offering import Offering, offering
from chat_api.tools.servers.others import OtherServers
from chat_api.tools.servers.registry import Server
from chat_api.tools.servers.schemas import TestResult
from chat_api.tools.servers.server_line import ServerFailed, ServerLine

__all__ = ["test", "tools"]

_SECONDS: Final = 20.0
_LONGEST_NAME: Final = 200
_WORDS: Final[dict[Trouble, str]] = {
    "unreachable": "The server cannot be reached at this address.",
    "timed_out": "The server took too long to answer.",
    "not_mcp": "The server does not answer as an MCP server does over Streamable HTTP.",
    "refused": "The server does not accept how we sign in.",
    "redirected": "The server sends us on to another address; register that one.",
    "too_much": "The server sends more than is taken from it.",
    "secret_lost": "The secret cannot be read any more; send it again.",
}


async def test(others: OtherServers, row: McpServer, deputy: Deputy) -> TestResult:
    server, began = _server(row), time.monotonic()
    try:
        async with _line(others, server, deputy) as line:
            client = await line.greet()
            listed = await line.tools()
            latency = _milliseconds(began)
            info, protocol = client.server_info, client.protocol_version
    except ServerFailed as failure:
        words = _WORDS[failure.trouble]
        return TestResult(ok=False, trouble=failure.trouble, message=words, latency_ms=_milliseconds(began))
    found = offering(server, listed.tools, complete=listed.complete)
    return TestResult(
        ok=True,
        message="The server answers.",
        latency_ms=latency,
        protocol_version=protocol,
        server_name=clean_text(info.name)[:_LONGEST_NAME] if info else None,
        server_version=clean_text(info.version)[:_LONGEST_NAME] if info else None,
        tools=len(found.offers),
        left_out=len(found.left_out),
    )


async def tools(others: OtherServers, row: McpServer, deputy: Deputy) -> Offering:
    """Raises McpServerFailed."""
    server = _server(row)
    try:
        async with _line(others, server, deputy) as line:
            listed = await line.tools()
    except ServerFailed as failure:
        raise McpServerFailed(failure.trouble, _WORDS[failure.trouble]) from failure
    return offering(server, listed.tools, complete=listed.complete)


@asynccontextmanager
async def _line(others: OtherServers, server: Server, deputy: Deputy) -> AsyncGenerator[ServerLine]:
    """A line for this one question. Raises ServerFailed."""
    line = others.line(server, deputy)
    try:
        async with asyncio.timeout(_SECONDS):
            yield line
    except TimeoutError as error:
        raise ServerFailed("timed_out", "TimeoutError", {}) from error
    finally:
        await line.close()


def _server(row: McpServer) -> Server:
    return Server(**{field.name: getattr(row, field.name) for field in fields(Server)})


def _milliseconds(since: float) -> float:
    return round((time.monotonic() - since) * 1000, 1)
