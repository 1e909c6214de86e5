"""Knowing people, and speaking for them elsewhere."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from chat_api.auth.models import User
from kit.postgres.tables import now
from kit.tokens import Identity, KeyRing, mint
from mcp_server.scopes import ALL

__all__ = ["Delegation", "Deputy", "meet"]

_LIFETIME: Final = timedelta(seconds=60)
_ACTOR: Final = "turnlog-chat"


async def meet(session: AsyncSession, identity: Identity) -> None:
    """Know the person from now on, if we do not yet."""
    person = {"id": identity.owner, "issuer": identity.issuer, "subject": identity.subject}
    await session.execute(insert(User).values(person | {"created_at": now()}).on_conflict_do_nothing())


@dataclass(frozen=True, slots=True)
class Delegation:
    """Mints tokens with which the chat backend acts for its users elsewhere.

    `audience` is the tool server.
    """

    keys: KeyRing
    audience: str

    def deputy(self, identity: Identity) -> "Deputy":
        return Deputy(self, identity)

    def token(self, identity: Identity, audience: str | None = None) -> str:
        """A token of 60 seconds for `audience`: the user is `sub`, we are `act` (RFC 8693, section 4.1).

        Without an `audience` it is for our own tool server.

        `sub_id` (RFC 9493) names the user's own issuer, so that both doors know one person as one owner.
        """
        claims = {
            "act": {"sub": _ACTOR},
            "sub_id": {"format": "iss_sub", "iss": identity.issuer, "sub": identity.subject},
            "zoneinfo": identity.zone,
            "scope": ALL,
        }
        return mint(
            self.keys,
            subject=identity.subject,
            audience=audience or self.audience,
            lifetime=_LIFETIME,
            claims=claims,
        )


@dataclass(frozen=True, slots=True)
class Deputy:
    """Speaks for one person."""

    delegation: Delegation
    identity: Identity

    @property
    def owner(self) -> UUID:
        return self.identity.owner

    def token(self, audience: str | None = None) -> str:
        """A token of 60 seconds for `audience`, or for our own tool server."""
        return self.delegation.token(self.identity, audience)
