"""What the model of the cluster answers: decided by the messages alone, so that any replica gets the same."""

import asyncio
from random import Random

from starlette.responses import Response

from tests.model_server import Chat, ModelServer, sse, stream, stream_call

__all__ = ["TROUBLE", "answer_at_random"]

TROUBLE = ("hang", "reset", "half", "break")
"""First words of messages whose turns may fail, by the model's fault."""

_HANGS = 6.0


def answer_at_random(model: ModelServer, random: Random) -> None:
    """A call of add_todo for "add TITLE", then words; nothing good for the words of `TROUBLE`."""

    def script(chat: Chat) -> Response:
        model.requests.clear()
        last = chat["messages"][-1]
        pause = random.choice((0.01, 0.05, 0.15))
        if last["role"] == "tool":
            words = [f"word{number} " for number in range(random.randint(3, 20))]
            return stream(*words, "done.", pause=pause)
        verb, _, title = last["content"].partition(" ")
        match verb:
            case "add":
                return stream_call("add_todo", title=title)
            case "hang":
                return stream("One ", lambda: asyncio.sleep(_HANGS), "two.")
            case "reset":
                return sse(breaks=True)
            case "half":
                return stream("One ", "two ", pause=pause, then="end")
            case _:
                return stream("One ", "two ", pause=pause, then="break")

    model.script = script
