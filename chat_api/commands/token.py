"""`turnlog token`."""

from datetime import timedelta
from typing import Literal

from chat_api.commands.console import out
from chat_api.commands.credentials import mint_token
from chat_api.settings import Settings
from kit.settings import load

__all__ = ["token"]


def token(user: str, door: Literal["api", "mcp"], minutes: int) -> None:
    settings = load(Settings)
    audience = settings.mcp_audience if door == "mcp" else settings.jwt_audience
    out.print(mint_token(settings, user, audience, timedelta(minutes=minutes)), markup=False)
