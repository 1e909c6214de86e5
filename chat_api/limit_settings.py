"""Settings of how much one person may ask for."""

from typing import Annotated

from pydantic import AfterValidator, Field

from chat_api.auth.limits import Limits
from chat_api.auth.seats import Seats
from kit.limits import Limiter
from kit.rates import is_rate, parse_rate
from kit.settings import KitSettings

__all__ = ["LimitSettings"]


class LimitSettings(KitSettings):
    rate_limit_chat: Annotated[str, AfterValidator(is_rate)] = Field(
        default="60/minute", description="Turns that one person may begin"
    )
    rate_limit_create: Annotated[str, AfterValidator(is_rate)] = Field(
        default="120/minute", description="Other requests of one person that change something"
    )
    rate_limit_read: Annotated[str, AfterValidator(is_rate)] = Field(
        default="600/minute", description="Requests of one person that change nothing"
    )
    rate_limit_auth: Annotated[str, AfterValidator(is_rate)] = Field(
        default="20/minute", description="Logins and the like from one address"
    )
    rate_limit_premium: float = Field(
        default=5, ge=1, le=1000, description="How many times as much people of tier `premium` may"
    )
    rate_limit_default: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="How many times as much people of tier `default` may, and addresses of strangers",
    )
    max_turns_per_user: int = Field(
        default=20, ge=1, le=10_000, description="Turns of one person that are not over, at most"
    )
    max_streams_per_user: int = Field(
        default=50,
        ge=1,
        le=10_000,
        description="Answers, and WebSockets, that one person may have open at one process",
    )
    tokens_per_day: int | None = Field(
        default=None, ge=1, description="Tokens that one person may use in 24 hours; unset: any number"
    )
    trusted_proxies: str = Field(
        default="127.0.0.1",
        description="Addresses and networks of proxies whose X-Forwarded-For is believed, comma-separated",
    )

    def limits(self, limiter: Limiter) -> Limits:
        """All that there are, for one process."""
        return Limits(
            limiter,
            {
                "auth": parse_rate(self.rate_limit_auth),
                "chat": parse_rate(self.rate_limit_chat),
                "create": parse_rate(self.rate_limit_create),
                "read": parse_rate(self.rate_limit_read),
            },
            premium=self.rate_limit_premium,
            default=self.rate_limit_default,
            answers=Seats(self.max_streams_per_user),
            sockets=Seats(self.max_streams_per_user),
        )
