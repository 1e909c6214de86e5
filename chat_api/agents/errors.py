"""What can be wrong with an agent."""

from collections.abc import Sequence
from typing import Any

from kit.errors import Problem

__all__ = [
    "AgentArchived",
    "AgentChanged",
    "AgentForbidden",
    "AgentNotFound",
    "AgentVersionNotFound",
    "NewerFormat",
    "TooManyAgents",
    "TooManyShares",
    "TooManyTokens",
    "TooManyTools",
    "UnknownTools",
]


class AgentNotFound(Problem):
    status = 404
    code = "agent_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such agent.")


class AgentVersionNotFound(Problem):
    status = 404
    code = "agent_version_not_found"

    def __init__(self) -> None:
        super().__init__("The agent has no such version.")


class AgentForbidden(Problem):
    status = 403
    code = "agent_forbidden"


class AgentArchived(Problem):
    status = 409
    code = "agent_archived"

    def __init__(self) -> None:
        super().__init__("The agent is archived; set its status to active, or choose another one.")


class AgentChanged(Problem):
    status = 412
    code = "agent_changed"

    def __init__(self, version: int) -> None:
        super().__init__(
            "The agent was changed meanwhile; read it again and make your change anew.",
            details={"version": version},
        )


class TooManyAgents(Problem):
    status = 409
    code = "too_many_agents"

    def __init__(self, most: int) -> None:
        super().__init__(f"You may have {most} agents; delete some first.")


class TooManyShares(Problem):
    status = 409
    code = "too_many_shares"

    def __init__(self, most: int) -> None:
        super().__init__(f"An agent is shared with {most} people at most; withdraw some first.")


class _OneOf(Problem):
    """What is wrong with one agent; `details` say which it is, where several were sent."""

    status = 422

    def __init__(self, message: str, details: dict[str, Any]) -> None:
        super().__init__(message, details=details)
        self._known = details

    def at(self, index: int) -> "_OneOf":
        self.details = {**self._known, "index": index}
        return self


class TooManyTools(Problem):
    status = 422
    code = "too_many_tools"

    def __init__(self, most: int) -> None:
        super().__init__(f"An agent names {most} tools at most.")


class TooManyTokens(_OneOf):
    code = "too_many_tokens"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"An answer may take {most} tokens at most; send a smaller max_tokens.", {"most": most}
        )


class UnknownTools(_OneOf):
    code = "unknown_tools"

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"There are no such tools: {', '.join(names)}.", {"tools": list(names)})


class NewerFormat(Problem):
    status = 422
    code = "newer_format"

    def __init__(self, format_: str, newest: int) -> None:
        details: dict[str, Any] = {"format": format_, "newest": newest}
        super().__init__(
            "This was exported by a newer server than this one, and cannot be read here.", details=details
        )
