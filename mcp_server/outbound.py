"""Reading the web for a user, without reaching into the network that this server stands in.

Every address that a host name has is checked before a connection is made, and the connection goes to the
address that was checked: a name that changes its mind cannot help (DNS rebinding). Each redirect starts
over. Nothing of the caller is sent: no token, no cookie, no proxy of the environment. Any port will do,
and https may lead to http: the address decides, and there is no secret to lose.
"""

import re
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import anyio
import httpx2

from kit.network import NotThere, Resolve, host_of, is_public, look_up, open_transport, port_of, reach

__all__ = [
    "Answered",
    "BadAddress",
    "Fetched",
    "NotPublic",
    "NotText",
    "Outbound",
    "OutboundError",
    "TooManyRedirects",
    "TookTooLong",
    "Unreachable",
    "is_public",
    "open_transport",
]

MOST_BYTES: Final = 2_000_000
_MOST_REDIRECTS: Final = 5
_HEADERS: Final = {
    "User-Agent": "Mozilla/5.0 (compatible; turnlog)",
    "Accept": "text/html, application/xhtml+xml, text/*;q=0.9, application/json;q=0.8, */*;q=0.1",
    "Accept-Encoding": "gzip, deflate",
}
_DECODED: Final = frozenset({"", "identity", "gzip", "deflate"})
_READABLE: Final = re.compile(r"text/.+|application/(json|xml|.+\+json|.+\+xml)")
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,80}")


class OutboundError(Exception):
    """Why there is nothing to read, in plain words that name no address."""


class BadAddress(OutboundError):
    pass


class NotPublic(OutboundError):
    pass


class Unreachable(OutboundError):
    pass


class TookTooLong(OutboundError):
    pass


class TooManyRedirects(OutboundError):
    pass


class NotText(OutboundError):
    pass


class Answered(OutboundError):
    def __init__(self, status: int) -> None:
        super().__init__(f"That website answered with error {status}: check the address or use another one.")
        self.status = status


@dataclass(frozen=True, slots=True)
class Fetched:
    """`url` is where the redirects ended; `complete` is false where `body` is the first MOST_BYTES only."""

    url: str
    media_type: str
    charset: str | None
    body: bytes
    complete: bool


@dataclass(frozen=True, slots=True)
class Outbound:
    """A guarded GET. `allowed_hosts` (`host` or `host:port`, lower case) may be anywhere; the rest is public.

    `seconds` is for the whole of it: lookups, redirects and body.
    """

    allowed_hosts: frozenset[str] = frozenset()
    seconds: float = 10.0
    resolve: Resolve = look_up
    transport: Callable[[], httpx2.AsyncBaseTransport] = open_transport

    async def get(self, address: str) -> Fetched:
        """Read text from `address`. Raises OutboundError."""
        try:
            with anyio.fail_after(self.seconds):
                async with self.transport() as transport:
                    return await self._follow(transport, _parse(httpx2.URL, address))
        except TimeoutError as error:
            raise TookTooLong("That website took too long to answer; try another one.") from error
        except (httpx2.RequestError, OSError) as error:
            raise Unreachable("That website did not answer properly; try another one.") from error

    async def _follow(self, transport: httpx2.AsyncBaseTransport, url: httpx2.URL) -> Fetched:
        for _ in range(_MOST_REDIRECTS + 1):
            response = await self._send(transport, url)
            try:
                if not response.has_redirect_location:
                    return await _read(response, url)
            finally:
                await response.aclose()
            url = _parse(url.join, response.headers["location"])
        raise TooManyRedirects("That address leads from one to the next without end; use another one.")

    async def _send(self, transport: httpx2.AsyncBaseTransport, url: httpx2.URL) -> httpx2.Response:
        try:
            return await reach(
                transport,
                httpx2.Request("GET", url, headers=_HEADERS),
                self.resolve,
                lambda found: self._allows(url) or all(is_public(address) for address in found),
            )
        except NotThere as error:
            # One sentence for a name that is unknown and for one that is private: no telling which exist.
            raise NotPublic(
                "There is no public website at that address; check it or use another one."
            ) from error
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise Unreachable("That website cannot be reached; try another one.") from error

    def _allows(self, url: httpx2.URL) -> bool:
        host = f"[{host_of(url)}]" if ":" in host_of(url) else host_of(url)
        return not self.allowed_hosts.isdisjoint((host, f"{host}:{port_of(url)}"))


def _parse(read: Callable[[str], httpx2.URL], address: str) -> httpx2.URL:
    """The one reading of an address that both the check and the connection go by. Raises BadAddress."""
    refusal = BadAddress("Only a full web address that starts with http:// or https:// can be read.")
    try:
        url = read(address)
    except (httpx2.InvalidURL, ValueError) as error:
        raise refusal from error
    if url.scheme not in {"http", "https"} or not host_of(url):
        raise refusal
    if url.userinfo:
        raise BadAddress("Only a web address without a user name and password can be read.")
    if url.port is not None and not 0 < url.port <= 65535:  # noqa: PLR2004
        raise refusal
    return url


async def _read(response: httpx2.Response, url: httpx2.URL) -> Fetched:
    if not response.is_success:
        raise Answered(response.status_code)
    media_type = _media_type(response)
    # One encoding only: a few layers of them turn 64 KB into hours of work between two awaits.
    if response.headers.get("content-encoding", "identity").strip().lower() not in _DECODED:
        raise NotText("That page is compressed in a way that cannot be read; use another one.")
    body = bytearray()
    async with aclosing(response.aiter_bytes()) as parts:
        async for part in parts:
            body += part
            if len(body) > MOST_BYTES:
                break
    complete = len(body) <= MOST_BYTES
    return Fetched(str(url), media_type, response.charset_encoding, bytes(body[:MOST_BYTES]), complete)


def _media_type(response: httpx2.Response) -> str:
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if _READABLE.fullmatch(media_type):
        return media_type
    kind = media_type if _MEDIA_TYPE.fullmatch(media_type) else "an unknown kind"
    raise NotText(f"That address holds {kind}, and only web pages and texts can be read; use another one.")
