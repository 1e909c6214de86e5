"""Running the API for more than one test: a database of its own, a replica, a model that waits."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from starlette.responses import Response

from chat_api.main import create_app
from chat_api.settings import Settings
from tests.databases import execute, fresh_database
from tests.model_server import Chat, serve
from tests.servers import SECRET

__all__ = ["Gate", "execute", "expire_leases", "fresh_database", "in_thread", "running_api", "settings_for"]

_PATIENCE = 30.0
T = TypeVar("T")


def expire_leases(url: str) -> None:
    """Let all live runs look as if their replica had died; none can renew its lease."""
    past = "lease_owner = gen_random_uuid(), lease_until = now() - interval '1 second'"
    execute(url, f"UPDATE runs SET {past} WHERE status = 'running'")


def settings_for(database_url: str, model_url: str | None, **settings: Any) -> Settings:
    defaults: dict[str, Any] = {
        "database_url": database_url,
        "jwt_secret_key": SECRET,
        "default_provider": "openai",
        "openai_base_url": model_url,
        "search_backend": "off",
        "timezone": "Europe/Berlin",
        "rate_limit_enabled": False,
        "titles_by_model": False,
        "access_log": False,
    }
    return Settings(**(defaults | settings))


@contextmanager
def running_api(database_url: str, model_url: str | None, **settings: Any) -> Generator[str]:
    with serve(create_app(settings_for(database_url, model_url, **settings))) as url:
        yield url


class Gate:
    """Holds an answer of the model back until it is opened; `reached` tells that it was asked for."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._opened = threading.Event()

    def before(self, reply: Response) -> Callable[[Chat], Awaitable[Response]]:
        async def answer(_: Chat) -> Response:
            self.reached.set()
            await asyncio.to_thread(self._opened.wait, _PATIENCE)
            return reply

        return answer

    def wait(self) -> None:
        assert self.reached.wait(_PATIENCE), "the model was not asked"

    def open(self) -> None:
        self._opened.set()


@contextmanager
def in_thread(function: Callable[[], T]) -> Generator[Future[T]]:
    """Run `function` in a thread; wait for it at the end of the context."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(function)
