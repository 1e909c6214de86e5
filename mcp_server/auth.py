"""Bearer tokens at the MCP door."""

from dataclasses import dataclass
from typing import Protocol

from mcp.server.auth.provider import AccessToken, TokenVerifier

from kit.tokens import Identity, InvalidToken

__all__ = ["JwtVerifier"]


class Identifies(Protocol):
    async def identify(self, word: str, /) -> Identity: ...


@dataclass(frozen=True, slots=True)
class JwtVerifier(TokenVerifier):
    """Accepts what `door` accepts: tokens for the MCP server, and API keys where it knows them."""

    door: Identifies

    async def verify_token(self, token: str) -> AccessToken | None:
        try:
            identity = await self.door.identify(token)
        except InvalidToken:
            return None
        match identity.claims.get("act"):
            case {"sub": str(client)}:
                pass
            case _:
                client = identity.subject
        return AccessToken(
            token=token,
            client_id=client,
            scopes=identity.scopes,
            expires_at=identity.expires_at,
            subject=identity.subject,
            claims={"iss": identity.issuer, "zoneinfo": identity.zone},
        )
