"""Settings that both services read, from the environment or a `.env` file."""

from pathlib import Path
from typing import Literal, TypeVar

from platformdirs import user_data_path
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from kit.errors import SetupError

__all__ = ["KitSettings", "load"]


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


S = TypeVar("S", bound=KitSettings)


def load(settings: type[S]) -> S:
    """Read `settings` from the environment and `.env`. Raises SetupError that names what is wrong."""
    try:
        return settings()
    except ValidationError as error:
        lines = [f"{str(detail['loc'][0]).upper()}: {detail['msg']}" for detail in error.errors()]
        raise SetupError("These settings cannot be used:\n  " + "\n  ".join(lines)) from error
