"""Configured providers: naming them, trying them out."""

from http import HTTPStatus
from typing import Annotated, TypeAlias, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from chat_api.auth.dependencies import Caller, Database
from chat_api.auth.schemas import Done
from chat_api.preconditions import Expected, etag
from chat_api.providers import service
from chat_api.providers.choosing import Providers
from chat_api.providers.model_schemas import Connection, connection_of
from chat_api.providers.models import ProviderConfig
from chat_api.providers.registry import provider_of
from chat_api.providers.schemas import NewProvider, ProviderChange, ProviderList, ProviderOut
from kit.tokens import Identity

router = APIRouter(prefix="/api/v1/providers", tags=["providers"])


async def _providers(request: Request) -> Providers:
    return cast("Providers", request.state.providers)


Known: TypeAlias = Annotated[Providers, Depends(_providers)]


async def _desk(db: Database, known: Known) -> service.Desk:
    return service.Desk(db, known.watch.keys, known.addresses)


Desk: TypeAlias = Annotated[service.Desk, Depends(_desk)]


@router.post("", status_code=HTTPStatus.CREATED)
async def create_provider(
    caller: Caller, desk: Desk, known: Known, body: NewProvider, response: Response
) -> ProviderOut:
    """Configure a provider, which agents and turns can name from then on."""
    config = await desk.create(caller, body.model_dump())
    known.expire()
    return _answer(config, caller, response)


@router.get("")
async def list_providers(
    caller: Caller,
    db: Database,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
    cursor: Annotated[UUID, Query(description="`next_cursor` of the page before")] | None = None,
) -> ProviderList:
    """What one has configured, and what is everybody's; the oldest first. The built-in ones have no id."""
    found, following, total = await service.list_configs(db, caller, after=cursor, limit=limit)
    return ProviderList(
        providers=[_out(config, caller) for config in found], next_cursor=following, total=total
    )


@router.get("/{provider_id}")
async def get_provider(caller: Caller, db: Database, provider_id: UUID, response: Response) -> ProviderOut:
    """One provider. Its `ETag` is its version."""
    return _answer(await service.find(db, caller, provider_id), caller, response)


@router.patch("/{provider_id}")
async def change_provider(
    caller: Caller,
    desk: Desk,
    known: Known,
    provider_id: UUID,
    body: ProviderChange,
    expected: Expected,
    response: Response,
) -> ProviderOut:
    """Change a provider. Its key stays, unless it moves to another host.

    With `If-Match`, only if nobody else has changed it meanwhile.
    """
    given = body.model_dump(exclude_unset=True)
    config = await desk.change(caller, provider_id, given, expected=expected)
    known.expire()
    return _answer(config, caller, response)


@router.delete("/{provider_id}")
async def delete_provider(
    caller: Caller, desk: Desk, known: Known, provider_id: UUID, expected: Expected
) -> Done:
    """Strike a provider off. Agents that name it are answered by the next one."""
    await desk.delete(caller, provider_id, expected=expected)
    known.expire()
    return Done(message="Provider deleted successfully")


@router.post("/{provider_id}/test", response_model_exclude_none=True)
async def test_provider(caller: Caller, db: Database, known: Known, provider_id: UUID) -> Connection:
    """Ask a provider for its models now, and say how that went."""
    config = await service.find(db, caller, provider_id)
    verdict = await known.watch.look(provider_of(config, known.addresses), max_age=0)
    return connection_of(verdict, config.name, _out(config, caller).base_url)


def _answer(config: ProviderConfig, caller: Identity, response: Response) -> ProviderOut:
    response.headers["ETag"] = etag(config.version)
    return _out(config, caller)


def _out(config: ProviderConfig, caller: Identity) -> ProviderOut:
    return ProviderOut.of(config, can_change=service.can_change(config, caller))
