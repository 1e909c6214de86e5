"""The built-in tools, one file a family."""

from typing import Final

from mcp.server.mcpserver.tools import Tool

from mcp_server.tools import calculator, clock, files, python, todos, web

__all__ = ["BUILT_IN", "FAMILIES"]

FAMILIES: Final[dict[str, tuple[Tool, ...]]] = {
    "calculator": calculator.TOOLS,
    "time": clock.TOOLS,
    "files": files.TOOLS,
    "todos": todos.TOOLS,
    "web": web.TOOLS,
    "python": python.TOOLS,
}

BUILT_IN: Final[tuple[Tool, ...]] = tuple(tool for family in FAMILIES.values() for tool in family)
