"""An MCP tool server: calculator, time, files, web search and per-user todos."""
