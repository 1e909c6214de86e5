"""Replicas, a tool server, a Postgres and a model of their own, all of which may be hurt."""

import asyncio
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from math import inf
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx2
from sqlalchemy import make_url

from tests.chaos.proxy import Proxy, proxy_to
from tests.chaos.replica import run
from tests.chaos.verdict import watch_claims
from tests.chat_api.processes import free_port
from tests.forks import forked
from tests.kit.postgres_server import Server, own_server
from tests.model_server import ModelServer, serve_model
from tests.servers import SECRET

__all__ = ["Cluster", "Node", "running_cluster"]

_PATIENCE = 60.0
_LOOK_EVERY = 0.3
# Turns have some seconds to end, their ends fifteen to be kept; one may be stopped meanwhile.
_LONGEST_LEAVE = 45.0
_ENDS = {-signal.SIGKILL: "kills", 0: "leaves", -signal.SIGTERM: "leaves"}


class Node:
    """A process that is started again, on the same port, whenever it has ended."""

    def __init__(self, port: int, arguments: list[str], environment: dict[str, str], log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.stopped: object = None
        self.leaves_by = inf
        tools = "/.well-known/oauth-protected-resource/mcp"
        self.ready = tools if arguments[0] == "tools" else "/api/v1/health/ready"
        self.arguments = arguments
        self._environment = environment
        self._log = log
        self.process: BaseProcess | None = None

    def start(self, chaos: dict[str, str]) -> None:
        self.process = forked(run, self.arguments, self._environment | chaos, self._log)

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.pid is not None and self.ended is None:
            os.kill(self.process.pid, number)

    def leave(self) -> None:
        """Tell the process to end, which it has some time for."""
        self.signal(signal.SIGTERM)
        self.leaves_by = min(self.leaves_by, time.monotonic() + _LONGEST_LEAVE)

    @property
    def is_leaving(self) -> bool:
        return self.leaves_by < inf

    @property
    def is_late(self) -> bool:
        return time.monotonic() > self.leaves_by

    @property
    def ended(self) -> int | None:
        """What the process ended with, if it has."""
        return self.process.exitcode if self.process is not None else None


class Cluster:
    """`chaos` is asked what a process is to be started with; `done` counts what has happened."""

    def __init__(self, postgres: Server, proxy: Proxy, model: ModelServer) -> None:
        self.postgres = postgres
        self.proxy = proxy
        self.model = model
        self.replicas: list[Node] = []
        self.tools: Node | None = None
        self.done: Counter[str] = Counter()
        self.outages: list[tuple[float, float]] = []
        # When a replica was last seen alive, and when it was seen to be dead or stopped.
        self.deaths: list[tuple[float, float]] = []
        self.chaos: Callable[[Node], dict[str, str]] = lambda _: {}

    @property
    def nodes(self) -> list[Node]:
        return [*self.replicas, *([self.tools] if self.tools else [])]

    async def keep_up(self) -> None:
        """Start again what has ended."""
        looked = time.time()
        while True:
            before, looked = looked, time.time()
            for node in self.nodes:
                ended = node.ended
                if ended is None and node.is_late:
                    self.done["leaves that took too long"] += 1
                    node.signal(signal.SIGKILL)
                if ended is not None:
                    self.done[_ENDS.get(ended, "failed starts")] += 1
                    self.done["kills of the tool server"] += node is self.tools and ended == -signal.SIGKILL
                    if node is not self.tools:
                        self.deaths.append((before, time.time()))
                    node.stopped, node.leaves_by = None, inf
                    node.start(self.chaos(node))
            await asyncio.sleep(0.1)

    async def ready(self) -> None:
        """Wait until every replica serves."""
        async with asyncio.timeout(_PATIENCE), httpx2.AsyncClient(trust_env=False, timeout=5) as http:
            while not all([await _serves(http, node) for node in self.nodes]):  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def watch(self) -> None:
        """Note when no replica could serve."""
        async with httpx2.AsyncClient(trust_env=False, timeout=1) as http:
            since = time.time()
            while True:
                began = time.time()
                if any(await asyncio.gather(*(_serves(http, node) for node in self.replicas))):
                    if began - since > 2 * _LOOK_EVERY + 1:
                        self.outages.append((since, began))
                    since = time.time()
                await asyncio.sleep(_LOOK_EVERY)


async def _serves(http: httpx2.AsyncClient, node: Node) -> bool:
    with suppress(httpx2.TransportError):
        return (await http.get(node.url + node.ready)).status_code == 200
    return False


@asynccontextmanager
async def running_cluster(
    replicas: int, chaos: Callable[[Node], dict[str, str]] = lambda _: {}, **environment: str
) -> AsyncGenerator[Cluster]:
    """The first replica talks to Postgres through the proxy; `environment` is for all processes."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="turnlog-chaos-")))
        postgres = stack.enter_context(own_server(folder / "data"))
        watch_claims(postgres.url)
        model = stack.enter_context(serve_model())
        direct = make_url(postgres.url)
        proxy = await stack.enter_async_context(
            proxy_to(f"{direct.query['host']}/.s.PGSQL.{direct.port or 5432}")
        )
        cluster = Cluster(postgres, proxy, model)
        cluster.chaos = chaos
        stack.callback(_end, cluster)
        by_proxy = direct.set(host="127.0.0.1", port=proxy.port, query={"sslmode": "disable"})
        _fill(cluster, folder, replicas, by_proxy.render_as_string(hide_password=False), environment)
        for node in cluster.nodes:
            node.start(cluster.chaos(node))
        for job in (cluster.keep_up(), cluster.watch()):
            stack.callback(asyncio.create_task(job).cancel)
        await cluster.ready()
        yield cluster


def _fill(cluster: Cluster, folder: Path, replicas: int, by_proxy: str, environment: dict[str, str]) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    common = kept | {
        "DATABASE_URL": cluster.postgres.url,
        "JWT_SECRET_KEY": SECRET,
        "SEARCH_BACKEND": "off",
        "TITLES_BY_MODEL": "false",
        "TIMEZONE": "Europe/Berlin",
        "DATA_DIR": str(folder / "own"),
    }
    port = free_port()
    cluster.tools = Node(port, ["tools", str(port)], common, folder / "tools.log")
    for number in range(replicas):
        port = free_port()
        own = {
            "API_PORT": str(port),
            "DEFAULT_PROVIDER": "openai",
            "OPENAI_BASE_URL": cluster.model.url,
            "MCP_URL": f"{cluster.tools.url}/mcp",
            "PROVIDER_TIMEOUT": "4",
            # How often a turn may be begun is not what is tried here.
            "MAX_ATTEMPTS": "100",
        }
        own |= {} if number else {"DATABASE_URL": by_proxy}
        cluster.replicas.append(
            Node(port, ["api"], common | own | environment, folder / f"replica{number}.log")
        )


def _end(cluster: Cluster) -> None:
    logs = os.environ.get("CHAOS_LOGS")
    for node in cluster.nodes:
        if node.process is not None:
            node.process.kill()
            node.process.join(30)
        if logs:
            (Path(logs) / node._log.name).write_bytes(node._log.read_bytes())  # pyright: ignore[reportPrivateUsage]
