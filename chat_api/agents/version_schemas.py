"""Versions of agents on the wire."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from chat_api.agents.config import AgentConfig
from chat_api.agents.differences import fields_of, names_of_differences, prompt_diff
from chat_api.agents.models import AgentVersion
from chat_api.agents.schemas import Status
from chat_api.agents.service import Draft
from chat_api.agents.versions import Change

__all__ = ["AgentVersionDiff", "AgentVersionList", "AgentVersionOut"]


class AgentVersionLine(BaseModel):
    """A version in a list. `changed` are the fields that are other than in the version before."""

    version: int
    name: str
    status: Status
    changed: list[str] | None = Field(description="null: it is the first version")
    created_at: datetime

    @classmethod
    def of(cls, change: Change) -> Self:
        version, changed = change
        return cls.model_validate({**version.model_dump(), "changed": changed})


class AgentVersionList(BaseModel):
    versions: list[AgentVersionLine]
    next_cursor: str | None


class AgentVersionOut(AgentConfig):
    """An agent as it was."""

    agent_id: UUID
    version: int
    name: str
    description: str | None
    status: Status
    metadata: dict[str, Any]
    created_at: datetime

    @classmethod
    def of(cls, version: AgentVersion) -> Self:
        said = version.model_dump(exclude={"user_id", "config", "notes"})
        return cls.model_validate({**said, **version.config, "metadata": version.notes})


class FieldChange(BaseModel):
    field: str
    before: Any
    after: Any


class AgentVersionDiff(BaseModel):
    """What is different in version `after`; of the prompt, a unified diff, cut where it is long."""

    before: int
    after: int
    changes: list[FieldChange] = Field(description="All that is different but the prompt")
    prompt: str | None = Field(description="null: it is the same")
    prompt_cut: bool

    @classmethod
    def of(cls, one: AgentVersion, other: AgentVersion) -> Self:
        old, new = Draft.of(one), Draft.of(other)
        was, is_ = fields_of(old), fields_of(new)
        names = [name for name in names_of_differences(old, new) if name != "system_prompt"]
        prompt = prompt_diff(old, new)
        return cls(
            before=one.version,
            after=other.version,
            changes=[FieldChange(field=name, before=was[name], after=is_[name]) for name in names],
            prompt=prompt and prompt.text,
            prompt_cut=prompt is not None and prompt.cut,
        )
