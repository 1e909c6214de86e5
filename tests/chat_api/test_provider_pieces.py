"""The pieces of an answer as they arrive, wherever the network cuts them, and how it may end."""

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.responses import Response

from chat_api.providers.errors import ProviderFailed
from tests.chat_api.asking import Asked, asking, told, until
from tests.model_server import Hold, ModelServer, chunk, say, sse, stream, stream_call

DONE = b"data: [DONE]\n\n"
FINISH = chunk({}, "stop")


async def test_each_piece_is_given_as_it_arrives(model: ModelServer) -> None:
    first, second = Hold(), Hold()
    model.answers(stream("One", first, " two", " three", second, " four"))
    async with asking(model.url) as ask:
        asked = Asked()
        answer = asyncio.create_task(ask.ask(asked))
        await asyncio.to_thread(first.wait)
        await until(lambda: asked.pieces == ["One"])
        first.open()
        await asyncio.to_thread(second.wait)
        await until(lambda: asked.pieces == ["One", " two", " three"])
        assert not answer.done()
        second.open()
        assert (await answer).text == "One two three four"
    assert (await told(model, say("As a whole."))).pieces == ["As a whole."]


UGLY = "\x00\ud83d\ude00\ud800"
TEXTS = st.lists(
    st.text(alphabet=st.one_of(st.sampled_from(UGLY), st.characters(exclude_categories=[])), max_size=20)
    | st.sampled_from(["\u2028", "\x85", "\r\n", "data: [DONE]\n\n", "🙂", "\\ud83d", "\x0c\x1c"]),
    min_size=1,
    max_size=8,
)


def cleaned(text: str) -> str:
    """The whole text without what cannot be kept, by another way than that of the code."""
    joined = (
        text.replace("\x00", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    )
    return "".join("?" if "\ud800" <= character <= "\udfff" else character for character in joined)


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[list[str], list[bytes]]:
    """The pieces of a text, and their stream cut anywhere."""
    texts = draw(TEXTS)
    in_ascii, newline = draw(st.booleans()), draw(st.sampled_from([b"\n", b"\r\n"]))
    data = b"".join(event(text, in_ascii=in_ascii) for text in texts) + FINISH + DONE
    data = data.replace(b"\n", newline)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=30, unique=True)))
    edges = [0, *cuts, len(data)]
    return texts, [data[start:end] for start, end in pairwise(edges) if start < end]


def event(text: str, *, in_ascii: bool) -> bytes:
    """In ASCII, or with raw characters where they are no halves of one."""
    body = {"choices": [{"delta": {"content": text}}]}
    try:
        return b"data: %b\n\n" % json.dumps(body, ensure_ascii=in_ascii).encode()
    except UnicodeEncodeError:
        return event(text, in_ascii=True)


@given(cut_streams())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_text_is_exact_wherever_the_stream_is_cut(
    model: ModelServer, cut: tuple[list[str], list[bytes]]
) -> None:
    texts, pieces = cut
    wanted = cleaned("".join(texts))
    if not wanted:
        with pytest.raises(ProviderFailed, match="makes no sense"):
            await told(model, sse(*pieces))
        return
    asked = await told(model, sse(*pieces))
    assert asked.text == wanted
    assert len(asked.pieces) <= len(texts) + 1
    assert all(asked.pieces)


@st.composite
def spoken_calls(draw: st.DrawFn) -> tuple[list[dict[str, str]], list[bytes]]:
    """The arguments of calls, and a stream that makes them in one of the ways that servers have."""
    titles = draw(
        st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=4, min_size=1)
    )
    wanted = [{"title": title.replace("\x00", "")} for title in titles]
    has_ids, has_indexes, repeats = draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    in_pieces = draw(st.booleans()) and (has_indexes or (has_ids and repeats))
    frames: list[bytes] = []
    for index, arguments in enumerate(wanted):
        text = json.dumps(arguments, ensure_ascii=draw(st.booleans()))
        cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4))) if in_pieces else []
        for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            opens = repeats or start == 0
            call: dict[str, Any] = {"function": {"arguments": text[start:end]}}
            call |= {"index": index} if has_indexes else {}
            call |= {"id": f"id{index}"} if has_ids and opens else {}
            call["function"] |= {"name": "add_todo"} if opens else {}
            frames.append(chunk({"tool_calls": [call]}))
    return wanted, frames


@given(spoken_calls(), st.booleans())
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_every_call_is_understood_in_every_way_to_make_it(
    model: ModelServer, spoken: tuple[list[dict[str, str]], list[bytes]], in_one: bool
) -> None:
    wanted, frames = spoken
    asked = await told(model, sse(*([b"".join(frames)] if in_one else frames), chunk({}, "tool_calls"), DONE))
    assert asked.calls == [("add_todo", arguments) for arguments in wanted]
    assert asked.completion
    assert len({made.call_id for made in asked.completion.calls}) == len(wanted)


@given(st.text(max_size=30), st.integers(1, 9))
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_arguments_are_exact_however_they_are_cut(
    model: ModelServer, title: str, pieces: int
) -> None:
    title = title.replace("\x00", "")
    asked = await told(model, stream_call("add_todo", _pieces=pieces, title=title))
    assert asked.calls == [("add_todo", {"title": title})]


async def test_a_server_that_cannot_count_is_asked_not_to(model: ModelServer) -> None:
    for status in (400, 422):
        model.requests.clear()
        model.answers(
            Response("stream_options: extra inputs are not permitted", status), stream("One", usage=False)
        )
        async with asking(model.url) as ask:
            asked = await ask.ask(Asked())
        assert (asked.text, asked.tokens[2]) == ("One", True)
        first, second = model.requests
        assert first.pop("stream_options") == {"include_usage": True}
        assert first == second


def whole(content: str, usage: Any) -> Response:
    return Response(json.dumps({"choices": [{"message": {"content": content}}], "usage": usage}))


async def test_the_tokens_are_counted_by_the_server_or_estimated(model: ModelServer) -> None:
    early = [
        chunk({"content": "One"}, usage={"prompt_tokens": 9, "completion_tokens": 1}),
        chunk({"content": " two"}, usage={"prompt_tokens": 9, "completion_tokens": 2}),
        chunk({}, "stop", usage=None),
        DONE,
    ]
    absurd = {"prompt_tokens": -1, "completion_tokens": 10**30}
    figures: list[Any] = [1e999, "many", []]
    odd: list[Any] = [{}, absurd, "a", [1], *({"prompt_tokens": figure} for figure in figures)]
    uncounted = [
        stream("a" * 400, usage=False),
        *(sse(chunk({"content": "a" * 400}), chunk(None, usage=usage), DONE) for usage in odd),
        *(whole("a" * 400, usage) for usage in (None, *odd)),
    ]
    assert (await told(model, stream("One"))).tokens == (10, 5, False)
    assert (await told(model, say("One"))).tokens == (10, 5, False)
    assert (await told(model, sse(*early))).tokens == (9, 2, False)
    for reply in uncounted:
        asked_of, said, estimated = (await told(model, reply)).tokens
        assert estimated
        assert said == 100
        assert 20 < asked_of < 200
