"""`turnlog migrate`."""

from chat_api.commands.console import words
from chat_api.commands.credentials import database_url
from chat_api.settings import Settings
from kit.settings import load

__all__ = ["migrate"]


def migrate() -> None:
    database_url(load(Settings))
    words.print("The database has the newest schema.")
