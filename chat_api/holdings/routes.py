"""Taking with one all that one has, and leaving nothing behind."""

from typing import Annotated, Any, Final, TypeAlias, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from chat_api.auth.dependencies import Account, Caller, admin
from chat_api.auth.errors import NotYourPath
from chat_api.auth.guesses import guessing
from chat_api.auth.limits import for_logins
from chat_api.auth.schemas import Done
from chat_api.holdings.erase import erase, leave
from chat_api.holdings.export import export
from chat_api.holdings.holdings import Holdings
from kit.access import stay

router = APIRouter(tags=["auth"])

_ME: Final = "/api/v1/auth/me"
_NDJSON: Final = "application/x-ndjson"


async def _holdings(request: Request) -> Holdings:
    return cast("Holdings", request.state.holdings)


Holding: TypeAlias = Annotated[Holdings, Depends(_holdings)]


class ExportLine(BaseModel):
    """A row of the table `type`, a file, or the first or last line (`export`, `end`)."""

    type: str
    data: dict[str, Any]


class Farewell(BaseModel):
    model_config = ConfigDict(extra="forbid")

    user_id: str = Field(max_length=255, description="One's own: the `sub` of the token")
    password: str | None = Field(default=None, max_length=1024, description="Of an account that has one")


@router.get(
    f"{_ME}/export",
    response_model=ExportLine,
    responses={200: {"content": {_NDJSON: {"itemSchema": {"$ref": "#/components/schemas/ExportLine"}}}}},
)
async def export_me(caller: Caller, holdings: Holding) -> StreamingResponse:
    """All that one has here, a line of JSON each, without secrets. The last line has `type` `end`."""
    headers = {"Content-Disposition": 'attachment; filename="turnlog.ndjson"', "Cache-Control": "no-store"}
    return StreamingResponse(export(holdings, caller.owner), media_type=_NDJSON, headers=headers)


@router.delete(_ME, dependencies=[Depends(for_logins)])
async def erase_me(request: Request, caller: Account, holdings: Holding, body: Farewell) -> Done:
    """Erase oneself and all that one has, for good. Logins and API keys are over at once."""
    if body.user_id != caller.subject:
        raise NotYourPath("The user_id is not the one that the token speaks for.")
    stay()
    async with guessing(request, caller.owner):
        await leave(holdings, caller, body.password)
    return Done(message="You are erased.")


@router.delete("/api/v1/users/{account_id}", tags=["users"], dependencies=[Depends(admin)])
async def erase_user(caller: Account, holdings: Holding, account_id: UUID) -> Done:
    """Erase somebody and all that they have, for good. Safe to repeat until it has answered.

    Of somebody of another issuer who was disabled, it stays who they are there, and that they are disabled.
    """
    stay()
    stays = await erase(holdings, account_id, caller)
    return Done(message="The user is erased, and stays disabled." if stays else "The user is erased.")
