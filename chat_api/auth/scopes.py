"""What an API key may allow, at the API and at the tool server."""

from typing import Final, Literal, TypeAlias

__all__ = ["READ", "WRITE", "Scope"]

READ: Final = "read"
WRITE: Final = "write"
Scope: TypeAlias = Literal["read", "write", "tools:read", "tools:write", "admin"]
