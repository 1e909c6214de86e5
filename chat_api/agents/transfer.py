"""Agents as JSON documents: what one server exports, another imports."""

from typing import Annotated, Any, Final, Literal, Self, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Discriminator, Field, RootModel, Tag, model_validator

from chat_api.agents.config import AgentConfig, Metadata
from chat_api.agents.errors import NewerFormat
from chat_api.agents.models import Agent
from chat_api.agents.offer import Fit
from chat_api.agents.rights import Seen
from chat_api.agents.schemas import MOST_AT_ONCE, AgentOut, Description, Name
from chat_api.agents.service import Draft

__all__ = ["FORMAT", "AgentDocument", "AgentDocuments", "ImportedAgent", "ImportedAgents"]

FORMAT: Final = "turnlog.agent"
_NEWEST: Final = 1
_Format: TypeAlias = Literal["turnlog.agent"]


class AgentDocument(BaseModel):
    """An agent as it is exported: no secrets, no ids."""

    model_config = ConfigDict(extra="forbid")

    format: _Format
    version: Literal[1]
    name: Name
    description: Description | None = None
    config: AgentConfig
    metadata: Metadata = {}

    @model_validator(mode="before")
    @classmethod
    def _can_be_read(cls, given: Any) -> Any:
        """Before anything else is said of a document whose parts are not known yet."""
        if isinstance(given, dict):
            document = cast("dict[str, Any]", given)
            version = document.get("version")
            if document.get("format") == FORMAT and isinstance(version, int) and version > _NEWEST:
                raise NewerFormat(FORMAT, _NEWEST)
        return cast("Any", given)

    @classmethod
    def of(cls, agent: Agent) -> Self:
        return cls(
            format=FORMAT,
            version=_NEWEST,
            name=agent.name,
            description=agent.description,
            config=AgentConfig.model_validate(agent.config),
            metadata=agent.notes,
        )

    @property
    def draft(self) -> Draft:
        return Draft(self.name, self.config, self.description, self.metadata)


def _kind(given: Any) -> str:
    return "several" if isinstance(given, list) else "one"


_One: TypeAlias = Annotated[AgentDocument, Tag("one")]
_Several: TypeAlias = Annotated[
    list[AgentDocument], Field(min_length=1, max_length=MOST_AT_ONCE), Tag("several")
]


class AgentDocuments(RootModel[Annotated[_One | _Several, Discriminator(_kind)]]):
    """An exported agent, or a list of them."""

    @property
    def documents(self) -> list[AgentDocument]:
        return [self.root] if isinstance(self.root, AgentDocument) else self.root


class ImportedAgent(AgentOut):
    """An agent that was made of a document; the tools that there are not were left out."""

    unknown_tools: list[str]
    unknown_provider: str | None

    @classmethod
    def made(cls, agent: Agent, fit: Fit) -> Self:
        said = AgentOut.of(Seen(agent)).model_dump()
        return cls(**said, unknown_tools=fit.unknown_tools, unknown_provider=fit.unknown_provider)


class ImportedAgents(BaseModel):
    agents: list[ImportedAgent]
