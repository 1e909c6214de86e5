"""Public keys of the built-in issuer."""

from typing import Any, cast

from fastapi import APIRouter, Request

from kit.tokens import Verifier

router = APIRouter(tags=["auth"])


@router.get("/.well-known/jwks.json")
async def jwks(request: Request) -> dict[str, Any]:
    """The keys that sign the built-in issuer's tokens (RFC 7517)."""
    return cast("Verifier", request.state.verifier).keys.jwks()
