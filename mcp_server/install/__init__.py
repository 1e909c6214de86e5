"""Putting the tool server into the configuration of MCP clients, and taking it out."""

from mcp_server.install.command import install, uninstall
from mcp_server.install.entry import Wanted

__all__ = ["Wanted", "install", "uninstall"]
