"""The built-in tools, one file a family."""

from typing import Final

from mcp.server.mcpserver.tools import Tool

from mcp_server.tools import calculator, clock, files, python, todos, web

__all__ = ["BUILT_IN"]

BUILT_IN: Final[tuple[Tool, ...]] = (
    *calculator.TOOLS,
    *clock.TOOLS,
    *files.TOOLS,
    *todos.TOOLS,
    *web.TOOLS,
    *python.TOOLS,
)
