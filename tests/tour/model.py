"""What the model of the tour says: always the same to the same message."""

from typing import Any

from starlette.responses import Response

from tests.model_server import Chat, Hold, call, say, stream, stream_call

__all__ = ["answer"]


def answer(chat: Chat) -> Response:
    """It adds a todo where it is to remind somebody, and never ends a long story."""
    last: dict[str, Any] = chat["messages"][-1]
    streams = bool(chat.get("stream"))
    said = str(last["content"])
    if last["role"] == "user" and "Remind me" in said:
        return (stream_call if streams else call)("add_todo", title="Buy milk", due="tomorrow 5pm")
    if last["role"] == "user" and "long story" in said:
        return stream("Once upon a time", Hold())
    words = _words(last["role"], said)
    return stream(*words) if streams else say("".join(words))


def _words(role: str, said: str) -> tuple[str, ...]:
    if role == "tool":
        return "Done: ", "buy milk, ", "tomorrow at 17:00."
    if "What did I ask" in said:
        return "You asked me ", "to remind you ", "to buy milk."
    return "Hello", "."
