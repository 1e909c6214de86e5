"""Which tools an agent may call."""

from collections.abc import Callable, Collection, Sequence
from typing import Final

from chat_api.agents.config import MOST_TOOLS, AgentConfig
from chat_api.agents.errors import TooManyTools, UnknownTools
from chat_api.tools.schemas import ToolOut

__all__ = ["attached", "check", "detached", "named", "of_agent"]

# What stands between the name of another MCP server, which may be away, and that of its tool.
_OF_OTHERS: Final = "__"


def named(config: AgentConfig) -> list[str]:
    """The tools that the agent names, as what it may call or asks about."""
    return [*(config.tools or ()), *config.approvals.tools]


def check(config: AgentConfig, offered: Sequence[ToolOut], servers: Collection[str]) -> None:
    """Raises UnknownTools where the agent names tools that there are not.

    One of another of the `servers` is taken as long as none of that server's is there: it may be away.
    """
    known = {tool.name for tool in offered}
    silent = set(servers) - {tool.source for tool in offered}
    unknown = [name for name in named(config) if name not in known and _server_of(name) not in silent]
    if unknown:
        raise UnknownTools(sorted(set(unknown)))


def _server_of(name: str) -> str | None:
    server, between, _ = name.partition(_OF_OTHERS)
    return server if between else None


def of_agent(config: AgentConfig, offered: Sequence[ToolOut]) -> list[ToolOut]:
    """Of the tools that there are, those that the agent may call."""
    return [tool for tool in offered if config.tools is None or tool.name in config.tools]


def changed_to(config: AgentConfig, tools: Sequence[str]) -> AgentConfig:
    """The same agent with these tools. Raises TooManyTools."""
    if len(tools) > MOST_TOOLS:
        raise TooManyTools(MOST_TOOLS)
    return config.model_copy(update={"tools": list(tools)})


def attached(name: str) -> Callable[[AgentConfig], AgentConfig]:
    """The change that lets an agent call one tool more."""

    def attach(config: AgentConfig) -> AgentConfig:
        if config.tools is None or name in config.tools:
            return config
        return changed_to(config, [*config.tools, name])

    return attach


def detached(name: str, all_there_are: Collection[str]) -> Callable[[AgentConfig], AgentConfig]:
    """The change that lets an agent call one tool less; one that may call all is left with the others."""

    def detach(config: AgentConfig) -> AgentConfig:
        kept = all_there_are if config.tools is None else config.tools
        return changed_to(config, [other for other in kept if other != name])

    return detach
