"""Who is out, and what is to be looked at again: as the database has it, which tells when it changes."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from kit.access.api_keys import ApiKeys
from kit.access.visits import Visits
from kit.postgres import Db
from kit.postgres.errors import AWAY
from kit.tokens import InvalidToken, KeyRing, RemoteKeys

__all__ = ["CHANNEL", "Access", "AccountDisabled", "tell"]

CHANNEL: Final = "turnlog_access"
_EVERY: Final = 5.0
# Of who was erased here, access tokens may be good for ten minutes more.
_DISABLED: Final = text(
    """
    SELECT id FROM users WHERE disabled_at IS NOT NULL
    UNION SELECT id FROM erased_users WHERE NOT outside AND erased_at > now() - interval '15 minutes'
    """
)
# Those of the built-in issuer have theirs in their tokens.
_TIERS: Final = text("SELECT id, tier FROM users WHERE email IS NULL AND tier <> 'authenticated'")
_log = structlog.get_logger(__name__)


class AccountDisabled(InvalidToken):
    code = "account_disabled"

    def __init__(self) -> None:
        super().__init__("This account is disabled; ask who runs this server.")


async def tell(session: AsyncSession) -> None:
    """Have every process look again once this transaction is done."""
    await session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})


class Access:
    """People who are `disabled`, API keys, signing keys, and the visits of those who are in.

    `tiers` are those that admins gave to people of other issuers.
    """

    def __init__(self, db: Db, keys: KeyRing, remote: RemoteKeys | None) -> None:
        self._db: Final = db
        self.keys: Final = keys
        self.remote: Final = remote
        self.api_keys: Final = ApiKeys(db)
        self.visits: Final = Visits()
        self.disabled: frozenset[UUID] = frozenset()
        self.tiers: Mapping[UUID, str] = {}
        self._looking: Final = asyncio.Lock()
        self._wake: Final = asyncio.Event()
        self._changed = asyncio.Event()

    async def look(self) -> None:
        """Learn what has changed. Who is disabled is out once this returns, in this process."""
        async with self._looking:
            self.api_keys.forget()
            disabled = frozenset(row.id for row in await self._db.run(_DISABLED, {}))
            if disabled != self.disabled:
                self.disabled = disabled
                # Before their turns are stopped: their streams end for this, not for that.
                self._show_out(set())
                self._changed.set()
                self._changed = asyncio.Event()
            in_use = {visit.identity.key_id for visit in self.visits if visit.identity.key_id is not None}
            over = await self.api_keys.over(in_use)
            self._show_out(over)
            self.tiers = {row.id: row.tier for row in await self._db.run(_TIERS, {})}
            await self.keys.read()

    def _show_out(self, over: set[UUID]) -> None:
        for visit in self.visits:
            if visit.identity.owner in self.disabled:
                visit.end(AccountDisabled())
            elif visit.identity.key_id in over:
                visit.end(InvalidToken("The API key is not valid any more."))

    @property
    def jobs(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """What is to go on in the background."""
        return [self.watch_forever] if self.remote is None else [self.watch_forever, self.remote.keep_forever]

    def heard(self, _: str) -> None:
        """A replica has told of a change."""
        self.look_soon()

    def look_soon(self) -> None:
        self._wake.set()

    async def listening(self) -> None:
        """What was told before may have been missed."""
        self.look_soon()

    async def changed(self, seconds: float) -> None:
        """Wait until others are disabled, for `seconds` at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def watch_forever(self) -> None:
        """Look whenever something is told, and now and then in case that a word was lost."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self.look()
            except AWAY as error:
                _log.warning("access_not_read", reason=type(error).__name__)
