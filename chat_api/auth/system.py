"""The person that nobody is: whose is what comes with the server."""

from typing import Final

from kit.ids import owner_id
from kit.tokens.keys import BUILT_IN_ISSUER

__all__ = ["NOBODY", "SYSTEM"]

NOBODY: Final = ""
"""The subject that no token may have."""

SYSTEM: Final = owner_id(BUILT_IN_ISSUER, NOBODY)
"""A row of `users`, which a migration makes."""
