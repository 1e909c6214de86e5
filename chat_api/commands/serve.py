"""`turnlog serve`: the API in this process."""

import asyncio
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack, contextmanager
from typing import Final, cast

import structlog
import uvicorn

from chat_api.commands.model import present_model
from chat_api.main import create_app
from chat_api.providers.local import LocalModel, run_local_model
from chat_api.runs.worker import Worker
from chat_api.settings import Settings
from kit.errors import SetupError
from kit.settings import load
from kit.telemetry import set_up_logging

__all__ = ["listen", "run_api", "serve"]

_GRACE_SECONDS: Final = 1
_LARGEST_MESSAGE: Final = 2 * 1024 * 1024
_DEAD_AFTER: Final = 60
_LOOPBACK: Final = frozenset({"127.0.0.1", "[::1]", "localhost"})
_log = structlog.get_logger(__name__)


def serve() -> None:
    settings = load(Settings)
    set_up_logging(settings.log_level, settings.log_format)
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        local = None
        if settings.default_provider == "local":
            model = present_model(settings)
            if model is None:
                raise SetupError("The local model is not there yet; get it with: turnlog model fetch")
            local = await stack.enter_async_context(run_local_model(model))
        await run_api(settings, local, listen(settings))


async def run_api(
    settings: Settings,
    local: LocalModel | None,
    listener: socket.socket,
    *,
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Serve the API on `listener` until a signal comes. Raises SetupError where it cannot start."""
    if _files_are_elsewhere(settings):
        _log.warning("files_elsewhere", setting="FILES_ROOT")
    config = uvicorn.Config(
        create_app(settings, local=local),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        forwarded_allow_ips=settings.trusted_proxies,
        # Twice what a chat may have, so that a little more than that is still told what is wrong.
        ws_max_size=_LARGEST_MESSAGE,
        # Small frames hardly shrink, each costs CPU, and each connection would hold two windows of memory.
        ws_per_message_deflate=False,
        # Longer than a client may take nothing (30 s), which it is told with a code of its own.
        ws_ping_timeout=40,
        lifespan="on",
    )
    server = _Server(config, on_ready)
    await server.serve(sockets=[listener])
    if not server.started:
        raise SetupError("The API did not start; the log above says why.")


def _files_are_elsewhere(settings: Settings) -> bool:
    """Whether the tools' files are, as it looks, on another machine and not shared."""
    tools = settings.mcp_url
    return tools is not None and tools.host not in _LOOPBACK and settings.files_root is None


class _Server(uvicorn.Server):
    """A server that says when it is ready, and ends at a signal without raising it again at its callers."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._on_ready: Final = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._on_ready is not None:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Before uvicorn counts the requests that are open: theirs end with a word of ours.
        await cast("Worker", self.lifespan.state["worker"]).hand_over()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)


def listen(settings: Settings, *, dead_after: int = _DEAD_AFTER) -> socket.socket:
    """A socket on API_HOST and API_PORT. Raises SetupError where they cannot be used.

    Its connections end when the peer gave no sign of life, or took nothing, for `dead_after` seconds: who
    lost power or network sends no word of farewell.
    """
    family = socket.AF_INET6 if ":" in settings.api_host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _let_go_of_the_dead(listener, dead_after)
    try:
        listener.bind((settings.api_host, settings.api_port))
    except OSError as error:
        listener.close()
        raise SetupError(
            f"The API cannot listen on {settings.api_host} port {settings.api_port} "
            f"({error.strerror}); set API_HOST or API_PORT to others."
        ) from error
    return listener


def _let_go_of_the_dead(listener: socket.socket, after: int) -> None:
    """Connections inherit it from their listener. Other systems than Linux have patience of their own."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, after // 2))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, after // 6))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, after * 1000)
