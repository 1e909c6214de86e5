"""Agents on the wire."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Final, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from chat_api.agents.config import (
    LONGEST_PROMPT,
    MOST_TOKENS,
    MOST_TOOLS,
    AgentConfig,
    Metadata,
    ModelId,
    Text,
    ToolName,
)
from chat_api.agents.rights import Right, Seen
from chat_api.agents.service import Draft
from chat_api.providers.names import ProviderName
from chat_api.tools.schemas import ToolOut

__all__ = [
    "MOST_AT_ONCE",
    "AgentChange",
    "AgentIds",
    "AgentList",
    "AgentOut",
    "AgentTools",
    "CopyOf",
    "DeletedAgents",
    "Description",
    "MadeAgents",
    "Name",
    "NewAgent",
    "NewAgents",
    "Status",
]

MOST_AT_ONCE: Final = 100
"""Agents in one request."""

_TOKENS: Final = 2048

Status: TypeAlias = Literal["active", "archived"]
Name: TypeAlias = Annotated[Text, Field(min_length=1, max_length=255)]
Description: TypeAlias = Annotated[Text, Field(max_length=2000)]


class NewAgent(AgentConfig):
    """What is left out is as it is here."""

    name: Name = Field(examples=["Librarian"])
    description: Description | None = None
    temperature: float | None = Field(
        default=0.7, ge=0, le=2, allow_inf_nan=False, description="null: as the provider has it"
    )
    max_tokens: int | None = Field(
        default=_TOKENS,
        ge=100,
        le=MOST_TOKENS,
        description="Tokens of one answer at most, up to AGENT_MAX_TOKENS; null: as the provider has it",
    )
    metadata: Metadata = Field(default={}, description="What a client keeps with it, 16 KB of JSON at most")

    @property
    def config(self) -> AgentConfig:
        return AgentConfig(**self.model_dump(include=set(AgentConfig.model_fields)))

    @property
    def draft(self) -> Draft:
        return Draft(self.name, self.config, self.description, self.metadata)

    def within(self, most: int) -> Self:
        """The same where an answer may take so many tokens: what was left out is no more than that."""
        if "max_tokens" in self.model_fields_set:
            return self
        return self.model_copy(update={"max_tokens": min(_TOKENS, most)})

    def instead_of(self, draft: Draft) -> Draft:
        """All of it in place of another; whether that is archived stays as it is."""
        return replace(self.draft, status=draft.status)


class ApprovalsChange(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    tools: list[ToolName] | None = Field(default=None, max_length=MOST_TOOLS)
    not_read_only: bool | None = None


_NULLABLE = frozenset({"description", "provider", "model_id", "temperature", "max_tokens", "tools"})
_OF_THE_DRAFT = frozenset({"name", "description", "metadata", "status"})


class AgentChange(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    name: Name | None = None
    description: Description | None = Field(default=None, description="null: none")
    status: Status | None = Field(default=None, description="One that is archived takes no new turns")
    system_prompt: Text | None = Field(default=None, min_length=1, max_length=LONGEST_PROMPT)
    provider: ProviderName | None = Field(default=None, description="null: the first one that is there")
    model_id: ModelId | None = Field(default=None, description="null: the provider's first")
    tools: list[ToolName] | None = Field(
        default=None, max_length=MOST_TOOLS, description="null: all there is"
    )
    temperature: float | None = Field(
        default=None, ge=0, le=2, allow_inf_nan=False, description="null: as the provider has it"
    )
    max_tokens: int | None = Field(
        default=None, ge=100, le=MOST_TOKENS, description="null: as the provider has it"
    )
    streaming: bool | None = None
    approvals: ApprovalsChange | None = None
    metadata: Metadata | None = None

    @property
    def config(self) -> AgentConfig:
        """An agent that has of tools and tokens what the change names."""
        return self.applied(Draft("-", AgentConfig(system_prompt="-", tools=[]))).config

    def applied(self, draft: Draft) -> Draft:
        given = self.model_dump(exclude_unset=True, exclude={"approvals"})
        changes = {name: value for name, value in given.items() if value is not None or name in _NULLABLE}
        said = {name: changes.pop(name) for name in _OF_THE_DRAFT & changes.keys()}
        kept = draft.config.model_dump()
        rules = self.approvals.model_dump(exclude_none=True) if self.approvals else {}
        config = AgentConfig.model_validate(kept | changes | {"approvals": kept["approvals"] | rules})
        return replace(draft, **said, config=config)


class Owner(BaseModel):
    """Somebody else whose agent it is. `name` is what they go by, if they say."""

    account_id: UUID
    name: str | None


class AgentOut(AgentConfig):
    """An assistant, in its newest version. `owner` is null where it is one's own."""

    agent_id: UUID
    name: str
    description: str | None
    status: Status
    metadata: dict[str, object]
    version: int
    right: Right = Field(description="`read`: see and copy it, `use`: chat with it as well, `owner`: all")
    owner: Owner | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, seen: Seen) -> Self:
        agent = seen.agent
        shared = seen.right != "owner"
        return cls(
            agent_id=agent.id,
            name=agent.name,
            description=agent.description,
            status=agent.status,  # pyright: ignore[reportArgumentType]
            metadata=agent.notes,
            version=agent.version,
            right=seen.right,
            owner=Owner(account_id=agent.user_id, name=seen.owner_name) if shared else None,
            created_at=agent.created_at,
            updated_at=agent.updated_at,
            **agent.config,
        )


class NewAgents(BaseModel):
    """All of them are made, or none."""

    model_config = ConfigDict(extra="forbid")

    agents: list[NewAgent] = Field(min_length=1, max_length=MOST_AT_ONCE)


class MadeAgents(BaseModel):
    agents: list[AgentOut]


class AgentIds(BaseModel):
    model_config = ConfigDict(extra="forbid")

    ids: list[UUID] = Field(min_length=1, max_length=MOST_AT_ONCE)


class DeletedAgents(BaseModel):
    """`not_found` are those that there are not, and those that are somebody else's."""

    deleted: list[UUID]
    not_found: list[UUID]


class CopyOf(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name | None = Field(default=None, description="null: that of the agent, with “(copy)” behind it")


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
    next_cursor: str | None
