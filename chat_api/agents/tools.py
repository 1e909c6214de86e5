"""Which tools an agent may call."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from chat_api.agents.config import MOST_TOOLS, AgentConfig
from chat_api.agents.errors import TooManyTools
from chat_api.tools.schemas import ToolOut

__all__ = ["Known", "attached", "detached", "named", "of_agent"]

# What stands between the name of another MCP server, which may be away, and that of its tool.
_OF_OTHERS: Final = "__"


def named(config: AgentConfig) -> list[str]:
    """The tools that the agent names, as what it may call or asks about."""
    return [*(config.tools or ()), *config.approvals.tools]


@dataclass(frozen=True, slots=True)
class Known:
    """The tools that somebody has; `silent` are those of their MCP servers that list none."""

    tools: frozenset[str]
    silent: frozenset[str]

    @classmethod
    def of(cls, offered: Sequence[ToolOut], servers: Collection[str]) -> "Known":
        """One of the `servers` that has none of its tools there may be away."""
        silent = set(servers) - {tool.source for tool in offered}
        return cls(frozenset(tool.name for tool in offered), frozenset(silent))

    def has(self, name: str) -> bool:
        """Whether it is a tool, or may be one of a server that is away."""
        server, between, _ = name.partition(_OF_OTHERS)
        return name in self.tools or (bool(between) and server in self.silent)

    def unknown(self, config: AgentConfig) -> list[str]:
        """The tools that the agent names and that there are not."""
        return sorted({name for name in named(config) if not self.has(name)})

    def without_unknown(self, config: AgentConfig) -> AgentConfig:
        """The same agent without them."""
        tools = None if config.tools is None else [name for name in config.tools if self.has(name)]
        asked = [name for name in config.approvals.tools if self.has(name)]
        approvals = config.approvals.model_copy(update={"tools": asked})
        return config.model_copy(update={"tools": tools, "approvals": approvals})


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
