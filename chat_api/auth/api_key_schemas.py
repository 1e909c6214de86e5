"""API keys on the wire."""

from datetime import datetime
from typing import Annotated, Self, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from chat_api.auth.models import ApiKey
from chat_api.auth.schemas import Name
from chat_api.auth.scopes import Scope

__all__ = ["ApiKeyList", "ApiKeyOut", "NewApiKey", "ShownApiKey"]


class NewApiKey(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name = Field(examples=["Backup script"])
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=10)] = Field(
        default=["read", "write"],
        description="`read` is for GET and `write` for the rest of the API; `tools:read` and `tools:write` "
        "are for the tool server; `admin` is for what only admins may do",
    )
    expires_in_days: int | None = Field(default=None, ge=1, le=3650, description="null: it does not expire")


class ApiKeyOut(BaseModel):
    """A key, which is known by how it begins."""

    key_id: UUID
    name: str
    prefix: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute")

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls(
            key_id=key.id,
            name=key.name,
            prefix=key.prefix,
            scopes=cast("list[Scope]", key.scopes),
            created_at=key.created_at,
            expires_at=key.expires_at,
            last_used_at=key.last_used_at,
        )


class ShownApiKey(ApiKeyOut):
    key: str = Field(description="The key itself, which is not shown again")


class ApiKeyList(BaseModel):
    api_keys: list[ApiKeyOut]
