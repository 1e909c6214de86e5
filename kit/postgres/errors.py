"""What the database says no to, by the name of the rule; and that it is not there."""

from typing import Final

from psycopg import Error
from sqlalchemy.exc import IntegrityError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

__all__ = ["AWAY", "violated"]

AWAY: Final = (OperationalError, InterfaceError, InternalError, PoolTimeoutError)
"""What a database raises that cannot be reached, or takes no writes, as one that was demoted."""


def violated(error: IntegrityError) -> str | None:
    """The name of the constraint or unique index that `error` ran into."""
    return error.orig.diag.constraint_name if isinstance(error.orig, Error) else None
