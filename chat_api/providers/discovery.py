"""Which models a provider has, and what it tells of them."""

import asyncio
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from chat_api.providers.asking import Asker, NoSense, NotKnown
from chat_api.providers.errors import ProviderFailed
from chat_api.providers.names import Kind
from chat_api.providers.tool_calls import clean_text
from kit.errors import Problem

__all__ = ["Discovery", "Listed"]

_MOST_MODELS: Final = 1_000
_MOST_SHOWN: Final = 64
_SHOWN_AT_ONCE: Final = 8
_SHOW_SECONDS: Final = 1.0
_LONGEST: Final = 200
_MOST_REMEMBERED: Final = 2_000
_LARGEST: Final = 2**53
_NOT_FOR_CHAT: Final = ("embed", "whisper", "tts", "rerank", "dall-e", "moderation")
_WORDS: Final = re.compile(r"[-_ ]+")


@dataclass(frozen=True, slots=True)
class Listed:
    """A model as its provider lists it; what the provider does not tell is None."""

    model_id: str
    name: str
    size_bytes: int | None = None
    quantization: str | None = None
    family: str | None = None
    context_tokens: int | None = None


class Discovery:
    """Lists models; remembers what Ollama has told of each, which stays as long as its digest."""

    def __init__(self) -> None:
        self._shown: dict[tuple[str, str, str], int | None] = {}

    async def models(self, asker: Asker, kind: Kind) -> tuple[Listed, ...]:
        """The models that can chat, in the server's order. `asker` asks at the API's version.

        Raises a Problem.
        """
        own = asker.at(asker.root.removesuffix("/v1"))
        strange: ProviderFailed | None = None
        try:
            if kind == "ollama":
                return await self._of_ollama(own)
            if kind == "lmstudio":
                return _of_lm_studio(await own.ask("/api/v0/models"))
        except (NotKnown, NoSense) as error:
            # An old one, or something else that is compatible; LM Studio answers every path with 200.
            strange = error
        try:
            return _compatible(await asker.ask("/models"))
        except NotKnown as error:
            raise strange or error from error

    async def _of_ollama(self, asker: Asker) -> tuple[Listed, ...]:
        entries = _entries(await asker.ask("/api/tags"), "models")
        found: list[tuple[Listed, str]] = []
        for entry in entries:
            details = _object(entry.get("details"))
            model_id = _text(entry.get("model")) or _text(entry.get("name"))
            if model_id is None:
                continue
            about = Listed(
                model_id,
                _human(model_id, _text(details.get("parameter_size"))),
                _number(entry.get("size")),
                _text(details.get("quantization_level")),
                _text(details.get("family")),
                _number(details.get("context_length")),
            )
            found.append((about, _text(entry.get("digest")) or ""))
        kept = [(about, digest) for about, digest in found if _chats(about.model_id)]
        _check(entries, found)
        return await self._with_context(asker, kept)

    async def _with_context(self, asker: Asker, found: list[tuple[Listed, str]]) -> tuple[Listed, ...]:
        room = asyncio.Semaphore(_SHOWN_AT_ONCE)

        async def shown(about: Listed, digest: str) -> Listed:
            key = (asker.root, about.model_id, digest)
            if about.context_tokens is None and key not in self._shown:
                # What could not be asked now may be known the next time.
                with suppress(Problem):
                    async with room:
                        self._remember(key, await _context_of(asker, about.model_id))
            return replace(about, context_tokens=about.context_tokens or self._shown.get(key))

        asked = [asyncio.create_task(shown(*each)) for each in found[:_MOST_SHOWN]]
        try:
            # The list is worth more than what else there is to know.
            await asyncio.wait(asked, timeout=_SHOW_SECONDS) if asked else None
            done = [
                task.result() if task.done() else about
                for task, (about, _) in zip(asked, found, strict=False)
            ]
        finally:
            for task in asked:
                task.cancel()
        return (*done, *(about for about, _ in found[_MOST_SHOWN:]))

    def _remember(self, key: tuple[str, str, str], context_tokens: int | None) -> None:
        if len(self._shown) >= _MOST_REMEMBERED:
            self._shown.clear()
        self._shown[key] = context_tokens


async def _context_of(asker: Asker, model_id: str) -> int | None:
    """What Ollama's `/api/show` says of a model's context. Raises a Problem."""
    try:
        about = _object(_object(await asker.ask("/api/show", {"model": model_id})).get("model_info"))
    except NotKnown:
        return None
    return next((_number(about[name]) for name in about if name.endswith(".context_length")), None)


def _of_lm_studio(answer: Any) -> tuple[Listed, ...]:
    """LM Studio's own list (REST API v0)."""
    entries = _entries(answer, "data")
    found = [
        Listed(
            model_id,
            _human(model_id),
            _number(entry.get("size_bytes")),
            _text(entry.get("quantization")),
            _text(entry.get("arch")),
            _number(entry.get("loaded_context_length")) or _number(entry.get("max_context_length")),
        )
        for entry in entries
        if (model_id := _text(entry.get("id"))) and entry.get("type") != "embeddings"
    ]
    if not any(_text(entry.get("id")) for entry in entries):
        _check(entries, found)
    return tuple(about for about in found if _chats(about.model_id))


def _compatible(answer: Any) -> tuple[Listed, ...]:
    """The list of the OpenAI API, with what vLLM, llama.cpp and OpenRouter say beside."""
    entries = _entries(answer, "data")
    found: list[Listed] = []
    for entry in entries:
        model_id, meta = _text(entry.get("id")), _object(entry.get("meta"))
        if model_id is None:
            continue
        context = (entry.get("context_length"), entry.get("max_model_len"), meta.get("n_ctx_train"))
        about = Listed(
            model_id,
            _text(entry.get("name")) or model_id,
            _number(meta.get("size")),
            context_tokens=next((size for size in map(_number, context) if size), None),
        )
        found.append(about)
    _check(entries, found)
    return tuple(about for about in found if _chats(about.model_id))


def _entries(answer: Any, name: str) -> list[dict[str, Any]]:
    listed: Any = _object(answer).get(name)
    if not isinstance(listed, list):
        raise NoSense
    return [_object(entry) for entry in cast("list[Any]", listed)[:_MOST_MODELS]]


def _check(entries: list[dict[str, Any]], found: Iterable[object]) -> None:
    """Refuse a list of things none of which is a model."""
    if entries and not any(True for _ in found):
        raise NoSense


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    """Text that can be kept and sent back as it is; there is no use for any other."""
    fits = isinstance(value, str) and value.strip() and len(value) <= _LONGEST and clean_text(value) == value
    return value if fits else None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _LARGEST else None


def _chats(model_id: str) -> bool:
    return not any(word in model_id.lower() for word in _NOT_FOR_CHAT)


def _human(model_id: str, size: str | None = None) -> str:
    """`neural-chat:latest` of `7B` is Neural Chat 7B."""
    base = model_id.rpartition("/")[2].partition(":")[0]
    words = [word[:1].upper() + word[1:] for word in _WORDS.split(base) if word]
    return " ".join([*words, *([size] if size and size.lower() not in base.lower() else [])]) or model_id
