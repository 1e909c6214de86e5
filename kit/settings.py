"""Settings that both services read, from the environment or a `.env` file."""

from pathlib import Path
from typing import Final, Literal, TypeVar

from platformdirs import user_data_path
from pydantic import Field, HttpUrl, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from kit.errors import SetupError
from kit.telemetry import LogFormat

__all__ = ["KitSettings", "load"]

_LOOPBACK: Final = frozenset({"127.0.0.1", "[::1]", "localhost"})


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
    log_format: LogFormat = Field(
        default="auto", description="`pretty`, or `json` with an object a line; `auto`: pretty on a terminal"
    )
    jwt_secret_key: str | None = Field(
        default=None,
        min_length=32,
        description="HS256 secret of your own token issuer, 32 characters or more",
    )
    jwt_jwks_url: HttpUrl | None = Field(
        default=None, description="Address of your own token issuer's public keys: https, or on loopback"
    )
    jwt_issuer: str = Field(default="turnlog", description="`iss` of your own issuer's tokens")
    jwt_audience: str = Field(default="turnlog", description="`aud` of tokens for the chat API")
    mcp_audience: str = Field(default="turnlog-mcp", description="`aud` of tokens for the MCP server")

    @field_validator("jwt_jwks_url")
    @classmethod
    def _cannot_be_forged(cls, value: HttpUrl | None) -> HttpUrl | None:
        if value is not None and value.scheme != "https" and value.host not in _LOOPBACK:
            raise ValueError("it has to begin with https://, or be on this machine")
        return value


S = TypeVar("S", bound=KitSettings)


def load(settings: type[S]) -> S:
    """Read `settings` from the environment and `.env`. Raises SetupError that names what is wrong."""
    try:
        return settings()
    except ValidationError as error:
        lines = [f"{str(detail['loc'][0]).upper()}: {detail['msg']}" for detail in error.errors()]
        raise SetupError("These settings cannot be used:\n  " + "\n  ".join(lines)) from error
