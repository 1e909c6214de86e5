"""A time that runs are asked for by."""

from datetime import datetime, timedelta
from typing import Final, Self

from pydantic import AwareDatetime, BaseModel, Field, model_validator

from kit.postgres.tables import now

__all__ = ["Span"]

_LONGEST: Final = timedelta(days=366)
_USUAL: Final = timedelta(days=30)
_A_DAY: Final = timedelta(days=1)
_EARLIEST: Final = datetime.fromisoformat("2000-01-01T00:00:00Z")
_LATEST: Final = datetime.fromisoformat("9000-01-01T00:00:00Z")


class Span(BaseModel):
    since: AwareDatetime | None = Field(
        default=None, ge=_EARLIEST, le=_LATEST, description="Left out: 30 days before `until`"
    )
    until: AwareDatetime | None = Field(
        default=None,
        ge=_EARLIEST,
        le=_LATEST,
        description="Left out: when this day ends, in UTC. At most 366 days after `since`",
    )

    @property
    def span(self) -> tuple[datetime, datetime]:
        """The time, with what was left out."""
        until = self.until or now().replace(hour=0, minute=0, second=0, microsecond=0) + _A_DAY
        return self.since or until - _USUAL, until

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        since, until = self.span
        if not timedelta(0) <= until - since <= _LONGEST:
            raise ValueError("until must be after since, by 366 days at most")
        return self
