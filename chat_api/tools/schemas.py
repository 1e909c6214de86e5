"""Tools on the wire."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mcp_server.custom.checking import MOST_DESCRIPTION, Draft
from mcp_server.custom.registry import Kept, Version
from mcp_server.sandbox import MOST_CODE

__all__ = [
    "CustomToolList",
    "CustomToolOut",
    "NewTool",
    "RegisteredTool",
    "Restore",
    "ToolChange",
    "ToolList",
    "ToolOut",
    "VersionList",
    "VersionOut",
]


def _no_null(text: str) -> str:
    if "\x00" in text:
        raise ValueError("it has a NUL")
    return text


_Text = Annotated[str, AfterValidator(_no_null)]
_Description = Annotated[_Text, Field(min_length=1, max_length=MOST_DESCRIPTION)]
_Parameters = Annotated[
    dict[str, Any],
    Field(
        description="JSON Schema of the arguments: an object, whose properties are those of the function",
        examples=[{"type": "object", "properties": {"city": {"type": "string"}}}],
    ),
]
_Code = Annotated[
    _Text,
    Field(
        min_length=1,
        max_length=MOST_CODE,
        description="Python with a function of the tool's name. It is read now, and run in the sandbox only",
        examples=["def greet(city): return f'Good morning, {city}'"],
    ),
]


class ToolOut(BaseModel):
    name: str
    description: str
    parameters: dict[str, Any] = Field(description="JSON Schema of the arguments")
    source: str = Field(description="`built_in`, `custom`, or the name of another MCP server")
    read_only: bool = Field(description="It says that it changes nothing")


class ToolList(BaseModel):
    tools: list[ToolOut]
    total: int


class ToolChange(BaseModel):
    """What a custom tool is to be from now on."""

    model_config = ConfigDict(extra="forbid")

    description: _Description
    parameters: _Parameters
    code: _Code


class NewTool(ToolChange):
    name: Annotated[_Text, Field(min_length=1, max_length=64, examples=["greet"])]

    @property
    def draft(self) -> Draft:
        return Draft(self.name, self.description, self.parameters, self.code)


class Restore(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, le=1_000_000_000, description="The version that is to be the newest again")


class RegisteredTool(BaseModel):
    tool_id: UUID
    name: str
    version: int
    registered_at: datetime


class CustomToolOut(BaseModel):
    """A custom tool in its newest version. `created_by` is null where it came by the command line."""

    tool_id: UUID
    name: str
    version: int
    enabled: bool
    description: str
    parameters: dict[str, Any]
    code: str
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, kept: Kept) -> Self:
        return cls(
            tool_id=kept.id,
            name=kept.name,
            version=kept.version,
            enabled=kept.enabled,
            description=kept.description,
            parameters=kept.parameters,
            code=kept.code,
            created_by=kept.created_by,
            created_at=kept.created_at,
            updated_at=kept.updated_at,
        )


class CustomToolList(BaseModel):
    tools: list[CustomToolOut]
    total: int


class VersionOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    version: int
    description: str
    parameters: dict[str, Any]
    code: str
    created_by: UUID | None
    created_at: datetime

    @classmethod
    def of(cls, version: Version) -> Self:
        return cls.model_validate(version)


class VersionList(BaseModel):
    versions: list[VersionOut]
