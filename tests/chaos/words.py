"""What the model of the cluster answers: decided by the messages alone, so that any replica gets the same."""

import asyncio
import json
from random import Random
from uuid import uuid4

from starlette.responses import Response

from tests.model_server import Chat, ModelServer, chunk, sse, stream, stream_call

__all__ = ["TROUBLE", "answer_at_random", "call_after"]

TROUBLE = ("hang", "reset", "half", "break")
"""First words of messages whose turns may fail, by the model's fault."""

_HANGS = 6.0
# Seconds, so that there is something to cancel.
_SLOW = 5.0


def answer_at_random(model: ModelServer, random: Random) -> None:
    """A call of add_todo for "add TITLE", then words; nothing good for the words of `TROUBLE`.

    For "slow TITLE" it says something with that call, makes another one, and then takes its time.
    """

    def script(chat: Chat) -> Response:
        model.requests.clear()
        roles = [message["role"] for message in chat["messages"]]
        asked = max(place for place, role in enumerate(roles) if role == "user")
        called = roles[asked:].count("tool")
        verb, _, title = chat["messages"][asked]["content"].partition(" ")
        pause = random.choice((0.01, 0.05, 0.15))
        words = [f"word{number} " for number in range(random.randint(3, 20))]
        match verb, called:
            case "add", 0:
                return stream_call("add_todo", title=title)
            case "slow", 0:
                return call_after("I add it.", "add_todo", title=title)
            case "slow", 1:
                return call_after("Now I reckon.", "calculator", expression="6*7")
            case "slow", _:
                return stream(*words, "done.", pause=_SLOW / len(words))
            case _, 1:
                return stream(*words, "done.", pause=pause)
            case _:
                return _trouble(verb, pause)

    model.script = script


def call_after(text: str, name: str, **arguments: str) -> Response:
    """An answer that calls a tool, and says something before."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    called = {"index": 0, "id": f"call_{uuid4().hex}", "type": "function", "function": function}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return sse(
        chunk({"role": "assistant", "content": text}),
        chunk({"tool_calls": [called]}),
        chunk({}, "tool_calls"),
        chunk(None, usage=usage),
        b"data: [DONE]\n\n",
    )


def _trouble(verb: str, pause: float) -> Response:
    match verb:
        case "hang":
            return stream("One ", lambda: asyncio.sleep(_HANGS), "two.")
        case "reset":
            return sse(breaks=True)
        case "half":
            return stream("One ", "two ", pause=pause, then="end")
        case _:
            return stream("One ", "two ", pause=pause, then="break")
