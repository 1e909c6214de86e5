"""Messages to the tool server by raw HTTP, right unless a test changes them, in both protocol eras."""

import json
from typing import Any, Final, cast

import httpx2

OLD, NEW = "2025-11-25", "2026-07-28"
META: Final[dict[str, Any]] = {
    "io.modelcontextprotocol/protocolVersion": NEW,
    "io.modelcontextprotocol/clientCapabilities": {},
}
PARSE, REQUEST, METHOD, PARAMS = -32700, -32600, -32601, -32602
MISMATCH, VERSION = -32020, -32022


def request(era: str, method: str, **params: Any) -> dict[str, Any]:
    sent = params | {"_meta": META} if era == NEW else params
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": sent}


def headers_of(era: str, message: Any, **changed: str | None) -> dict[str, str]:
    headers: dict[str, str | None] = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": era,
    }
    if era == NEW and isinstance(message, dict):
        described = cast("dict[str, Any]", message)
        params: dict[str, Any] = described.get("params") or {}
        headers["Mcp-Method"] = described.get("method")
        headers["Mcp-Name"] = params.get("name") or params.get("uri")
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    return {name: value for name, value in headers.items() if value is not None}


def send(http: httpx2.Client, era: str, message: Any, **changed: str | None) -> httpx2.Response:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return http.post("/mcp", content=body, headers=headers_of(era, message, **changed))


def answer(response: httpx2.Response) -> dict[str, Any]:
    if response.headers["Content-Type"].startswith("text/event-stream"):
        return json.loads(response.text.partition("data: ")[2])
    return response.json()


def error(response: httpx2.Response, id_: int | None = 7) -> dict[str, Any]:
    told = answer(response)
    assert told["id"] == id_
    assert "pydantic" not in response.text
    return told["error"]
