"""A whole trial: a cluster, its clients, its faults, the verdict."""

import asyncio
from collections import Counter
from random import Random

from tests.chaos.clients import Turn, take, turns_of
from tests.chaos.cluster import Cluster, running_cluster
from tests.chaos.faults import dwellers, fail_points, hurt
from tests.chaos.findings import Times, Verdict
from tests.chaos.verdict import judge, settled
from tests.chaos.words import answer_at_random

__all__ = ["Trial", "try_out"]


class Trial:
    """What was done, and what came of it."""

    def __init__(self, turns: list[Turn], done: Counter[str], verdict: Verdict) -> None:
        self.turns = turns
        self.done = done
        self.verdict = verdict


async def try_out(
    turns: int,
    kills: int,
    seed: int,
    *,
    replicas: int = 3,
    every: float = 1.5,
    strict: bool = True,
    spare: str = "",
    at_once: int = 16,
) -> Trial:
    """Take `turns` turns, `at_once` of them together, spread over `kills` kills, sparing one fault."""
    random = Random(seed)
    sent = turns_of(turns, Random(seed + 1))
    async with running_cluster(replicas, dwellers(Random(seed + 5))) as cluster:
        answer_at_random(cluster.model, Random(seed + 2))
        cluster.chaos = fail_points(Random(seed + 3), spare=spare)
        hurting = asyncio.create_task(hurt(cluster, random, kills=kills, every=every, spare=spare))
        clients = asyncio.create_task(_send_all(cluster, sent, kills, at_once, Random(seed + 4)))
        done, _ = await asyncio.wait([hurting, clients], return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        await settled(cluster.postgres.url)
        cluster.done["cuts"] = cluster.proxy.cuts
        times = Times(cluster.outages, cluster.deaths)
        verdict = await asyncio.to_thread(judge, cluster.postgres.url, sent, times, strict=strict)
        if late := cluster.done["leaves that took too long"]:
            verdict.faults["leaves that took too long"].append(str(late))
        return Trial(sent, cluster.done, verdict)


async def _send_all(cluster: Cluster, turns: list[Turn], kills: int, at_once: int, random: Random) -> None:
    """No turn is sent much earlier than its share of the kills has been done."""
    urls = [node.url for node in cluster.replicas]
    places = asyncio.Semaphore(at_once)

    async def send(turn: Turn) -> None:
        async with places:
            await take(turn, urls, random)

    async with asyncio.TaskGroup() as group:
        for number, turn in enumerate(turns):
            while kills and number > at_once + cluster.done["kills"] * len(turns) / kills:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            group.create_task(send(turn))
