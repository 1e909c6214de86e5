"""What a model's server does not take, as it has said before: it is not sent again."""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

__all__ = ["Taste", "Tasting"]

Taste: TypeAlias = dict[str, str | None]
"""Of one model, for everybody: parameters that its server refuses, with their new names; None: left out."""

_COUNTED: Final = {"stream_options": {"include_usage": True}}
_NEW_NAME: Final = "max_completion_tokens"
_FOR_GOOD: Final = re.compile("(?i)unsupported|not support|unknown|unrecogni|extra|instead")


class Tasting:
    """Of one call. Servers name the parameter that they refuse, each in words of its own."""

    def __init__(self, taste: Taste) -> None:
        self._taste: Final = taste
        self._changes: Final = dict(taste)
        self._for_good: Final[set[str]] = set()

    def request(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The request for a stream, in the form that the model's server is known to take."""
        wanted = {**body, "stream": True, **_COUNTED}
        for name, new in self._changes.items():
            if new is not None and name in wanted:
                wanted[new] = wanted.pop(name)
        return {name: value for name, value in wanted.items() if self._changes.get(name, "") is not None}

    def learns(self, refusal: str, sent: Mapping[str, Any]) -> bool:
        """Whether something that was `sent` need not be, or not so, after this refusal of it."""
        if "max_tokens" in sent and _NEW_NAME in refusal:
            self._learn("max_tokens", _NEW_NAME, refusal)
            return True
        for name in ("temperature", _NEW_NAME, "max_tokens", "stream_options"):
            if name in sent and name in refusal:
                self._learn(name, None, refusal)
                return True
        return False

    def taken(self) -> None:
        """The request was taken as it is now: let other calls know what the server takes in none."""
        self._taste.update({name: self._changes[name] for name in self._for_good})

    def _learn(self, name: str, new: str | None, refusal: str) -> None:
        self._changes[name] = new
        # A value that is refused to one person may be right for all the others.
        if _FOR_GOOD.search(refusal):
            self._for_good.add(name)
