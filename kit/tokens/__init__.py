"""JWTs: the built-in issuer, and one verifier for every issuer that is trusted."""

from kit.tokens.keys import KeyRing, load_keys
from kit.tokens.mint import mint
from kit.tokens.verify import ADMIN, Identity, InvalidToken, Verifier

__all__ = ["ADMIN", "Identity", "InvalidToken", "KeyRing", "Verifier", "load_keys", "mint"]
