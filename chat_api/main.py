"""The application: the one place that knows every room."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Final, TypedDict

from fastapi import Depends, FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from chat_api.agents import routes as agent_routes
from chat_api.auth import api_key_routes, user_routes
from chat_api.auth import routes as auth_routes
from chat_api.auth.accounts import Accounts
from chat_api.auth.limits import Limits, for_resources
from chat_api.auth.passwords import Hasher
from chat_api.auth.service import Delegation
from chat_api.bodies import utf8_body
from chat_api.conversations.routers import ROUTERS as CONVERSATIONS
from chat_api.errors import ErrorEnvelope, answer_errors
from chat_api.health import router as health_router
from chat_api.holdings import routes as holding_routes
from chat_api.holdings.erase import sweep_forever
from chat_api.holdings.holdings import Holdings
from chat_api.middleware import middleware_for
from chat_api.openapi import TAGS, DescribedApi
from chat_api.providers import model_routes
from chat_api.providers import routes as provider_routes
from chat_api.providers.catalogue import open_catalogue
from chat_api.providers.choosing import Providers
from chat_api.providers.local import LocalModel, as_provider
from chat_api.providers.models import CHANGED as PROVIDERS
from chat_api.providers.opening import providers_of
from chat_api.runs import (
    agent_metrics_routes,
    branch_routes,
    chat_routes,
    conversation_routes,
    socket_routes,
    thread_routes,
    usage_routes,
)
from chat_api.runs import routes as run_routes
from chat_api.runs.admission import Admission
from chat_api.runs.control import cancel_of
from chat_api.runs.disabled import stop_disabled_forever
from chat_api.runs.erasing import purge_forever
from chat_api.runs.hub import Hub
from chat_api.runs.log import Log
from chat_api.runs.signals import CHANNEL
from chat_api.runs.titles import Titles
from chat_api.runs.turn import TurnDeps
from chat_api.runs.worker import Worker
from chat_api.settings import Settings
from chat_api.tools import routes as tool_routes
from chat_api.tools.bridge import ToolBridge
from chat_api.tools.connections import connect_http, connect_in_process
from chat_api.tools.routers import ROUTERS as TOOLS
from chat_api.tools.servers.others import OtherServers
from kit.access import CHANNEL as ACCESS
from kit.access import Access, Door, open_access, open_door
from kit.limits import Limiter
from kit.postgres import Db, embedded_url, listen_forever, migrate, open_db
from kit.sealing import Sealer
from kit.tokens import Verifier
from mcp_server.auth import JwtVerifier
from mcp_server.bearer import Bearer
from mcp_server.context import Deps
from mcp_server.custom.catalogue import CustomTools
from mcp_server.icons import ICONS_PATH
from mcp_server.leaving import files_of, remove_files
from mcp_server.server import ToolServer, create_server
from mcp_server.setup import deps_from, http_app, limit_from, verifier_from

__all__ = ["create_app"]

_ROUTERS: Final = (chat_routes.router, branch_routes.router, auth_routes.router, health_router)
_LIMITED: Final = (
    user_routes.router,
    api_key_routes.router,
    run_routes.router,
    usage_routes.router,
    *CONVERSATIONS,
    conversation_routes.router,
    branch_routes.deletions,
    *TOOLS,
    provider_routes.router,
    holding_routes.router,
)
# Under /api/v1, and under /api for clients of an older contract.
_RESOURCES: Final = (
    tool_routes.router,
    model_routes.router,
    *agent_routes.ROUTERS,
    agent_metrics_routes.router,
)


class State(TypedDict):
    """What requests find in `request.state`."""

    db: Db
    verifier: Verifier
    door: Door
    accounts: Accounts
    providers: Providers
    worker: Worker
    origins: list[str]
    mcp: ASGIApp
    tools: ToolBridge
    delegation: Delegation
    custom: CustomTools | None
    others: OtherServers
    limits: Limits | None
    holdings: Holdings
    agent_tokens: int


def create_app(settings: Settings | None = None, *, local: LocalModel | None = None) -> FastAPI:
    """The chat API with the MCP endpoint.

    Without `settings` they are read from the environment. `local` is the built-in model, where it runs.
    """
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[State]:
        async with AsyncExitStack() as stack:
            state = await _open(settings, local, stack)
            # What is there by now stays: no collection needs to look at it again.
            gc.freeze()
            yield state

    app = DescribedApi(
        title="Turnlog",
        summary="A self-hosted agent backend where a turn is a log.",
        version=version("turnlog"),
        openapi_tags=TAGS,
        lifespan=lifespan,
        middleware=middleware_for(settings),
        # Where it leads would be up to the request's Host.
        redirect_slashes=False,
        responses={"4XX": {"model": ErrorEnvelope}, "5XX": {"model": ErrorEnvelope}},
    )
    answer_errors(app)
    app.include_router(socket_routes.router)
    read = [Depends(utf8_body)]
    for router in _ROUTERS:
        app.include_router(router, dependencies=read)
    limited = [Depends(for_resources), *read]
    for router in _LIMITED:
        app.include_router(router, dependencies=limited)
    for router in (*_RESOURCES, thread_routes.router):
        app.include_router(router, prefix="/api/v1", dependencies=limited)
        app.include_router(router, prefix="/api", dependencies=limited, include_in_schema=False)
    # Routes, not a mount: MCP clients do not follow the redirect of a mount to its trailing slash.
    for path in ("/mcp", "/.well-known/oauth-protected-resource/mcp", ICONS_PATH):
        app.router.routes.append(Route(path, endpoint=_McpDoor()))
    return app


class _McpDoor:
    """The tool server's HTTP app, which the lifespan opens."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await scope["state"]["mcp"](scope, receive, send)


