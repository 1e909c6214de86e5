"""Which models there are, and whether their providers answer."""

from typing import Annotated, Final

import httpx2
from fastapi import APIRouter, Query

from chat_api.auth.dependencies import Caller
from chat_api.providers.addresses import api_url
from chat_api.providers.choosing import Providers
from chat_api.providers.errors import ProviderNotFound
from chat_api.providers.model_schemas import (
    Connection,
    ConnectRequest,
    ModelList,
    ModelOut,
    ProviderStatus,
    connection_of,
    status_of,
)
from chat_api.providers.names import ProviderName
from chat_api.providers.provider import NO_KEY, Provider
from chat_api.providers.routes import Known
from kit.tokens import Identity

router = APIRouter(prefix="/models", tags=["models"])

_LIST_AGE: Final = 10.0
_STATUS_AGE: Final = 1.0


@router.get("")
async def list_models(
    caller: Caller,
    known: Known,
    provider: Annotated[ProviderName, Query(description="Only of the provider of this name")] | None = None,
) -> ModelList:
    """The models that can chat, of all providers that one may name. The answer is 10 seconds old at most.

    Of a provider that is away, those are listed that it had before, as `stale`.
    """
    asked = [each for each in await known.of(caller.owner) if provider in {None, each.name}]
    verdicts = await known.watch.look_all(asked, max_age=_LIST_AGE)
    models = [
        ModelOut.of(listed, each.name, available=verdict.problem is None)
        for each, verdict in zip(asked, verdicts, strict=True)
        for listed in verdict.models or ()
    ]
    return ModelList(models=models, total=len(models))


@router.post("/connect", response_model_exclude_none=True)
async def connect(caller: Caller, known: Known, body: ConnectRequest) -> Connection:
    """Try an address out: whether a provider answers there, and with which models. Nothing is kept.

    Only admins may name private addresses, but for those that the server's own settings name.
    """
    base_url = api_url(body.provider, body.endpoint, "endpoint")
    known.addresses.check(body.provider, base_url, by_admin=caller.is_admin, field="endpoint")
    provider = Provider(
        body.provider,
        base_url,
        body.api_key or NO_KEY,
        kind=body.provider,
        place=known.addresses.place(body.provider, base_url, by_admin=caller.is_admin),
        owner=caller.owner,
    )
    return connection_of(await known.watch.test(provider), body.provider, body.endpoint)


@router.get("/{provider}/status", response_model_exclude_none=True)
async def get_status(caller: Caller, known: Known, provider: ProviderName) -> ProviderStatus:
    """Whether a provider answers, as of a second ago at most."""
    found = await _named(known, caller, provider)
    verdict = await known.watch.look(found, max_age=_STATUS_AGE)
    return status_of(verdict, provider, _shown(found, caller))


async def _named(known: Providers, caller: Identity, name: str) -> Provider:
    for provider in await known.of(caller.owner):
        if provider.name == name:
            return provider
    raise ProviderNotFound


def _shown(provider: Provider, caller: Identity) -> str:
    """The address without what can be as good as a secret, unless one may see that."""
    url = httpx2.URL(provider.base_url).copy_with(userinfo=b"")
    own = provider.id is not None and not provider.shared and provider.owner == caller.owner
    if provider.kind == "openai" and (own or caller.is_admin):
        return str(url)
    return str(url.copy_with(path="/", query=None)).rstrip("/")
