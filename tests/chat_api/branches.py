"""Conversations with branches: making them, and what the scripted model was sent of them."""

from typing import Any

from tests.model_server import Chat, ModelServer, say
from tests.servers import Person

__all__ = ["echo", "said_to", "talk", "turn"]


def echo(chat: Chat) -> Any:
    """Answers to each message with that message."""
    return say(f"To {chat['messages'][-1]['content']}.")


def talk(person: Person, model: ModelServer, *messages: str) -> str:
    """A new conversation, in which the model answers "To <message>." to each; the model goes on so."""
    model.script = echo
    conversation: str | None = None
    for message in messages:
        conversation = person.say(message, conversation)["conversation_id"]
    assert conversation is not None
    return conversation


def turn(person: Person, conversation: str, message_id: str, how: str, **body: Any) -> dict[str, Any]:
    """`edit` or `regenerate` a message; the answer's `data`."""
    path = f"/api/v1/conversations/{conversation}/messages/{message_id}/{how}"
    response = person.http.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()["data"]


def said_to(model: ModelServer) -> list[str]:
    """What the model was sent last, but for its instructions."""
    return [message["content"] for message in model.requests[-1]["messages"][1:]]
