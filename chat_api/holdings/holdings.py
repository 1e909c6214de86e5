"""What is needed to know of and to erase all that somebody has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from chat_api.auth.accounts import Accounts
from chat_api.runs.worker import Worker
from kit.postgres import Db

__all__ = ["File", "Holdings"]


class File(Protocol):
    """A file in the person's folder; `size` in bytes, `modified` in seconds since the epoch."""

    @property
    def path(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def modified(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Holdings:
    """`files` lists somebody's files, `remove_files` removes them with their folder. Both may block."""

    accounts: Accounts
    worker: Worker
    files: Callable[[UUID], Sequence[File]]
    remove_files: Callable[[UUID], None]

    @property
    def db(self) -> Db:
        return self.accounts.db
