"""A cluster that is hurt loses and doubles nothing; and the verdict would tell if it did."""

import asyncio
import signal
from random import Random

from starlette.responses import Response

from tests.chaos.clients import Turn, take
from tests.chaos.cluster import Cluster, Node, running_cluster
from tests.chaos.findings import Verdict
from tests.chaos.run import try_out
from tests.chaos.verdict import judge, settled
from tests.chaos.words import answer_at_random, call_after
from tests.chat_api.replica import execute
from tests.model_server import Chat, Hold, stream

# The first thing done is to have a replica leave, the second to kill the tool server.
SEED = 53


async def test_a_cluster_that_is_hurt_loses_and_doubles_nothing() -> None:
    # How long a takeover takes is not judged: the machine may be busy with other tests.
    trial = await try_out(24, 4, SEED, replicas=2, every=0.6, strict=False)
    assert trial.done["kills"] >= 4
    assert trial.done["kills of the tool server"]
    assert trial.done["leaves"]
    assert trial.verdict.cancelled
    assert trial.verdict.attempts > trial.verdict.runs, "nothing was taken over"
    assert not trial.verdict.faults


async def test_without_keys_a_replica_that_dies_before_it_logs_a_call_doubles_the_effect() -> None:
    points = [{"CHAOS_KILL": "before", "CHAOS_WHERE": "'result': {"}]

    def first_replica(node: Node) -> dict[str, str]:
        return points.pop() if points and node.arguments == ["api"] else {}

    async with running_cluster(2, first_replica, CHAOS_BREAK="key") as cluster:
        answer_at_random(cluster.model, Random(SEED))
        judging = asyncio.create_task(verdict_on(cluster, Turn("alice", "add milk", "async")))
        while not cluster.done["kills"]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        # As ten seconds later.
        execute(cluster.postgres.url, "UPDATE runs SET lease_until = now()")
        verdict = await judging
        assert cluster.done["kills"] == 1
        assert (verdict.attempts, verdict.completed) == (2, 1)
    assert set(verdict.faults) == {"doubled effects"}


async def test_without_the_fence_a_replica_that_wakes_up_late_spoils_the_log() -> None:
    early, late = Hold(), Hold()
    answers = [stream("Two ", late, "done."), stream("One ", early, "done.")]

    def script(_: Chat) -> Response:
        return answers.pop()

    async with running_cluster(2, CHAOS_BREAK="fence", PROVIDER_TIMEOUT="60") as cluster:
        cluster.model.script = script
        turn = Turn("alice", "say something", "async")
        judging = asyncio.create_task(verdict_on(cluster, turn, cluster.replicas[0]))
        await asyncio.to_thread(early.wait)
        cluster.replicas[0].signal(signal.SIGSTOP)
        # As ten seconds later.
        execute(cluster.postgres.url, "UPDATE runs SET lease_until = now()")
        await asyncio.to_thread(late.wait)
        early.open()
        cluster.replicas[0].signal(signal.SIGCONT)
        await ended_or_quiet(cluster)
        late.open()
        verdict = await judging
    assert verdict.attempts == 2
    assert set(verdict.faults) >= {"ends", "late writes", "texts that differ"}


async def test_an_attempt_that_forgets_those_before_it_is_found_out() -> None:
    hold = Hold()
    answers = [stream("Half ", hold), call_after("I add it.", "add_todo", title="milk")]

    def script(_: Chat) -> Response:
        return answers.pop()

    async with running_cluster(1, CHAOS_BREAK="resume", PROVIDER_TIMEOUT="60") as cluster:
        cluster.model.script = script
        judging = asyncio.create_task(verdict_on(cluster, Turn("alice", "slow milk", "async")))
        await asyncio.to_thread(hold.wait)
        # As by a cancel once the driver is dead.
        execute(cluster.postgres.url, "UPDATE runs SET cancel_requested = true, lease_until = now()")
        verdict = await judging
        hold.open()
    assert (verdict.attempts, verdict.stopped_elsewhere) == (2, 1)
    assert set(verdict.faults) == {
        "attempts that forget",
        "calls that differ",
        "effects that nobody is told of",
        "lost turns",
        "steps without an end",
        "texts that differ",
        "tokens of no model",
        "usage that differs",
    }


async def verdict_on(cluster: Cluster, turn: Turn, *to: Node) -> Verdict:
    await take(turn, [node.url for node in to or (cluster.replicas[0],)], Random(SEED))
    await settled(cluster.postgres.url)
    return judge(cluster.postgres.url, [turn], strict=False)


async def ended_or_quiet(cluster: Cluster) -> None:
    """Give the replica that woke up the time to end the run, if nothing keeps it from that."""
    ended = "SELECT count(*) FROM runs WHERE finished_at IS NOT NULL"
    for _ in range(20):
        if execute(cluster.postgres.url, ended)[0][0]:
            return
        await asyncio.sleep(0.1)
