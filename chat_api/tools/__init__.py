"""The bridge from the agent to MCP."""