async def _open(settings: Settings, local: LocalModel | None, stack: AsyncExitStack) -> State:
    """Open everything, in the order in which it is closed backwards."""
    url = settings.database_url or await asyncio.to_thread(embedded_url, settings.data_dir)
    await asyncio.to_thread(migrate, url)
    db = await stack.enter_async_context(open_db(url))
    access = await open_access(settings, db)
    guard, reach = verifier_from(settings, access), deps_from(settings, db, local=False)
    server, mcp = await _tool_server(settings, reach, guard, stack)
    others = _others(settings, db, stack)
    catalogue = await stack.enter_async_context(open_catalogue(settings.provider_timeout, others.sealer))
    providers = providers_of(settings, catalogue, db, as_provider(local) if local else None)
    limits = _limits(settings, db)
    deps = TurnDeps(
        db=db,
        providers=providers,
        catalogue=catalogue,
        tools=await _bridge(settings, server, guard, others, stack),
        delegation=Delegation(access.keys, settings.mcp_audience),
        timezone=settings.timezone,
        rounds=settings.max_rounds,
        context_tokens=settings.context_tokens,
        attempts=settings.max_attempts,
        answer_tokens=settings.agent_max_tokens,
        admission=limits and Admission(limits, settings.max_turns_per_user, settings.tokens_per_day),
    )
    worker = await _open_worker(deps, access, url, settings, stack)
    door = open_door(settings, access, settings.jwt_audience)
    accounts = _accounts(settings, db, access, stack)
    return State(
        db=db,
        verifier=door.verifier,
        door=door,
        accounts=accounts,
        providers=providers,
        worker=worker,
        origins=settings.origins,
        mcp=mcp,
        tools=deps.tools,
        delegation=deps.delegation,
        custom=reach.custom,
        others=others,
        limits=limits,
        agent_tokens=settings.agent_max_tokens,
        holdings=_holdings(settings, accounts, worker),
    )


async def _tool_server(
    settings: Settings, reach: Deps, guard: JwtVerifier, stack: AsyncExitStack
) -> tuple[ToolServer, ASGIApp]:
    address = settings.public_address(settings.api_host, settings.api_port)
    server = create_server(reach, public_url=address)
    mcp = http_app(server, settings, Bearer(guard, address, limit_from(settings, reach.db)))
    await stack.enter_async_context(server.session_manager.run())
    return server, mcp


def _holdings(settings: Settings, accounts: Accounts, worker: Worker) -> Holdings:
    root = settings.files_folder
    return Holdings(accounts, worker, partial(files_of, root), partial(remove_files, root))


def _others(settings: Settings, db: Db, stack: AsyncExitStack) -> OtherServers:
    others = OtherServers(db, Sealer(settings.provider_key_secret, settings.data_dir))
    stack.push_async_callback(others.close)
    return others


def _limits(settings: Settings, db: Db) -> Limits | None:
    if not settings.rate_limit_enabled:
        return None
    return settings.limits(Limiter(db))


def _accounts(settings: Settings, db: Db, access: Access, stack: AsyncExitStack) -> Accounts:
    hasher = Hasher()
    stack.callback(hasher.close)
    return Accounts(
        db=db,
        access=access,
        audience=settings.jwt_audience,
        registration=settings.registration,
        hasher=hasher,
        stop_turns=partial(cancel_of, db),
    )


async def _open_worker(
    deps: TurnDeps, access: Access, url: str, settings: Settings, stack: AsyncExitStack
) -> Worker:
    titles = Titles(deps.db, deps.catalogue) if settings.titles_by_model else None
    if titles is not None:
        stack.push_async_callback(titles.close)
    worker = Worker(
        replace(deps, titles=titles),
        Hub(deps.db),
        Log(deps.db),
        most_live=settings.max_live_runs,
        fold_after=settings.fold_after,
    )

    async def listening() -> None:
        await worker.listening()
        access.look_soon()
        providers.expire()

    providers = deps.providers
    heard = {CHANNEL: worker.heard, ACCESS: access.heard, PROVIDERS: providers.heard}
    listen = partial(listen_forever, url, heard, listening=listening, name=str(worker.id))
    stop = partial(stop_disabled_forever, worker, access)
    watch = partial(providers.watch_forever, settings.provider_check_every)
    purge = partial(purge_forever, deps.db, settings.conversation_retention_days)
    sweep = partial(sweep_forever, deps.db, partial(remove_files, settings.files_folder))
    await stack.enter_async_context(worker.running(listen, stop, watch, purge, sweep, *access.jobs))
    return worker


async def _bridge(
    settings: Settings, server: ToolServer, guard: JwtVerifier, others: OtherServers, stack: AsyncExitStack
) -> ToolBridge:
    if settings.mcp_url is not None:
        door = connect_http(str(settings.mcp_url))
    else:
        door = connect_in_process(server, guard.verify_token)
    bridge = ToolBridge(await stack.enter_async_context(door), others)
    stack.push_async_callback(bridge.close)
    return bridge
