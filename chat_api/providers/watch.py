"""Which providers are there, as this process knows it: asked when somebody wants to know, or now and then."""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, cast

import structlog

from chat_api.providers.asking import Asker, trouble_of
from chat_api.providers.discovery import Discovery, Listed
from chat_api.providers.keys import Keys
from chat_api.providers.outlets import Outlets
from chat_api.providers.provider import Provider
from kit.errors import Problem
from kit.postgres.tables import now

__all__ = ["CHECK_SECONDS", "Verdict", "Watch"]

CHECK_SECONDS: Final = 2.0
"""How long a provider may take to list its models."""

_COOLING: Final = 10.0
_TROUBLE_LIFETIME: Final = 1.0
_MOST: Final = 2_000
_JITTER: Final = 0.2
_OWN_FAULT: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Verdict:
    """What is known of a provider. `models` are those that it listed last, None where it never did.

    `problem` is why it does not answer, None while it does; `at` when that was found out, on the monotonic
    clock.
    """

    models: tuple[Listed, ...] | None = None
    problem: Problem | None = None
    latency_ms: int | None = None
    checked_at: datetime = field(default_factory=now)
    at: float = field(default_factory=time.monotonic)


class Watch:
    """Verdicts on providers; whoever asks about the same one at the same time shares one question."""

    def __init__(self, outlets: Outlets, keys: Keys) -> None:
        self._outlets: Final = outlets
        self.keys: Final = keys
        self._discovery: Final = Discovery()
        self._known: Final[OrderedDict[Provider, Verdict]] = OrderedDict()
        self._asking: Final[dict[Provider, asyncio.Task[Verdict]]] = {}

    async def look(self, provider: Provider, *, max_age: float) -> Verdict:
        """What the provider answers now, or answered `max_age` seconds ago at most; trouble is soon old."""
        known = self._known.get(provider)
        if known is not None:
            lifetime = max_age if known.problem is None else min(max_age, _TROUBLE_LIFETIME)
            if time.monotonic() - known.at < lifetime:
                return known
        asking = self._asking.get(provider)
        if asking is None:
            asking = self._asking[provider] = asyncio.create_task(self._ask(provider))
            asking.add_done_callback(lambda _: self._asking.pop(provider, None))
        return await asyncio.shield(asking)

    async def look_all(self, providers: Sequence[Provider], *, max_age: float) -> list[Verdict]:
        """The same of several at once."""
        return await asyncio.gather(*(self.look(provider, max_age=max_age) for provider in providers))

    async def test(self, provider: Provider) -> Verdict:
        """What the provider answers now; nobody else hears of it."""
        began = time.monotonic()
        verdict = Verdict()
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                asker = Asker(self._outlets.of(provider), provider.base_url, self.keys.of(provider))
                verdict.models = await self._discovery.models(asker, provider.kind)
        except Problem as problem:
            verdict.problem = problem
        except TimeoutError as error:
            verdict.problem = trouble_of(error)
        verdict.at = time.monotonic()
        verdict.latency_ms = round((verdict.at - began) * 1000)
        return verdict

    def known(self, provider: Provider) -> Verdict | None:
        return self._known.get(provider)

    def is_down(self, provider: Provider) -> bool:
        """Whether it has failed a moment ago: then others are asked before it."""
        verdict = self._known.get(provider)
        if verdict is None or verdict.problem is None:
            return False
        return time.monotonic() - verdict.at < _COOLING

    def failed(self, provider: Provider, problem: Problem) -> None:
        """It has failed in a turn; what was wrong with the request alone is no verdict."""
        status = cast("dict[str, Any]", problem.details or {}).get("provider_status")
        if isinstance(status, int) and status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _OWN_FAULT:
            return
        known = self._known.get(provider)
        self._keep(provider, Verdict(known.models if known else None, problem))

    def answered(self, provider: Provider) -> None:
        """It has answered in a turn."""
        known = self._known.get(provider)
        if known is not None and known.problem is not None:
            self._keep(provider, Verdict(known.models))

    async def forever(self, every: float, providers: Callable[[], Sequence[Provider]]) -> None:
        """Look at all of `providers` each `every` seconds or so; never where that is zero."""
        while every > 0:
            # Replicas that start together must not ask together.
            await asyncio.sleep(every * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311
            await self.look_all(providers(), max_age=every / 2)
        await asyncio.Event().wait()

    async def _ask(self, provider: Provider) -> Verdict:
        before = self._known.get(provider)
        verdict = await self.test(provider)
        if verdict.problem is not None and before is not None:
            verdict.models = before.models
        self._keep(provider, verdict)
        return verdict

    def _keep(self, provider: Provider, verdict: Verdict) -> None:
        before = self._known.pop(provider, None)
        self._known[provider] = verdict
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        was_up = before is None or before.problem is None
        if was_up != (verdict.problem is None) and before is not None:
            _log.info("provider_changed", provider=provider.name, up=verdict.problem is None, **_why(verdict))


def _why(verdict: Verdict) -> dict[str, Any]:
    return {} if verdict.problem is None else {"reason": verdict.problem.code}
