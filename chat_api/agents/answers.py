"""How an agent is answered."""

from fastapi import Response

from chat_api.agents.rights import Seen
from chat_api.agents.schemas import AgentOut
from chat_api.preconditions import etag

__all__ = ["answer"]


def answer(seen: Seen, response: Response) -> AgentOut:
    """The agent, with its version as `ETag`."""
    response.headers["ETag"] = etag(seen.agent.version)
    return AgentOut.of(seen)
