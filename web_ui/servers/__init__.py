"""The page of other MCP servers."""
