"""Errors that a person is meant to read, each with a name, a code and an HTTP status."""

from collections.abc import Mapping
from typing import Any


class Problem(Exception):
    """An anticipated failure. Subclass it to give it a name.

    `status` is the HTTP status, `code` the stable word for programs, `message` the sentence for a person,
    `details` what else a program may use, `headers` what the answer carries (for example `Retry-After`).
    """

    status: int = 400
    code: str = "bad_request"

    def __init__(
        self, message: str, *, details: Any = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.headers = dict(headers or {})


class SetupError(Exception):
    """The process cannot start as configured; the message says what to change."""
