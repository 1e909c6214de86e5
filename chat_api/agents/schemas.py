"""Agents on the wire."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from chat_api.agents.config import MOST_TOOLS, AgentConfig, Text, ToolName
from chat_api.agents.models import Agent
from chat_api.tools.schemas import ToolOut

__all__ = ["AgentChange", "AgentList", "AgentOut", "AgentTools", "NewAgent"]

_Name = Annotated[Text, Field(min_length=1, max_length=255)]


class NewAgent(AgentConfig):
    name: _Name = Field(examples=["Librarian"])

    @property
    def config(self) -> AgentConfig:
        return AgentConfig(**self.model_dump(exclude={"name"}))


class ApprovalsChange(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    tools: list[ToolName] | None = Field(default=None, max_length=MOST_TOOLS)
    not_read_only: bool | None = None


class AgentChange(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    name: _Name | None = None
    system_prompt: Text | None = Field(default=None, min_length=1, max_length=50_000)
    tools: list[ToolName] | None = Field(
        default=None, max_length=MOST_TOOLS, description="null: all there is"
    )
    approvals: ApprovalsChange | None = None

    @property
    def config(self) -> AgentConfig:
        """An agent that names the tools that the change names."""
        return self.applied(AgentConfig(system_prompt="-", tools=[]))

    def applied(self, config: AgentConfig) -> AgentConfig:
        given = self.model_dump(exclude_unset=True, exclude={"name", "approvals"})
        changes = {name: value for name, value in given.items() if value is not None or name == "tools"}
        rules = self.approvals.model_dump(exclude_none=True) if self.approvals else {}
        kept = config.model_dump()
        return AgentConfig.model_validate(kept | changes | {"approvals": kept["approvals"] | rules})


class AgentOut(AgentConfig):
    """An assistant of one's own, in its newest version."""

    agent_id: UUID
    name: str
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, agent: Agent) -> Self:
        return cls(
            agent_id=agent.id,
            name=agent.name,
            version=agent.version,
            created_at=agent.created_at,
            updated_at=agent.updated_at,
            **agent.config,
        )


class AgentTools(BaseModel):
    """`tools` are the names, of those that there are now."""

    agent_id: UUID
    tools: list[str]
    tool_details: list[ToolOut]


class AgentList(BaseModel):
    agents: list[AgentOut]
    total: int
    limit: int
    offset: int
