"""Other MCP servers: registering them, trying them out."""

from fastapi import APIRouter

router = APIRouter(prefix="/api/v1/mcp-servers", tags=["mcp servers"])
