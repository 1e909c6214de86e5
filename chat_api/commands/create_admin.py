"""`turnlog create-admin`."""

import asyncio
import sys
from getpass import getpass

from sqlalchemy import select
from sqlmodel import col

from chat_api.auth import accounts, passwords
from chat_api.auth.errors import WeakPassword
from chat_api.auth.models import User
from chat_api.auth.schemas import check_email
from chat_api.commands.console import words
from chat_api.commands.credentials import database_url
from chat_api.settings import Settings
from kit.access import tell
from kit.errors import SetupError
from kit.postgres import open_db
from kit.settings import load
from kit.tokens import ADMIN

__all__ = ["create_admin"]


def create_admin(email: str, name: str | None) -> None:
    """Make an admin's account, or one of an account that there is, with the password that is asked for.

    Raises SetupError.
    """
    settings = load(Settings)
    try:
        email = check_email(email)
        password = passwords.accept(_password(), email)
    except ValueError as error:
        raise SetupError(f"That is no e-mail address: {error}.") from error
    except WeakPassword as error:
        raise SetupError(error.message) from error
    url = database_url(settings)

    async def create() -> None:
        async with open_db(url, pool_size=1) as db, db.begin() as session:
            kept = passwords.derive(password)
            user = await session.scalar(select(User).where(col(User.email) == email))
            if user is None:
                await accounts.create(session, email, kept, name=name, role=ADMIN)
            else:
                user.role, user.disabled_at, user.name = ADMIN, None, name or user.name
                await accounts.replace_password(session, user, kept, revoke_keys=True)
            await tell(session)

    asyncio.run(create())
    words.print(f"{email} can log in now, and is an admin.", markup=False)


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass("Password: ")
    if password != getpass("Once more: "):
        raise SetupError("These were two different passwords.")
    return password
