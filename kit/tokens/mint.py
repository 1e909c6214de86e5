"""Making tokens of the built-in issuer."""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import jwt

from kit.ids import new_id
from kit.tokens.keys import BUILT_IN_ISSUER, KeyRing

__all__ = ["mint"]


def mint(
    keys: KeyRing,
    *,
    subject: str,
    audience: str,
    lifetime: timedelta,
    claims: Mapping[str, Any] | None = None,
) -> str:
    """A signed token (RFC 7519, EdDSA) for `subject` at `audience`, good for `lifetime` from now."""
    issued = int(time.time())
    payload = {
        "iss": BUILT_IN_ISSUER,
        "aud": audience,
        "sub": subject,
        "iat": issued,
        "exp": issued + int(lifetime.total_seconds()),
        "jti": str(new_id()),
        **(claims or {}),
    }
    return jwt.encode(payload, keys.private, algorithm="EdDSA", headers={"kid": keys.kid})
