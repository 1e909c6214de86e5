"""Bearer tokens at the MCP door."""

from dataclasses import dataclass

from mcp.server.auth.provider import AccessToken, TokenVerifier

from kit.tokens import InvalidToken, Verifier

__all__ = ["JwtVerifier"]


@dataclass(frozen=True, slots=True)
class JwtVerifier(TokenVerifier):
    """Accepts what `verifier` accepts; its audience is the MCP server's."""

    verifier: Verifier

    async def verify_token(self, token: str) -> AccessToken | None:
        try:
            identity = self.verifier.verify(token)
        except InvalidToken:
            return None
        match identity.claims.get("act"):
            case {"sub": str(client)}:
                pass
            case _:
                client = identity.subject
        scope = identity.claims.get("scope")
        return AccessToken(
            token=token,
            client_id=client,
            scopes=scope.split() if isinstance(scope, str) else [],
            expires_at=int(identity.claims["exp"]),
            subject=identity.subject,
            claims={"iss": identity.issuer, "zoneinfo": identity.zone},
        )
