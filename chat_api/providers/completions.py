"""Asking an OpenAI-compatible server for a chat completion, and reading what it says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import anyio
import httpx2

from chat_api.providers.errors import ProviderFailed, ProviderTimeout, ProviderUnreachable
from chat_api.providers.tool_calls import clean_text

__all__ = ["Completion", "CompletionClient", "FunctionCall"]

_TRIES: Final = 2
_PAUSE_SECONDS: Final = 0.5
_LONGEST_NAME: Final = 128
_PASSING: Final = frozenset({429, 502, 503})
_REASONS: Final = {
    401: "it does not accept the API key",
    403: "it does not accept the API key",
    404: "it does not know the model",
    429: "it has too much to do",
}


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A tool that the model wants called; `arguments` is its text, which may not be JSON."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model said; the tokens are as the server counts them."""

    text: str
    calls: tuple[FunctionCall, ...]
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class CompletionClient:
    """One server. `timeout_seconds` bounds a call, its second try included."""

    http: httpx2.AsyncClient
    base_url: str
    api_key: str
    timeout_seconds: float

    async def complete(self, body: Mapping[str, Any]) -> Completion:
        """Send a chat completion request (OpenAI API, `POST /chat/completions`).

        Raises ProviderUnreachable, ProviderTimeout, or ProviderFailed for a refusal and for an answer that is
        none.
        """
        try:
            with anyio.fail_after(self.timeout_seconds):
                return _read(await self._post(json.dumps(body, ensure_ascii=False).encode()))
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise ProviderTimeout("The model took too long to answer.") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ProviderUnreachable("The model's server cannot be reached.") from error

    async def _post(self, body: bytes) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"}
        url = f"{self.base_url}/chat/completions"
        for _ in range(_TRIES - 1):
            try:
                response = await self.http.post(url, content=body, headers=headers)
            except (httpx2.NetworkError, httpx2.RemoteProtocolError):
                # A connection that was kept may have been closed by the server meanwhile.
                continue
            if response.status_code not in _PASSING:
                return response
            await anyio.sleep(_PAUSE_SECONDS)
        return await self.http.post(url, content=body, headers=headers)


def _read(response: httpx2.Response) -> Completion:
    status = response.status_code
    if status >= httpx2.codes.BAD_REQUEST:
        reason = _REASONS.get(status, f"it answered with status {status}")
        raise ProviderFailed(
            f"The model's server refused the request: {reason}.", details={"provider_status": status}
        )
    try:
        return _completion(response.json())
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ProviderFailed("The model's server gave an answer that makes no sense.") from error


def _completion(body: Any) -> Completion:
    """Read a completion object; whatever is amiss raises one of the errors that `_read` translates."""
    message = body["choices"][0]["message"]
    calls = tuple(_call(call["function"]) for call in message.get("tool_calls") or ())
    text = _text(message.get("content")) or _text(message.get("refusal"))
    if not text and not calls:
        raise ValueError("neither words nor calls")
    usage: dict[str, Any] = body.get("usage") or {}
    return Completion(
        text, calls, int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    )


def _call(function: Mapping[str, Any]) -> FunctionCall:
    arguments = function.get("arguments") or "{}"
    # Some servers send the object itself where the protocol wants its text.
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return FunctionCall(clean_text(str(function["name"]))[:_LONGEST_NAME], text)


def _text(content: Any) -> str:
    """Text as it comes: a string, or a list of parts."""
    if isinstance(content, list):
        parts = cast("list[dict[str, Any]]", content)
        return "".join(str(part["text"]) for part in parts if part.get("type") == "text")
    if content is not None and not isinstance(content, str):
        raise TypeError("content that is no text")
    return clean_text(content or "")
