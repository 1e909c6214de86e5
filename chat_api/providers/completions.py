"""Asking an OpenAI-compatible server for a chat completion, and reading what it says as it says it."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar, TypeVarTuple

import httpx2

from chat_api.providers.answers import BROKEN, Answer, BrokenOff, Completion, FunctionCall, NothingSaid
from chat_api.providers.errors import CutShort, ProviderFailed, ProviderTimeout, ProviderUnreachable
from chat_api.providers.meter import Meter
from chat_api.providers.stream import LONGEST, Lines, TooLong
from chat_api.providers.taste import Taste, Tasting

__all__ = ["Completion", "CompletionClient", "FunctionCall"]

_PAUSE_SECONDS: Final = 0.5
_CALL_SILENCES: Final = 10
_TIMER_STEP: Final = 0.02
_LAST_BYTES_SECONDS: Final = 0.25
_PASSING: Final = frozenset({429, 502, 503})
_BROKEN_CONNECTION: Final = (httpx2.NetworkError, httpx2.RemoteProtocolError)
_NOT_UNDERSTOOD: Final = frozenset({400, 422})
_LARGEST_REFUSAL: Final = 64 * 1024
_MOST_LESSONS: Final = 4
_DONE: Final = b"[DONE]"
_REASONS: Final = {
    401: "it does not accept the API key",
    403: "it does not accept the API key",
    404: "it does not know the model",
    429: "it has too much to do",
}

OnText: TypeAlias = Callable[[str], None]
Said = TypeVar("Said")
Arguments = TypeVarTuple("Arguments")


@dataclass(frozen=True, slots=True)
class CompletionClient:
    """One server. It may be silent for `silence` seconds, and a whole call may take ten times that.

    It is to begin its answer within `first_token` seconds, where that is given. What comes to nothing is
    tried again, `retries` times.
    """

    http: httpx2.AsyncClient
    base_url: str
    api_key: str = field(repr=False)
    silence: float
    first_token: float | None = None
    retries: int = 1

    async def complete(
        self, body: Mapping[str, Any], on_text: OnText, taste: Taste, meter: Meter
    ) -> Completion:
        """Send a chat completion request (OpenAI API, `POST /chat/completions`).

        `on_text` gets each piece of the text as it arrives; together they are the text of the completion.
        `taste` is what the model's server is known not to take, and learns more. `meter` knows at any time
        what the call has taken.

        Raises ProviderUnreachable, ProviderTimeout, or ProviderFailed for a refusal and for an answer that is
        none.
        """
        call = _Call(self, body, on_text, taste, meter)
        try:
            return await call.made()
        except (TimeoutError, httpx2.TimeoutException) as error:
            late = "took too long over its answer" if call.is_late() else "was silent for too long"
            reason = "did not begin to answer in time" if call.begins_late() else late
            raise ProviderTimeout(f"The model {reason}.") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            reason = "broke the connection off" if call.has_spoken else "cannot be reached"
            raise ProviderUnreachable(f"The model's server {reason}.") from error


class _Call:
    """One call, with more tries where the first one came to nothing."""

    def __init__(
        self,
        client: CompletionClient,
        body: Mapping[str, Any],
        on_text: OnText,
        taste: Taste,
        meter: Meter,
    ) -> None:
        self._client = client
        self._meter = meter
        self._asked_for = body
        self._tasting = Tasting(taste)
        self._sent = self._tasting.request(body)
        self._request = _encoded(self._sent)
        self._on_text = on_text
        self._time = asyncio.get_running_loop().time
        self._end = self._time() + client.silence * _CALL_SILENCES
        self._begin = None if client.first_token is None else self._time() + client.first_token
        self._refusal = ""
        self._patience = asyncio.timeout(None)
        self._answer = Answer()
        self.has_spoken = False
        self._is_done = False
        self._next_timer = 0.0

    def is_late(self) -> bool:
        return self._time() >= self._end

    def begins_late(self) -> bool:
        return self._begin is not None and self._time() >= self._begin

    async def made(self) -> Completion:
        try:
            async with self._patience:
                status = await self._asked()
        except (TimeoutError, *_BROKEN_CONNECTION):
            # Not every server ends a connection as it ought to, once all is said.
            if not self._answer.is_finished:
                raise
        else:
            _check(status)
        if not self._answer.is_finished:
            raise ProviderFailed("The model's server broke off half way through its answer.")
        self._say(self._answer.rest())
        completion = _understood(self._answer.completion, len(self._request))
        self._tasting.taken()
        return completion

    async def _asked(self) -> int:
        """Ask, more than once where need be; return the status."""
        tries, lessons = self._client.retries, _MOST_LESSONS
        while True:
            try:
                status = await self._ask()
            except _BROKEN_CONNECTION:
                # A connection that was kept may have been closed by the server meanwhile.
                if self.has_spoken or self._answer.is_finished or not tries:
                    raise
                self._answer = Answer()
                tries -= 1
                continue
            if status in _NOT_UNDERSTOOD and lessons and self._learns():
                lessons -= 1
            elif status in _PASSING and tries:
                tries -= 1
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return status

    def _learns(self) -> bool:
        """Whether there is another form of the request, which the server may take."""
        if self._tasting.learns(self._refusal, self._sent):
            self._sent = self._tasting.request(self._asked_for)
        elif "stream_options" in self._sent:
            # Some servers refuse what they do not know, and not all know this, nor say what it was.
            del self._sent["stream_options"]
        else:
            return False
        self._request = _encoded(self._sent)
        return True

    async def _ask(self) -> int:
        self._hear()
        url = f"{self._client.base_url}/chat/completions"
        headers = {
            "Authorization": f"Bearer {self._client.api_key}",
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
        }
        self._meter.begin(len(self._request), self._answer)
        async with self._client.http.stream("POST", url, content=self._request, headers=headers) as response:
            if response.status_code < httpx2.codes.BAD_REQUEST:
                self._meter.heard = True
                await self._read(response)
            elif response.status_code in _NOT_UNDERSTOOD:
                self._refusal = await self._words(response)
            return response.status_code

    async def _read(self, response: httpx2.Response) -> None:
        lines = Lines()
        if response.headers.get("Content-Type", "").startswith("text/event-stream"):
            async for piece in response.aiter_bytes():
                self._hear()
                self._take(_understood(lines.feed, piece))
            self._take(_understood(lines.rest))
            return
        body = await self._body(response)
        if body.startswith(b"data:"):
            self._take([*_understood(lines.feed, body), *_understood(lines.rest)])
        else:
            self._say(_understood(self._answer.add_whole, body))

    async def _words(self, response: httpx2.Response) -> str:
        """The beginning of what the server says of a request that it refuses."""
        words = b""
        async for piece in response.aiter_bytes():
            self._hear()
            words += piece
            if len(words) > _LARGEST_REFUSAL:
                break
        return words.decode(errors="replace")

    async def _body(self, response: httpx2.Response) -> bytes:
        pieces: list[bytes] = []
        left = LONGEST
        async for piece in response.aiter_bytes():
            self._hear()
            left -= len(piece)
            if left < 0:
                raise _too_long()
            pieces.append(piece)
        return b"".join(pieces)

    def _take(self, chunks: list[bytes]) -> None:
        for data in chunks:
            if self._is_done:
                return
            if data == _DONE:
                self._answer.is_finished = self._is_done = True
                # The connection is read to its end, so that it can be used again; but that is not waited for.
                self._patience.reschedule(self._time() + _LAST_BYTES_SECONDS)
            else:
                self._say(_understood(self._answer.add, data))
                if self._begin is not None and self._answer.has_begun:
                    self._begin, self._next_timer = None, 0.0
                    self._hear()

    def _say(self, text: str) -> None:
        if text:
            self.has_spoken = True
            self._on_text(text)

    def _hear(self) -> None:
        now = self._time()
        # A timer for each token would cost more than to read it.
        if now >= self._next_timer and not self._is_done:
            silence = self._client.silence
            patience = min(now + silence, self._end)
            self._patience.reschedule(patience if self._begin is None else min(patience, self._begin))
            self._next_timer = now + silence * _TIMER_STEP


def _encoded(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _check(status: int) -> None:
    if status >= httpx2.codes.BAD_REQUEST:
        reason = _REASONS.get(status, f"it answered with status {status}")
        raise ProviderFailed(
            f"The model's server refused the request: {reason}.", details={"provider_status": status}
        )


def _too_long() -> ProviderFailed:
    return ProviderFailed("The model's answer is too long to be kept.", details={"provider_status": 200})


def _understood(read: Callable[[*Arguments], Said], *arguments: *Arguments) -> Said:
    """What `read` makes of what the server sent."""
    try:
        return read(*arguments)
    except BrokenOff as error:
        raise ProviderFailed("The model's server broke its answer off with an error.") from error
    except NothingSaid as error:
        raise CutShort from error
    except TooLong as error:
        raise _too_long() from error
    except BROKEN as error:
        raise ProviderFailed("The model's server gave an answer that makes no sense.") from error
