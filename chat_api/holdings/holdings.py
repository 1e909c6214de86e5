"""What is needed to know of and to erase all that somebody has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from chat_api.auth.accounts import Accounts
from chat_api.runs.worker import Worker
from kit.postgres import Db

__all__ = ["File", "Holdings", "RemoveFiles"]


class File(Protocol):
    """A file in the person's folder; `size` in bytes, `modified` in seconds since the epoch."""

    @property
    def path(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def modified(self) -> float: ...


class RemoveFiles(Protocol):
    """Removes somebody's files with their folder.

    Where one is not from `before`, in seconds since the epoch, all stay.
    """

    def __call__(self, user: UUID, before: float | None = None, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Holdings:
    """`files` lists somebody's files, `remove_files` removes them with their folder. Both may block."""

    accounts: Accounts
    worker: Worker
    files: Callable[[UUID], Sequence[File]]
    remove_files: RemoveFiles

    @property
    def db(self) -> Db:
        return self.accounts.db
