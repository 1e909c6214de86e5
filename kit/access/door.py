"""Where people come in, with a token for one audience or with an API key."""

from dataclasses import dataclass, replace

from kit.access.access import Access, AccountDisabled
from kit.access.api_keys import is_api_key
from kit.postgres import Db
from kit.settings import KitSettings
from kit.tokens import Identity, RemoteKeys, Verifier, load_keys

__all__ = ["Door", "open_access", "open_door"]


@dataclass(frozen=True, slots=True)
class Door:
    verifier: Verifier
    access: Access

    async def identify(self, word: str) -> Identity:
        """Whom a token or an API key speaks for. The request at hand ends when it does so no more.

        Raises InvalidToken, AccountDisabled which is one, and what the database raises that is away.
        """
        if is_api_key(word):
            identity = await self.access.api_keys.find(word)
        else:
            identity = await self.verifier.identify(word)
        if identity.owner in self.access.disabled:
            raise AccountDisabled
        tier = self.access.tiers.get(identity.owner)
        if tier is not None:
            identity = replace(identity, claims={**identity.claims, "tier": tier})
        self.access.visits.enter(identity)
        return identity


def open_door(settings: KitSettings, access: Access, audience: str) -> Door:
    """The door for tokens that are meant for `audience`."""
    verifier = Verifier(access.keys, audience, settings.jwt_issuer, settings.jwt_secret_key, access.remote)
    return Door(verifier, access)


async def open_access(settings: KitSettings, db: Db) -> Access:
    """Who may come in, as it is now; `watch_forever` follows how it changes."""
    url = settings.jwt_jwks_url
    access = Access(db, await load_keys(db), None if url is None else RemoteKeys(str(url)))
    await access.look()
    return access
