"""Keeping configured providers: one's own, and those that admins share with everybody."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from chat_api.auth.dependencies import NotAdmin
from chat_api.auth.models import User
from chat_api.auth.service import meet
from chat_api.providers.addresses import Addresses, api_url
from chat_api.providers.errors import (
    ProviderChanged,
    ProviderInvalid,
    ProviderKeyNeeded,
    ProviderNameTaken,
    ProviderNotFound,
    TooManyProviders,
)
from chat_api.providers.keys import Keys, origin
from chat_api.providers.models import ProviderConfig
from chat_api.providers.names import BUILT_IN, Kind
from kit.postgres import Db
from kit.postgres.errors import violated
from kit.postgres.tables import now
from kit.tokens import Identity

__all__ = ["Desk", "can_change", "find", "get_owned", "list_configs"]

_MOST: Final = 20
_NAMES: Final = frozenset({"provider_configs_name", "provider_configs_shared_name"})


@dataclass(frozen=True, slots=True)
class Desk:
    """Where providers are configured, changed and struck off."""

    db: Db
    keys: Keys
    addresses: Addresses

    async def create(self, by: Identity, settings: dict[str, Any]) -> ProviderConfig:
        """Raises ProviderInvalid, NotAdmin, ProviderNameTaken, TooManyProviders, NoSealingKey."""
        if settings["name"] in BUILT_IN:
            raise ProviderInvalid("name", "This name is that of a built-in provider; use another one.")
        key = settings.pop("api_key")
        # Who names the address decides how far it may lead.
        config = ProviderConfig(user_id=by.owner, anywhere=by.is_admin, **settings)
        config.base_url = api_url(cast("Kind", config.kind), config.base_url)
        self._check(config, by)
        if key is not None:
            self._seal(config, key)
        try:
            async with self.db.begin() as session:
                await meet(session, by)
                await _check_room(session, by.owner)
                await _check_name(session, config)
                session.add(config)
        except IntegrityError as error:
            raise _named(error) from error
        return config

    async def change(
        self,
        by: Identity,
        provider_id: UUID,
        given: dict[str, Any],
        *,
        expected: Collection[int] | None = None,
    ) -> ProviderConfig:
        """Change what is `given`; `expected` are the versions that it may be made to; None: any.

        Raises ProviderNotFound, ProviderChanged, ProviderKeyNeeded, and what `create` does.
        """
        try:
            async with self.db.begin() as session:
                config = await _changeable(session, by, provider_id, expected)
                was_shared = config.shared
                self._apply(config, by, given)
                # Before the next statement, which sends the change to the database.
                self._check(config, by)
                if config.shared and not was_shared:
                    await _check_name(session, config)
                config.version += 1
                config.updated_at = now()
        except IntegrityError as error:
            raise _named(error) from error
        return config

    async def delete(
        self, by: Identity, provider_id: UUID, *, expected: Collection[int] | None = None
    ) -> None:
        """Raises ProviderNotFound, ProviderChanged."""
        async with self.db.begin() as session:
            await session.delete(await _changeable(session, by, provider_id, expected))

    def _apply(self, config: ProviderConfig, by: Identity, given: dict[str, Any]) -> None:
        changes, was, kind = dict(given), config.base_url, config.kind
        key_given, key = "api_key" in changes, changes.pop("api_key", None)
        for name, value in changes.items():
            setattr(config, name, value)
        config.base_url = api_url(cast("Kind", config.kind), config.base_url)
        if (config.base_url, config.kind) != (was, kind):
            # What an admin has allowed was that one, and no other.
            config.anywhere = by.is_admin
        if origin(config.base_url) != origin(was) and config.secret is not None and not key_given:
            raise ProviderKeyNeeded
        if key is not None:
            self._seal(config, key)
        elif key_given:
            config.secret = None

    def _check(self, config: ProviderConfig, by: Identity) -> None:
        if config.shared and not by.is_admin:
            raise NotAdmin("Only an admin may share a provider.")
        self.addresses.check(config.kind, config.base_url, by_admin=config.anywhere)

    def _seal(self, config: ProviderConfig, key: str) -> None:
        config.secret = self.keys.seal(key, config.user_id, config.name, config.base_url)


def can_change(config: ProviderConfig, by: Identity) -> bool:
    return by.is_admin if config.shared else config.user_id == by.owner


async def find(db: Db, by: Identity, provider_id: UUID) -> ProviderConfig:
    """One's own provider, or a shared one. Raises ProviderNotFound for one that is somebody else's."""
    async with db() as session:
        return await get_owned(session, by, provider_id)


async def get_owned(
    session: AsyncSession, by: Identity, provider_id: UUID, *, lock: bool = False
) -> ProviderConfig:
    """One's own provider, or a shared one. Raises ProviderNotFound for one that is somebody else's."""
    config = await session.get(ProviderConfig, provider_id, with_for_update=lock or None)
    if config is None or not (config.shared or config.user_id == by.owner):
        raise ProviderNotFound
    return config


async def list_configs(
    db: Db, by: Identity, *, after: UUID | None, limit: int
) -> tuple[Sequence[ProviderConfig], UUID | None, int]:
    """A page of one's own providers and the shared ones, oldest first, the id to go on from, and how many."""
    mine = or_(col(ProviderConfig.user_id) == by.owner, col(ProviderConfig.shared))
    page = select(ProviderConfig).where(mine)
    if after is not None:
        page = page.where(col(ProviderConfig.id) > after)
    async with db() as session:
        found = list(await session.scalars(page.order_by(col(ProviderConfig.id)).limit(limit + 1)))
        total = await session.scalar(select(func.count()).select_from(ProviderConfig).where(mine))
    return found[:limit], found[limit - 1].id if len(found) > limit else None, total or 0


async def _changeable(
    session: AsyncSession, by: Identity, provider_id: UUID, expected: Collection[int] | None
) -> ProviderConfig:
    config = await get_owned(session, by, provider_id, lock=True)
    if not can_change(config, by):
        raise NotAdmin("Only an admin may change a provider that is everybody's.")
    if expected is not None and config.version not in expected:
        raise ProviderChanged(config.version)
    return config


async def _check_room(session: AsyncSession, owner: UUID) -> None:
    # One at a time for each person: of two at once, both would count the same.
    await session.execute(select(col(User.id)).where(col(User.id) == owner).with_for_update())
    mine = select(func.count()).select_from(ProviderConfig).where(col(ProviderConfig.user_id) == owner)
    if (await session.scalar(mine) or 0) >= _MOST:
        raise TooManyProviders(_MOST)


async def _check_name(session: AsyncSession, config: ProviderConfig) -> None:
    """Refuse a name that a shared provider has: which one is meant would be the question."""
    taken = select(col(ProviderConfig.id)).where(
        col(ProviderConfig.shared),
        col(ProviderConfig.name) == config.name,
        col(ProviderConfig.id) != config.id,
    )
    if await session.scalar(taken) is not None:
        raise ProviderNameTaken


def _named(error: IntegrityError) -> Exception:
    return ProviderNameTaken() if violated(error) in _NAMES else error
