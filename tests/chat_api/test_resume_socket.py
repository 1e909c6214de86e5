"""A WebSocket goes on from every number of a long run, at the replica that does not drive it."""

from collections.abc import Generator
from contextlib import ExitStack

import pytest

from tests.chat_api.replica import running_api
from tests.chat_api.sockets import Frame, Talk, talking, text_of
from tests.model_server import Hold, ModelServer, call, stream
from tests.servers import Person

TOKENS = [f"{number}\r\u2028\U0001f600 " for number in range(200)]
TEXT = "".join(TOKENS)


@pytest.fixture(scope="module")
def other(api_database: str, shared_model: ModelServer) -> Generator[str]:
    """A second replica."""
    with running_api(api_database, shared_model.url) as url:
        yield url


def resumed(talk: Talk, run_id: str, after: int, last: int) -> list[Frame]:
    """What a subscription that goes on after `after` is sent, up to number `last`."""
    talk.say("subscribe", id=after, scope="run", run_id=run_id, after=after)
    heard = talk.until(lambda frame: frame.get("id") == after)
    if after < last:
        heard += talk.until(lambda frame: frame.get("seq") == last)
    frames = [frame for frame in heard if "seq" in frame]
    numbers = [after, *(frame["seq"] for frame in frames)]
    assert numbers == sorted(set(numbers)), "a frame came twice, or out of order"
    return frames


def text_at(frames: list[Frame]) -> list[tuple[int, str]]:
    """The number of each frame, and the text up to it."""
    return [(frame["seq"], text_of(frames[: place + 1])) for place, frame in enumerate(frames)]


def test_a_run_resumes_at_every_number(alice: Person, other: str, model: ModelServer) -> None:
    model.answers(call("calculator", expression="2 + 2"), stream(*TOKENS))
    with talking(alice) as talk:
        run_id = talk.ask("chat", message="Count")["run_id"]
        cuts = text_at(talk.to_the_end(run_id))
    assert len(cuts) >= 200
    assert cuts[-1][1] == TEXT
    with talking(alice, other) as talk:
        for seq, text in cuts:
            assert text + text_of(resumed(talk, run_id, seq, cuts[-1][0])) == TEXT, seq
        # Who has seen the end is sent nothing.
        assert talk.ask("ping")["type"] == "pong"


def test_a_run_resumes_at_every_number_while_it_runs(alice: Person, other: str, model: ModelServer) -> None:
    hold = Hold()
    model.answers(stream(*TOKENS[:180], hold, *TOKENS[180:]))
    with ExitStack() as stack:
        talk = stack.enter_context(talking(alice))
        run_id = talk.ask("chat", message="Count")["run_id"]
        heard = talk.until(lambda frame: frame.get("content") == TOKENS[179])
        cuts = text_at([frame for frame in heard if "seq" in frame])
        assert len(cuts) > 180
        followers = [stack.enter_context(talking(alice, other)) for _ in range(4)]
        so_far: list[str] = []
        for place, follower in enumerate(followers):
            for seq, text in cuts[place :: len(followers)]:
                so_far.append(text + text_of(resumed(follower, run_id, seq, cuts[-1][0])))
        assert set(so_far) == {"".join(TOKENS[:180])}
        hold.open()
        rest = "".join(TOKENS[180:])
        assert [text_of(each.to_the_end(run_id)) for each in (talk, *followers)] == [rest] * 5
