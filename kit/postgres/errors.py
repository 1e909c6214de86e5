"""What the database says no to, by the name of the rule."""

from psycopg import Error
from sqlalchemy.exc import IntegrityError

__all__ = ["violated"]


def violated(error: IntegrityError) -> str | None:
    """The name of the constraint or unique index that `error` ran into."""
    return error.orig.diag.constraint_name if isinstance(error.orig, Error) else None
