"""What is done to a cluster while its clients work."""

import asyncio
import signal
import time
from collections.abc import Callable
from random import Random

from tests.chaos.cluster import Cluster, Node

__all__ = ["dwellers", "fail_points", "hurt"]

_STOPPED_FOR = (11.0, 14.0)
_OUTAGE = (0.2, 1.5)
_DEEPEST = 400
_POINTS = ("before", "after")
_FAULTS = ("kill", "tools", "stop", "postgres", "cut", "leave")
_WEIGHTS = (50, 12, 8, 6, 24, 15)


def dwellers(random: Random) -> Callable[[Node], dict[str, str]]:
    """Of the replicas that start, half take their time between two steps."""

    def chosen(node: Node) -> dict[str, str]:
        dwells = node.arguments[0] == "api" and random.random() < 0.5
        return {"CHAOS_DWELL": str(random.random())} if dwells else {}

    return chosen


def fail_points(random: Random, *, spare: str, share: float = 0.5) -> Callable[[Node], dict[str, str]]:
    """Of the processes that start, a `share` kills itself at a statement that writes; some are `dwellers`."""
    dwelling = dwellers(random)

    def chosen(node: Node) -> dict[str, str]:
        slow = dwelling(node)
        if node.arguments[0] == spare or random.random() >= share:
            return slow
        return slow | {"CHAOS_KILL": random.choice(_POINTS), "CHAOS_NTH": str(random.randint(1, _DEEPEST))}

    return chosen


async def hurt(cluster: Cluster, random: Random, *, kills: int, every: float, spare: str) -> None:
    """Do one of the faults, again and again, until there have been that many kills."""
    stops: set[asyncio.Task[None]] = set()
    try:
        while cluster.done["kills"] < kills:
            await asyncio.sleep(random.uniform(0.5, 1.5) * every)
            match random.choices(_FAULTS, _WEIGHTS)[0]:
                case fault if fault == spare:
                    pass
                case "kill":
                    # Those that leave are killed by their fail points alone, or none would get away.
                    staying = [node for node in cluster.replicas if not node.is_leaving]
                    random.choice(staying or cluster.replicas).signal(signal.SIGKILL)
                case "tools" if cluster.tools is not None:
                    cluster.tools.signal(signal.SIGKILL)
                case "leave":
                    random.choice(cluster.replicas).leave()
                case "stop" if not any(node.stopped for node in cluster.replicas):
                    stopping = asyncio.create_task(stop(cluster, random.choice(cluster.replicas), random))
                    stops.add(stopping)
                case "postgres":
                    await outage(cluster, random)
                case _:
                    cluster.proxy.cut()
    finally:
        cluster.chaos = lambda _: {}
        await asyncio.gather(*stops)


async def stop(cluster: Cluster, node: Node, random: Random) -> None:
    """Stop the process for longer than its leases last, then let it go on as if nothing had been."""
    cluster.done["stops"] += 1
    mine = node.stopped = object()
    cluster.deaths.append((time.time(), time.time()))
    node.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(random.uniform(*_STOPPED_FOR))
    finally:
        # Unless it was killed meanwhile: who came after it may be stopped by another.
        if node.stopped is mine:
            node.signal(signal.SIGCONT)
            node.stopped = None


async def outage(cluster: Cluster, random: Random) -> None:
    """Stop Postgres as a crash would, and start it again."""
    began = time.time()
    await asyncio.to_thread(cluster.postgres.stop, "immediate")
    await asyncio.sleep(random.uniform(*_OUTAGE))
    await asyncio.to_thread(cluster.postgres.start)
    cluster.outages.append((began, time.time()))
    cluster.done["outages"] += 1
