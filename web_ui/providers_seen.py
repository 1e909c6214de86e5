"""The providers that somebody may name, and what is known of each."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from web_ui.api import Api, ApiError, NotSignedIn

__all__ = ["PATH", "Seen", "look", "look_again"]

PATH: Final = "/api/v1/providers"
_MODELS: Final = "/api/v1/models"
_BUILT_IN: Final = ("ollama", "lmstudio", "openai", "local")
_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """A provider. `config` is None for a built-in one, `status` for one that is switched off."""

    name: str
    kind: str
    config: Mapping[str, Any] | None = None
    status: Mapping[str, Any] | None = None
    models: Sequence[Mapping[str, Any]] = ()

    @property
    def key(self) -> str:
        return self.name if self.config is None else str(self.config["id"])

    @property
    def is_on(self) -> bool:
        return self.config is None or self.config["enabled"]

    @property
    def answers(self) -> bool:
        return self.is_on and self.status is not None and self.status["available"]

    @property
    def state(self) -> tuple[str, str]:
        """A colour, and the word for it."""
        if not self.is_on:
            return "gray", "switched off"
        return ("green", "answers") if self.answers else ("red", "does not answer")


def look(api: Api) -> list[Seen]:
    """All that there are, in the order in which they are asked; last those that are switched off.

    Raises ApiError.
    """
    configs = sorted(_configured(api), key=_place)
    found = [Seen(each["name"], each["kind"], each) for each in configs if each["enabled"]]
    found += [Seen(name, name) for name in _BUILT_IN]
    # All of them are asked at once for this, and each is asked about alone right after it.
    models = api.get(_MODELS)["models"]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        states = list(pool.map(partial(_status, api), found))
    seen = [
        replace(each, status=status, models=[model for model in models if model["provider"] == each.name])
        for each, status in zip(found, states, strict=True)
        if status is not None
    ]
    return seen + [Seen(each["name"], each["kind"], each) for each in configs if not each["enabled"]]


def look_again(api: Api, seen: Seen) -> tuple[Seen, dict[str, Any]]:
    """Ask one now; and what came of it, as the API tells of a test. Raises ApiError."""
    if seen.config is None:
        status = _status(api, seen)
        models: list[dict[str, Any]] = api.get(_MODELS, provider=seen.name)["models"] if status else []
        outcome: dict[str, Any] = {
            "models": models,
            **(status or {}),
            "connected": bool(status and status["available"]),
        }
        return replace(seen, status=status, models=models), outcome
    outcome = api.post(f"{PATH}/{seen.config['id']}/test")
    if not seen.is_on:
        return seen, outcome
    status = {"available": outcome["connected"], "last_check": datetime.now(UTC).isoformat(), **outcome}
    models = api.get(_MODELS, provider=seen.name)["models"]
    return replace(seen, status=status, models=models), outcome


def _configured(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = api.get(PATH, cursor=cursor)
        found += page["providers"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def _place(config: Mapping[str, Any]) -> tuple[bool, int, str]:
    """One's own first; ids are in the order of time."""
    return not config["can_change"], config["priority"], config["id"]


def _status(api: Api, seen: Seen) -> dict[str, Any] | None:
    """What the API tells of it; None for one that the server's settings do not name."""
    try:
        return api.get(f"{_MODELS}/{quote(seen.name, safe='')}/status")
    except NotSignedIn:
        raise
    except ApiError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        return {"available": False, "error": str(error)}
