"""Settings that both services read, from the environment or a `.env` file."""

from pathlib import Path
from typing import Literal

from platformdirs import user_data_path
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class KitSettings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    database_url: str | None = Field(
        default=None, description="Postgres 14 or newer; unset: the embedded server"
    )
    data_dir: Path = Field(
        default_factory=lambda: user_data_path("turnlog"),
        description="Where the embedded database, users' files and the local model are kept",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="How much is logged: DEBUG, INFO, WARNING or ERROR"
    )
    jwt_secret_key: str | None = Field(
        default=None,
        min_length=32,
        description="HS256 secret of your own token issuer, 32 characters or more",
    )
    jwt_issuer: str = Field(default="turnlog", description="`iss` of your own issuer's tokens")
    jwt_audience: str = Field(default="turnlog", description="`aud` of tokens for the chat API")
    mcp_audience: str = Field(default="turnlog-mcp", description="`aud` of tokens for the MCP server")
