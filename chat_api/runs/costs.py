"""What calls of models cost, by a table of list prices that comes with the program. Nothing is fetched."""

import threading
import time
from bisect import bisect_left
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

__all__ = ["Spent", "cost_of", "prepare"]

_FREE: Final = frozenset({"local", "ollama", "lmstudio"})
_EXACTLY: Final = Decimal("1e-12")
_SECONDS_KEPT: Final = 60


class Spent(Protocol):
    """Tokens of one call of a model; those that its server had `cached` are among the input."""

    @property
    def input_tokens(self) -> int: ...
    @property
    def cached_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...


class _Seller(NamedTuple):
    provider: str
    base_url: str
    model: str


class _Rates(NamedTuple):
    """US dollars a token."""

    fresh: Decimal
    cached: Decimal
    output: Decimal


def prepare(provider: str) -> None:
    """Have the table read while the model is asked: that takes a fifth of a second, once."""
    if provider not in _FREE and not _read.cache_info().currsize:
        threading.Thread(target=_read, name="prices", daemon=True).start()


def cost_of(provider: str, base_url: str, model: str, calls: Iterable[Spent]) -> Decimal | None:
    """US dollars for these calls, as prices are now: none for a provider of one's own, None where unknown.

    The address says whose prices apply. Where it is nobody's who publishes some, and the provider is called
    `openai`, they are those of OpenAI's model of this name.
    """
    if provider in _FREE:
        return Decimal(0)
    seller = _Seller(provider, base_url, model)
    # Some prices are of a time of day.
    minute = int(time.time()) // _SECONDS_KEPT
    longer = _thresholds(seller, minute)
    if longer is None:
        return None
    total = Decimal(0)
    for call in calls:
        passed = bisect_left(longer, call.input_tokens)
        rates = _rates(seller, minute, longer[passed - 1] if passed else 0)
        cached = min(call.cached_tokens, call.input_tokens)
        total += rates.fresh * (call.input_tokens - cached)
        total += rates.cached * cached + rates.output * call.output_tokens
    return total.quantize(_EXACTLY)


@lru_cache(maxsize=1)
def _read() -> None:
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415

    get_snapshot()


@lru_cache(maxsize=256)
def _thresholds(seller: _Seller, _minute: int) -> tuple[int, ...] | None:
    """Beyond how many tokens of input a call has other prices; None where there are no prices."""
    from genai_prices.types import TieredPrices  # noqa: PLC0415

    found = _price(seller, 1, 0, 0)
    if found is None:
        return None
    prices = vars(found.model_price).values()
    return tuple(
        sorted({tier.start for price in prices if isinstance(price, TieredPrices) for tier in price.tiers})
    )


@lru_cache(maxsize=256)
def _rates(seller: _Seller, _minute: int, threshold: int) -> _Rates:
    tokens = threshold + 1
    fresh, cached, both = (
        found.total_price if (found := _price(seller, *sample)) else Decimal(0)
        for sample in ((tokens, 0, 0), (tokens, tokens, 0), (tokens, 0, tokens))
    )
    return _Rates(fresh / tokens, cached / tokens, (both - fresh) / tokens)


def _price(seller: _Seller, fresh: int, cached: int, output: int) -> "PriceCalculation | None":
    from genai_prices import Usage, calc_price  # noqa: PLC0415

    usage = Usage(input_tokens=fresh, cache_read_tokens=cached, output_tokens=output)
    try:
        return calc_price(usage, seller.model, provider_api_url=seller.base_url)
    except LookupError:
        pass
    try:
        return calc_price(usage, seller.model, provider_id="openai") if seller.provider == "openai" else None
    except LookupError:
        return None
