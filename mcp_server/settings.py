"""Settings of the tool server, beside those of `kit`."""

from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, HttpUrl, field_validator
from tzlocal import get_localzone_name

from kit.rates import is_rate
from kit.settings import KitSettings


class McpSettings(KitSettings):
    files_root: Path | None = Field(
        default=None, description="Where users' files are kept; unset: DATA_DIR/files"
    )
    search_backend: Literal["ddgs", "searxng", "off"] = Field(
        default="ddgs",
        description="Web search: `ddgs` (no key needed), `searxng` (needs SEARXNG_URL) or `off`",
    )
    searxng_url: HttpUrl | None = Field(
        default=None, description="Address of your SearXNG, with its JSON format on"
    )
    timezone: str = Field(
        default_factory=get_localzone_name,
        description="IANA time zone of users whose token has no `zoneinfo`; unset: this machine's",
    )
    turnlog_user: str = Field(
        default="local",
        min_length=1,
        description="The one user of the tool server on stdio and with --no-auth",
    )
    mcp_allowed_hosts: str = Field(
        default="",
        description="Host names beside loopback under which the MCP endpoint answers, comma-separated",
    )
    fetch_allow_hosts: str = Field(
        default="",
        description="`host` or `host:port` on private networks that fetch_page may read, comma-separated",
    )
    custom_tools: bool = Field(
        default=False, description="Whether admins may register tools of their own, which run in the sandbox"
    )

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except ZoneInfoNotFoundError as error:
            raise ValueError("no such time zone; write it like Europe/Berlin") from error
        return value

    rate_limit_enabled: bool = Field(default=True, description="Whether requests are limited at all")
    rate_limit_mcp: Annotated[str, AfterValidator(is_rate)] = Field(
        default="600/minute", description="Requests of one person to the MCP endpoint"
    )
    public_url: HttpUrl | None = Field(
        default=None, description="Address that clients know this server by; unset: the one it listens on"
    )

    @property
    def allowed_hosts(self) -> list[str]:
        return [host.strip() for host in self.mcp_allowed_hosts.split(",") if host.strip()]

    def public_address(self, host: str, port: int) -> str:
        """The address that clients know this server by, without a slash at its end."""
        if self.public_url is not None:
            return str(self.public_url).rstrip("/")
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def files_folder(self) -> Path:
        return (self.files_root or self.data_dir / "files").expanduser().absolute()

    @property
    def fetch_hosts(self) -> frozenset[str]:
        return frozenset(filter(None, map(str.strip, self.fetch_allow_hosts.lower().split(","))))
