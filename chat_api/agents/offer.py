"""What there is for agents of the caller, and how much of it they may take."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias, cast

from fastapi import Depends, Request

from chat_api.agents.config import AgentConfig
from chat_api.agents.errors import TooManyTokens, UnknownTools
from chat_api.agents.tools import Known, named
from chat_api.auth.dependencies import Caller
from chat_api.auth.service import Delegation
from chat_api.providers.choosing import Providers
from chat_api.tools.bridge import ToolBridge
from chat_api.tools.schemas import ToolOut
from chat_api.tools.servers.others import OtherServers
from chat_api.tools.service import tools_of
from kit.tokens import Identity
from mcp_server.custom.catalogue import CustomTools

__all__ = ["Fit", "Offer", "Offered"]


@dataclass(frozen=True, slots=True)
class Fit:
    """An agent that names no tool that there is not, and what it named of that."""

    config: AgentConfig
    unknown_tools: list[str]
    unknown_provider: str | None


@dataclass(frozen=True, slots=True)
class Offer:
    """What there is for the caller: the tools, and the names of the other MCP servers."""

    request: Request
    caller: Identity

    @property
    def most_tokens(self) -> int:
        """What an answer of the model may take."""
        return cast("int", self.request.state.agent_tokens)

    async def tools(self) -> list[ToolOut]:
        """Raises ToolServerUnreachable."""
        state = self.request.state
        custom = cast("CustomTools | None", state.custom)
        names = () if custom is None else await custom.enabled()
        deputy = cast("Delegation", state.delegation).deputy(self.caller)
        return await tools_of(deputy, cast("ToolBridge", state.tools), names)

    async def known(self) -> Known:
        """Raises ToolServerUnreachable."""
        servers = await cast("OtherServers", self.request.state.others).registry.of(self.caller.owner)
        return Known.of(await self.tools(), [server.name for server in servers])

    async def check(self, config: AgentConfig) -> None:
        """Raises TooManyTokens, UnknownTools, ToolServerUnreachable."""
        for problem in await self._faults([config]):
            if problem is not None:
                raise problem

    async def check_all(self, configs: Sequence[AgentConfig]) -> None:
        """The same of several; the error says which of them it is."""
        for index, problem in enumerate(await self._faults(configs)):
            if problem is not None:
                raise problem.at(index)

    async def fitting(self, configs: Sequence[AgentConfig]) -> list[Fit]:
        """The same agents without the tools that there are not.

        Raises TooManyTokens, which says which of them it is, ToolServerUnreachable.
        """
        for index, config in enumerate(configs):
            if problem := self._too_many(config):
                raise problem.at(index)
        known = await self.known() if any(map(named, configs)) else Known(frozenset(), frozenset())
        providers = await cast("Providers", self.request.state.providers).of(self.caller.owner)
        names = {None, *(provider.name for provider in providers)}
        return [
            Fit(
                known.without_unknown(config),
                known.unknown(config),
                None if config.provider in names else config.provider,
            )
            for config in configs
        ]

    async def _faults(self, configs: Sequence[AgentConfig]) -> list[TooManyTokens | UnknownTools | None]:
        known = await self.known() if any(map(named, configs)) else None
        return [self._too_many(config) or _unknown(config, known) for config in configs]

    def _too_many(self, config: AgentConfig) -> TooManyTokens | None:
        too_many = config.max_tokens is not None and config.max_tokens > self.most_tokens
        return TooManyTokens(self.most_tokens) if too_many else None


def _unknown(config: AgentConfig, known: Known | None) -> UnknownTools | None:
    unknown = known.unknown(config) if known else []
    return UnknownTools(unknown) if unknown else None


async def _offer(request: Request, caller: Caller) -> Offer:
    return Offer(request, caller)


Offered: TypeAlias = Annotated[Offer, Depends(_offer)]
