"""What a token for the tool server may allow (RFC 6749, section 3.3)."""

from typing import Final

__all__ = ["ALL", "READ", "WRITE"]

READ: Final = "tools:read"
WRITE: Final = "tools:write"
ALL: Final = f"{READ} {WRITE}"
