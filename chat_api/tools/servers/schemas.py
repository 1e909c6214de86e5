"""Other MCP servers on the wire. Secrets go in and never come out."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from chat_api.tools.servers.exchange import Trouble
from chat_api.tools.servers.models import McpServer
from chat_api.tools.servers.offering import LeftOut, Offer, Offering
from chat_api.tools.servers.secrets import origin

__all__ = ["Auth", "NewServer", "ServerChange", "ServerList", "ServerOut", "ServerTools", "TestResult"]

Auth: TypeAlias = Literal["none", "bearer", "header", "user"]
_Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$", examples=["library"])]
_Url: TypeAlias = Annotated[str, Field(min_length=1, max_length=2_000, pattern=r"^[!-~]+$")]
_Header: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$")]
_Audience: TypeAlias = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[!-~]+$")]
# Visible ASCII and inner spaces: it becomes the value of a header.
_Secret: TypeAlias = Annotated[str, Field(max_length=8_000, pattern=r"^[!-~]+( +[!-~]+)*$")]
_Seconds: TypeAlias = Annotated[int, Field(ge=1, le=60)]


class NewServer(BaseModel):
    """`auth`: how the server knows who is asking.

    `bearer` and `header` send the `secret`, `user` a token of 60 seconds that names the user.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: _Name = Field(description="Stands before the names of its tools")
    url: _Url = Field(examples=["https://mcp.example.com/mcp"])
    auth: Auth = "none"
    header: _Header | None = Field(default=None, description="For `header`: its name")
    audience: _Audience | None = Field(
        default=None, description="For `user`: the token's `aud`; null: the address. Admins may set it"
    )
    secret: _Secret | None = Field(default=None, json_schema_extra={"writeOnly": True})
    shared: bool = Field(default=False, description="Everybody may use it. Admins may set it")
    enabled: bool = True
    trusted: bool = Field(default=False, description="Whether to believe which of its tools only read")
    timeout_seconds: _Seconds = Field(default=30, description="For one call")


class ServerChange(BaseModel):
    """What is left out stays as it is; the name always does, for rules of agents name tools by it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: _Url = ""
    auth: Auth = "none"
    header: _Header | None = None
    audience: _Audience | None = None
    secret: _Secret | None = Field(default=None, json_schema_extra={"writeOnly": True})
    shared: bool = False
    enabled: bool = True
    trusted: bool = False
    timeout_seconds: _Seconds = 30


class ServerOut(BaseModel):
    id: UUID
    name: str
    url: str = Field(description="Of a shared one, who may not change it sees only scheme and host")
    auth: Auth
    header: str | None
    audience: str | None
    has_secret: bool
    shared: bool
    enabled: bool
    trusted: bool
    timeout_seconds: int
    can_change: bool
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, server: McpServer, *, can_change: bool) -> Self:
        # The whole of an address can be as good as a secret.
        url = server.url if can_change else origin(server.url)
        kept = server.model_dump(exclude={"secret", "anywhere", "user_id", "url"})
        return cls(**kept, url=url, has_secret=server.secret is not None, can_change=can_change)


class ServerList(BaseModel):
    servers: list[ServerOut]
    next_cursor: UUID | None


class ServerTool(BaseModel):
    name: str = Field(description="What agents and models know it by")
    remote_name: str
    title: str | None
    description: str
    parameters: dict[str, Any]
    read_only: bool = Field(description="As the server says, where it is trusted")

    @classmethod
    def of(cls, offer: Offer) -> Self:
        return cls(
            name=offer.name,
            remote_name=offer.true_name,
            title=offer.title,
            description=offer.description,
            parameters=offer.schema,
            read_only=offer.read_only,
        )


class ToolLeftOut(BaseModel):
    name: str
    reason: LeftOut


class ServerTools(BaseModel):
    tools: list[ServerTool]
    left_out: list[ToolLeftOut] = Field(description="Tools that the server has, and cannot be used")

    @classmethod
    def of(cls, found: Offering) -> Self:
        left_out = [ToolLeftOut(name=name, reason=reason) for name, reason in found.left_out]
        return cls(tools=[ServerTool.of(offer) for offer in found.offers], left_out=left_out)


class TestResult(BaseModel):
    ok: bool
    trouble: Trouble | None = None
    message: str
    latency_ms: float = Field(description="To connect and to list the tools")
    protocol_version: str | None = None
    server_name: str | None = None
    server_version: str | None = None
    tools: int = 0
    left_out: int = 0
