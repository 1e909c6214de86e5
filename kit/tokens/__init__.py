"""JWTs: the built-in issuer, and one verifier for every issuer that is trusted."""

from kit.tokens.identity import ADMIN, Identity
from kit.tokens.keys import KeyRing, load_keys
from kit.tokens.mint import mint
from kit.tokens.remote import RemoteKeys
from kit.tokens.verify import InvalidToken, Verifier

__all__ = ["ADMIN", "Identity", "InvalidToken", "KeyRing", "RemoteKeys", "Verifier", "load_keys", "mint"]
