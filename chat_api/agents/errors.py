"""What can be wrong with an agent."""

from collections.abc import Sequence

from kit.errors import Problem

__all__ = ["AgentChanged", "AgentNotFound", "TooManyAgents", "TooManyTools", "UnknownTools"]


class AgentNotFound(Problem):
    status = 404
    code = "agent_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such agent.")


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
        super().__init__(f"You have {most} agents, which is as many as there may be; delete one first.")


class TooManyTools(Problem):
    status = 422
    code = "too_many_tools"

    def __init__(self, most: int) -> None:
        super().__init__(f"An agent names {most} tools at most.")


class UnknownTools(Problem):
    status = 422
    code = "unknown_tools"

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"There are no such tools: {', '.join(names)}.",
            details={"tools": list(names)},
        )
