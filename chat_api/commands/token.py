"""`turnlog token`."""

from datetime import timedelta
from typing import Literal

from chat_api.commands.console import out
from chat_api.commands.credentials import mint_token
from chat_api.settings import Settings
from kit.settings import load
from kit.tokens import ADMIN
from mcp_server.scopes import ALL, READ

__all__ = ["token"]


def token(user: str, door: Literal["api", "mcp"], minutes: int, *, admin: bool, read_only: bool) -> None:
    settings = load(Settings)
    if door == "mcp":
        audience, claims = settings.mcp_audience, {"scope": READ if read_only else ALL}
    else:
        audience, claims = settings.jwt_audience, {"roles": [ADMIN]} if admin else {}
    out.print(mint_token(settings, user, audience, timedelta(minutes=minutes), claims), markup=False)
