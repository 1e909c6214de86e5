"""What the model calls of a run took."""

from collections.abc import Sequence
from typing import Any

from chat_api.providers.completions import Completion

__all__ = ["Spending"]


class Spending:
    """The model calls of all attempts: one that was made anew was paid for twice.

    One that broke off or was cancelled was paid for as far as it had come.
    """

    def __init__(self) -> None:
        self._paid: list[tuple[str | None, str, Completion]] = []

    def add(self, provider: str | None, model: str, completion: Completion) -> None:
        self._paid.append((provider, model, completion))

    @property
    def last(self) -> tuple[str | None, str | None]:
        """The provider and the model that answered last."""
        return self._paid[-1][:2] if self._paid else (None, None)

    def by_model(self) -> Sequence[tuple[str | None, str, list[Completion]]]:
        """The calls by provider, where it is known, and model."""
        found: dict[tuple[str | None, str], list[Completion]] = {}
        for provider, model, completion in self._paid:
            found.setdefault((provider, model), []).append(completion)
        return [(*model, completions) for model, completions in found.items()]

    def usage(self) -> dict[str, Any]:
        """Tokens of all calls, and whether some of them are estimated."""
        found = [completion for *_, completion in self._paid]
        sent, got = sum(one.input_tokens for one in found), sum(one.output_tokens for one in found)
        cached = sum(one.cached_tokens for one in found)
        return {
            "requests": len(found),
            "input_tokens": sent,
            "output_tokens": got,
            "total_tokens": sent + got,
            "estimated": any(one.estimated for one in found),
        } | ({"cached_tokens": cached} if cached else {})
