"""Keeping other MCP servers: one's own, and those that admins share with everybody."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from chat_api.auth.dependencies import NotAdmin
from chat_api.auth.models import User
from chat_api.auth.service import meet
from chat_api.tools.servers.errors import (
    McpServerChanged,
    McpServerInvalid,
    McpServerNameTaken,
    McpServerNotFound,
    McpServerSecretNeeded,
    TooManyMcpServers,
)
from chat_api.tools.servers.models import McpServer
from chat_api.tools.servers.rules import Rules, check_url
from chat_api.tools.servers.secrets import bound_to, origin
from kit.postgres import Db
from kit.postgres.errors import violated
from kit.postgres.tables import now
from kit.sealing import Sealer
from kit.tokens import Identity

__all__ = ["Desk", "can_change", "find", "list_servers"]

_MOST: Final = 20
_NAMES: Final = frozenset({"mcp_servers_name", "mcp_servers_shared_name"})
_WITH_SECRET: Final = frozenset({"bearer", "header"})


@dataclass(frozen=True, slots=True)
class Desk:
    """Where servers are registered, changed and struck off."""

    db: Db
    sealer: Sealer
    rules: Rules

    async def create(self, by: Identity, settings: dict[str, Any]) -> McpServer:
        """Raises McpServerInvalid, NotAdmin, McpServerNameTaken, TooManyMcpServers, NoSealingKey."""
        _check_audience(by, settings)
        secret = settings.pop("secret")
        # Who names the address decides how far it may lead.
        server = McpServer(user_id=by.owner, anywhere=by.is_admin, **settings)
        if secret is not None:
            self._seal(server, secret)
        try:
            async with self.db.begin() as session:
                await meet(session, by)
                await _check_room(session, by.owner)
                await _check_name(session, server)
                self.rules.check(server, by)
                session.add(server)
        except IntegrityError as error:
            raise _named(error) from error
        return server

    async def change(
        self,
        by: Identity,
        server_id: UUID,
        given: dict[str, Any],
        *,
        expected: Collection[int] | None = None,
    ) -> McpServer:
        """Change what is `given`; `expected` are the versions that the change can be made to; None: any.

        Raises McpServerNotFound, McpServerChanged, McpServerSecretNeeded, and what `create` does.
        """
        try:
            async with self.db.begin() as session:
                server = await _changeable(session, by, server_id)
                if expected is not None and server.version not in expected:
                    raise McpServerChanged(server.version)
                was_shared = server.shared
                self._apply(server, by, given)
                # Before the next statement, which sends the change to the database.
                self.rules.check(server, by)
                if server.shared and not was_shared:
                    await _check_name(session, server)
                server.version += 1
                server.updated_at = now()
        except IntegrityError as error:
            raise _named(error) from error
        return server

    async def delete(self, by: Identity, server_id: UUID) -> None:
        """Raises McpServerNotFound."""
        async with self.db.begin() as session:
            await session.delete(await _changeable(session, by, server_id))

    def _apply(self, server: McpServer, by: Identity, given: dict[str, Any]) -> None:
        _check_audience(by, given)
        changes = dict(given)
        was, led = origin(server.url), _leading(server)
        secret_given, secret = "secret" in changes, changes.pop("secret", None)
        auth = changes.get("auth", server.auth)
        # What the new way to sign in has no use for goes, unless it was sent along, which is a mistake.
        server.header = server.header if auth == "header" else None
        server.audience = server.audience if auth == "user" else None
        server.secret = server.secret if auth in _WITH_SECRET else None
        for name, value in changes.items():
            setattr(server, name, value)
        if _leading(server) != led:
            check_url(server.url)
            # What an admin has allowed was this, and no more.
            server.anywhere = server.anywhere and by.is_admin
        if origin(server.url) != was:
            server.anywhere = by.is_admin
            if server.secret is not None and not secret_given:
                raise McpServerSecretNeeded
        if secret is not None:
            self._seal(server, secret)
        elif secret_given:
            server.secret = None

    def _seal(self, server: McpServer, secret: str) -> None:
        if server.auth not in _WITH_SECRET:
            raise McpServerInvalid("secret", "This way to sign in takes no secret.")
        check_url(server.url)
        server.secret = self.sealer.seal(secret, bound_to(server.id, server.user_id, server.url))


def _leading(server: McpServer) -> tuple[str, str, str | None, bool]:
    """Where requests lead, and what they may do there."""
    return server.url, server.auth, server.header, server.trusted


def _check_audience(by: Identity, given: dict[str, Any]) -> None:
    if given.get("audience") is not None and not by.is_admin:
        raise NotAdmin("Only an admin may choose the audience of tokens.")


def can_change(server: McpServer, by: Identity) -> bool:
    return by.is_admin if server.shared else server.user_id == by.owner


async def find(db: Db, by: Identity, server_id: UUID) -> McpServer:
    """One's own server, or a shared one. Raises McpServerNotFound for one that is somebody else's."""
    async with db() as session:
        server = await session.get(McpServer, server_id)
    if server is None or not (server.shared or server.user_id == by.owner):
        raise McpServerNotFound
    return server


async def list_servers(
    db: Db, by: Identity, *, after: UUID | None, limit: int
) -> tuple[Sequence[McpServer], UUID | None]:
    """A page of one's own servers and the shared ones, oldest first, and the id to go on from."""
    page = select(McpServer).where(or_(col(McpServer.user_id) == by.owner, col(McpServer.shared)))
    if after is not None:
        page = page.where(col(McpServer.id) > after)
    async with db() as session:
        found = list(await session.scalars(page.order_by(col(McpServer.id)).limit(limit + 1)))
    return found[:limit], found[limit - 1].id if len(found) > limit else None


async def _changeable(session: AsyncSession, by: Identity, server_id: UUID) -> McpServer:
    server = await session.get(McpServer, server_id, with_for_update=True)
    if server is None or not (server.shared or server.user_id == by.owner):
        raise McpServerNotFound
    if not can_change(server, by):
        raise NotAdmin("Only an admin may change an MCP server that is everybody's.")
    return server


async def _check_room(session: AsyncSession, owner: UUID) -> None:
    # One at a time for each person: of two at once, both would count the same.
    await session.execute(select(col(User.id)).where(col(User.id) == owner).with_for_update())
    mine = select(func.count()).select_from(McpServer).where(col(McpServer.user_id) == owner)
    if (await session.scalar(mine) or 0) >= _MOST:
        raise TooManyMcpServers(_MOST)


async def _check_name(session: AsyncSession, server: McpServer) -> None:
    """Refuse a name that a shared server has: whose tools are meant would be the question."""
    taken = select(col(McpServer.id)).where(
        col(McpServer.shared), col(McpServer.name) == server.name, col(McpServer.id) != server.id
    )
    if await session.scalar(taken) is not None:
        raise McpServerNameTaken


def _named(error: IntegrityError) -> Exception:
    return McpServerNameTaken() if violated(error) in _NAMES else error
