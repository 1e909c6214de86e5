"""Putting the tool server together from settings."""

from typing import Final
from zoneinfo import ZoneInfo

from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.routing import Route

from kit.access import Access, open_door
from kit.limits import Limiter
from kit.postgres import Db
from kit.rates import parse_rate
from mcp_server.auth import JwtVerifier
from mcp_server.bearer import Bearer, BearerDoor, Limit, Permits
from mcp_server.context import Deps, SearchConfig
from mcp_server.custom.catalogue import CustomTools
from mcp_server.http_checks import HttpChecks
from mcp_server.icons import icons_route
from mcp_server.server import ToolServer
from mcp_server.settings import McpSettings
from mcp_server.tools import BUILT_IN

__all__ = ["deps_from", "http_app", "limit_from", "names_of_tools", "verifier_from"]

# In so many steps a limit is taken, each of which costs a query.
_AT_ONCE: Final = 30
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


def deps_from(settings: McpSettings, db: Db, *, local: bool) -> Deps:
    """`local`: calls carry no token, and are all those of the one local user."""
    searxng_url = str(settings.searxng_url) if settings.searxng_url else None
    return Deps(
        db=db,
        files_root=settings.files_folder,
        search=SearchConfig(settings.search_backend, searxng_url, settings.fetch_hosts),
        timezone=ZoneInfo(settings.timezone),
        local_user=settings.turnlog_user if local else None,
        custom=CustomTools(db, names_of_tools()) if settings.custom_tools else None,
    )


def names_of_tools() -> frozenset[str]:
    """Those that a custom tool cannot have."""
    return frozenset(tool.name for tool in BUILT_IN)


def verifier_from(settings: McpSettings, access: Access) -> JwtVerifier:
    return JwtVerifier(open_door(settings, access, settings.mcp_audience))


def limit_from(settings: McpSettings, db: Db) -> Limit | None:
    """What counts the requests of each person, if they are limited."""
    if not settings.rate_limit_enabled:
        return None
    limiter, rate = Limiter(db), parse_rate(settings.rate_limit_mcp)

    async def limit(whose: str) -> None:
        await limiter.hit_often("mcp", rate, whose, at_once=max(1, rate.amount // _AT_ONCE))

    return limit


def http_app(server: ToolServer, settings: McpSettings, bearer: Bearer | None) -> Starlette:
    """The stateless Streamable HTTP app, at `/mcp`, for both protocol eras; checks Host and Origin.

    With `bearer` it asks for tokens, and publishes the metadata of RFC 9728.
    """
    names = [*_LOOPBACK, *settings.allowed_hosts]
    hosts = [f"{name}{port}" for name in names for port in ("", ":*")]
    origins = [f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts]
    app = server.streamable_http_app(
        stateless_http=True,
        transport_security=TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=origins),
    )
    manager = server.session_manager
    limited = manager.asgi_app
    if bearer is None:
        limited.app = HttpChecks(limited.app)
        app.router.routes.append(icons_route())
        return app
    limited.app = HttpChecks(limited.app, Permits(bearer, server.writing))
    # The SDK's own way to ask for tokens names no scope, and an error where none was sent.
    door = Route("/mcp", endpoint=BearerDoor(limited, bearer))
    return Starlette(routes=[door, icons_route(), *bearer.routes], lifespan=lambda _: manager.run())
