"""Other MCP servers, whose tools agents may use beside ours."""
