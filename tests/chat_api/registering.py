"""Custom tools for tests over HTTP."""

from typing import Any
from uuid import uuid4

__all__ = ["CUSTOM", "EXAMPLE", "REGISTER", "code_of", "fresh", "tool"]

REGISTER = "/api/v1/tools/register"
CUSTOM = "/api/v1/tools/custom"
# The example of the contract: no argument is called required, and one has no default.
EXAMPLE: dict[str, Any] = {
    "name": "my_custom_tool",
    "description": "Custom tool description",
    "parameters": {"type": "object", "properties": {"param1": {"type": "string"}}},
    "code": "def my_custom_tool(param1): return f'Result: {param1}'",
}


def fresh() -> str:
    return f"t{uuid4().int}"[:30]


def tool(name: str, **parts: Any) -> dict[str, Any]:
    return EXAMPLE | {"name": name, "code": EXAMPLE["code"].replace("my_custom_tool", name)} | parts


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]
