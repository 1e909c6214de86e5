"""Who is asking, once that was checked."""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final
from uuid import UUID
from zoneinfo import available_timezones

from kit.errors import Problem
from kit.ids import owner_id

__all__ = ["ADMIN", "Identity", "MissingScope", "is_zone"]

ADMIN: Final = "admin"
_LATEST: Final = 2**40


class MissingScope(Problem):
    status = 403
    code = "missing_scope"

    def __init__(self, scope: str) -> None:
        super().__init__(
            f"The API key does not allow that; use one with the scope {scope}.", details={"scope": scope}
        )


@dataclass(frozen=True)
class Identity:
    """Who a checked token speaks for; or the API key `key_id`, whose claims are those of a token."""

    issuer: str
    subject: str
    claims: dict[str, Any]
    key_id: UUID | None = None

    @cached_property
    def owner(self) -> UUID:
        return owner_id(self.issuer, self.subject)

    @property
    def is_admin(self) -> bool:
        """Whether the issuer names the person an admin (`roles`, RFC 9068, section 2.2.3.1)."""
        roles = self.claims.get("roles")
        return isinstance(roles, list) and ADMIN in roles

    @property
    def zone(self) -> str | None:
        """The person's time zone (`zoneinfo`, OpenID Connect Core 1.0, section 5.1), if the token tells."""
        zone = self.claims.get("zoneinfo")
        return zone if isinstance(zone, str) and is_zone(zone) else None

    @property
    def expires_at(self) -> int:
        """When it is good no more, in seconds since 1970; for a key that does not expire, far away."""
        return min(int(self.claims.get("exp", _LATEST)), _LATEST)

    @property
    def scopes(self) -> list[str]:
        scope = self.claims.get("scope")
        return scope.split() if isinstance(scope, str) else []

    def require(self, scope: str) -> None:
        """Raise MissingScope where this is an API key without `scope`. Tokens for the API allow all."""
        if self.key_id is not None and scope not in self.scopes:
            raise MissingScope(scope)


def is_zone(name: str) -> bool:
    """Whether there is such an IANA time zone."""
    return name in _zones()


@cache
def _zones() -> frozenset[str]:
    """Without what is in the database for programs that know of none."""
    return frozenset(available_timezones() - {"Factory"})
