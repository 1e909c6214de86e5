"""API keys of one's own."""

from datetime import timedelta
from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Response

from chat_api.auth import api_keys
from chat_api.auth.api_key_schemas import ApiKeyList, ApiKeyOut, NewApiKey, ShownApiKey
from chat_api.auth.dependencies import Account, Keeping
from chat_api.auth.schemas import Done
from kit.postgres.tables import now

router = APIRouter(prefix="/api/v1/api-keys", tags=["api-keys"])


@router.post("", status_code=HTTPStatus.CREATED)
async def create_key(keeping: Keeping, caller: Account, body: NewApiKey, response: Response) -> ShownApiKey:
    """Make a key, which is told this once. It goes wherever a token goes, also to `/mcp`."""
    response.headers["Cache-Control"] = "no-store"
    days = body.expires_in_days
    expires_at = None if days is None else now() + timedelta(days=days)
    kept, key = await api_keys.create(keeping.db, caller, body.name, body.scopes, expires_at)
    return ShownApiKey(**ApiKeyOut.of(kept).model_dump(), key=key)


@router.get("")
async def list_keys(keeping: Keeping, caller: Account) -> ApiKeyList:
    """One's keys that are good, the newest first: how they begin, and when they were last used."""
    found = await api_keys.list_keys(keeping.db, caller.owner)
    return ApiKeyList(api_keys=[ApiKeyOut.of(key) for key in found])


@router.delete("/{key_id}")
async def revoke_key(keeping: Keeping, caller: Account, key_id: UUID) -> Done:
    """Have a key good no more, everywhere and at once."""
    await api_keys.revoke(keeping.db, keeping.access, caller.owner, key_id)
    return Done(message="The API key is revoked.")
