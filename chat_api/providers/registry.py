"""Which providers people have configured, as this process knows it.

The database tells of each change; what was not heard while nobody listened is read when listening begins
again. So no turn asks for what has not changed.
"""

import time
from collections.abc import Sequence
from typing import Any, Final, cast
from uuid import UUID

import anyio
import structlog
from sqlalchemy import text

from chat_api.providers.addresses import Addresses
from chat_api.providers.names import Kind
from chat_api.providers.provider import Provider
from kit.postgres import Db
from kit.postgres.errors import AWAY

__all__ = ["Registry", "provider_of"]

_log = structlog.get_logger(__name__)
_PAUSE: Final = 1.0
_ENABLED: Final = text(
    """
    SELECT id, user_id, name, kind, base_url, secret, model, shared, anywhere, timeout_seconds,
        first_token_seconds, retries, context_tokens, version
    FROM provider_configs WHERE enabled
    ORDER BY priority, id
    """
)


def provider_of(row: Any, addresses: Addresses) -> Provider:
    """The provider that a row of the table, or its like, describes."""
    return Provider(
        name=row.name,
        base_url=row.base_url,
        model=row.model,
        context_tokens=row.context_tokens,
        kind=cast("Kind", row.kind),
        place=addresses.place(row.kind, row.base_url, by_admin=row.anywhere),
        silence=row.timeout_seconds,
        first_token=row.first_token_seconds,
        retries=row.retries,
        id=row.id,
        owner=row.user_id,
        sealed=row.secret,
        shared=row.shared,
        version=row.version,
    )


class Registry:
    def __init__(self, db: Db, addresses: Addresses) -> None:
        self._db: Final = db
        self._addresses: Final = addresses
        self._reading: Final = anyio.Lock()
        self._changes = 0
        self._is_old = True
        self._failed_at = float("-inf")
        self._own: dict[UUID, list[Provider]] = {}
        self.shared: list[Provider] = []

    def expire(self) -> None:
        """Read anew when next somebody wants to know: something has changed."""
        self._changes += 1
        self._is_old = True
        self._failed_at = float("-inf")

    async def of(self, owner: UUID) -> Sequence[Provider]:
        """Those that a person may use, best first: their own, then what is shared under another name."""
        if self._is_old:
            await self._renew()
        own = self._own.get(owner)
        if own is None:
            return self.shared
        names = {provider.name for provider in own}
        return [*own, *(provider for provider in self.shared if provider.name not in names)]

    async def _renew(self) -> None:
        async with self._reading:
            # While the database is away, what was known has to do.
            if not self._is_old or time.monotonic() - self._failed_at < _PAUSE:
                return
            changes = self._changes
            try:
                rows = await self._db.run(_ENABLED, {})
            except AWAY as error:
                self._failed_at = time.monotonic()
                _log.warning("providers_not_read", reason=type(error).__name__)
                return
            own: dict[UUID, list[Provider]] = {}
            for row in rows:
                own.setdefault(row.user_id, []).append(provider_of(row, self._addresses))
            self._own = own
            self.shared = [provider for each in own.values() for provider in each if provider.shared]
            order = {row.id: number for number, row in enumerate(rows)}
            self.shared.sort(key=lambda provider: order[cast("UUID", provider.id)])
            # Else the answer may have come before the change did.
            self._is_old = changes != self._changes
