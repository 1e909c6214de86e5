"""When the user is asked about a call."""

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from chat_api.agents.config import AgentConfig
from chat_api.runs.errors import Waiting
from chat_api.runs.journal import Journal
from chat_api.runs.tool_step import ToolStep
from chat_api.tools.bridge import Toolbox

__all__ = ["Reason", "allowed", "ask_if_needed", "ask_if_unsure", "unasked"]

Reason: TypeAlias = Literal["approval", "interrupted"]


def allowed(agent: AgentConfig, box: Toolbox) -> Toolbox:
    """Of the tools that there are, those that the agent may call."""
    return box if agent.tools is None else box.only(agent.tools)


def unasked(agent: AgentConfig, box: Toolbox) -> list[str]:
    """The names of the tools that the agent may call without its user being asked."""
    names = (tool.name for tool in box.tools)
    return [name for name in names if not agent.approvals.needs(name, read_only=name in box.read_only)]


def ask_if_needed(journal: Journal, agent: AgentConfig, box: Toolbox) -> None:
    """Raises Waiting where the agent has its user asked about a call that the model wants."""

    def asks(name: str) -> bool:
        return agent.approvals.needs(name, read_only=name in box.read_only)

    _ask(journal.unapproved(asks), "approval")


def ask_if_unsure(journal: Journal, box: Toolbox) -> None:
    """Raises Waiting where a call may have happened that may not be repeated without asking."""
    _ask(journal.unsure(box.repeatable), "interrupted")


def _ask(steps: Iterable[ToolStep], reason: Reason) -> None:
    requests = tuple(_request(step, reason) for step in steps)
    if requests:
        raise Waiting(requests)


def _request(step: ToolStep, reason: Reason) -> dict[str, Any]:
    return {
        "step_id": step.step_id,
        "name": step.name,
        "arguments": step.arguments if step.changed is None else step.changed,
        "reason": reason,
    }
