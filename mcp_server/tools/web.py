"""The web: searching it, and reading pages of it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Annotated, Any, Final, TypeAlias

import anyio
import httpx2
from ddgs.exceptions import DDGSException
from pydantic import BaseModel, Field, ValidationError

from mcp_server.context import SearchConfig, ToolContext, ToolError, deps
from mcp_server.outbound import Answered, Outbound, OutboundError
from mcp_server.progress import tell
from mcp_server.readable import Unreadable, printable, readable
from mcp_server.tooling import tool

__all__ = ["TOOLS"]

_PAGE_CHARACTERS: Final = 10_000
_TITLE_CHARACTERS: Final = 200
_SNIPPET_CHARACTERS: Final = 500
_ENGINE_SECONDS: Final = 5
_SEARCH_SECONDS: Final = 12.0
_TOO_MANY_REQUESTS: Final = 429

_DOWN: Final = "Web search is not answering right now: try again later, or answer from what you know."
_LIMITED: Final = "Web search is limited at the moment: wait a minute, or answer from what you know."
_NOTHING: Final = "The search found nothing: use other words, or try again later."
_OFF: Final = (
    "Web search is switched off on this server: answer from what you know, "
    "or read a page that you know the address of with fetch_page."
)


class SearchResult(BaseModel):
    title: str
    url: str
    snippet: str


class SearchResults(BaseModel):
    results: list[SearchResult]


class Page(BaseModel):
    url: str = Field(description="The address that was read in the end")
    title: str | None = None
    text: str
    next_start: int | None = Field(default=None, description="Send it as start to read on; none at the end")
    cut: bool = Field(default=False, description="True where the page is so long that its end is missing")


class _SearxResult(BaseModel):
    title: str | None = None
    url: str | None = None
    content: str | None = None


class _SearxAnswer(BaseModel):
    results: list[_SearxResult]
    unresponsive_engines: list[Any] = []


async def web_search(
    ctx: ToolContext,
    query: Annotated[str, Field(min_length=1, max_length=400, description="What to look for")],
    limit: Annotated[int, Field(ge=1, le=10, description="How many results at most")] = 5,
) -> SearchResults:
    """Search the web, for news, articles, facts and anything online.

    To read one of the pages found, use fetch_page.
    """
    words = " ".join(printable(query).split())
    if not words:
        raise ToolError("Say what to look for, in a few words.")
    config = deps(ctx).search
    found = await _BACKENDS[config.backend](config, words, limit)
    if not found:
        raise ToolError(_NOTHING)
    return SearchResults(results=found[:limit])


async def fetch_page(
    ctx: ToolContext,
    url: Annotated[str, Field(min_length=1, max_length=2000, description="Address of the page")],
    start: Annotated[int, Field(ge=0, description="Where in the text to start, in characters")] = 0,
) -> Page:
    """Open a web page by its address and read its text, also to summarise it."""
    try:
        fetched = await Outbound(deps(ctx).search.fetch_allow_hosts).get(url.strip())
        await tell(ctx, 1, 2, "The page is here; reading it")
        page = await readable(fetched)
    except (OutboundError, Unreadable) as error:
        raise ToolError(str(error)) from error
    if start and start >= len(page.text):
        raise ToolError(f"That page has only {len(page.text)} characters: use a smaller start.")
    end = start + _PAGE_CHARACTERS
    return Page(
        url=fetched.url,
        title=page.title[:_TITLE_CHARACTERS] if page.title else None,
        text=page.text[start:end],
        next_start=end if end < len(page.text) else None,
        cut=not fetched.complete,
    )


async def _search_off(_config: SearchConfig, _query: str, _limit: int) -> list[SearchResult]:
    raise ToolError(_OFF)


async def _search_ddgs(_config: SearchConfig, query: str, limit: int) -> list[SearchResult]:
    loop = asyncio.get_running_loop()
    try:
        with anyio.fail_after(_SEARCH_SECONDS):
            found = await loop.run_in_executor(_searches(), _ask_ddgs, query, limit)
    except (TimeoutError, DDGSException) as error:
        # The library has one error for no answer and for no results.
        nothing = "No results found" in str(error)
        raise ToolError(_NOTHING if nothing else _DOWN) from error
    return _results((each.get("title"), each.get("href"), each.get("body")) for each in found)


@cache
def _searches() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(4, thread_name_prefix="search")


def _ask_ddgs(query: str, limit: int) -> list[dict[str, Any]]:
    from ddgs.ddgs import DDGS  # noqa: PLC0415  # takes 80 ms, and few servers use it

    return DDGS(timeout=_ENGINE_SECONDS).text(query, max_results=limit)


async def _search_searxng(config: SearchConfig, query: str, _limit: int) -> list[SearchResult]:
    """Ask the operator's SearXNG, which may be anywhere; its redirects may not lead just anywhere."""
    if config.searxng_url is None:
        raise ToolError(_OFF)
    base = httpx2.URL(config.searxng_url)
    address = base.copy_with(path=f"{base.path.rstrip('/')}/search", params={"q": query, "format": "json"})
    outbound = Outbound(frozenset({base.netloc.decode("ascii")}), _SEARCH_SECONDS)
    try:
        fetched = await outbound.get(str(address))
        answer = _SearxAnswer.model_validate_json(fetched.body)
    except (OutboundError, ValidationError) as error:
        limited = isinstance(error, Answered) and error.status == _TOO_MANY_REQUESTS
        raise ToolError(_LIMITED if limited else _DOWN) from error
    if answer.unresponsive_engines and not answer.results:
        raise ToolError(_DOWN)
    return _results((each.title, each.url, each.content) for each in answer.results)


def _results(found: Iterable[tuple[str | None, str | None, str | None]]) -> list[SearchResult]:
    """Title, address and snippet each in; out those that have an address of the web."""
    return [
        SearchResult(
            title=_line(title, _TITLE_CHARACTERS), url=url, snippet=_line(snippet, _SNIPPET_CHARACTERS)
        )
        for title, url, snippet in found
        if url and url.isprintable() and url.startswith(("http://", "https://"))
    ]


def _line(text: str | None, most: int) -> str:
    return " ".join(printable(text or "").split())[:most]


_Backend: TypeAlias = Callable[[SearchConfig, str, int], Awaitable[list[SearchResult]]]
_BACKENDS: Final[dict[str, _Backend]] = {
    "ddgs": _search_ddgs,
    "searxng": _search_searxng,
    "off": _search_off,
}

TOOLS: Final = (
    tool(web_search, title="Search the web", read_only=True, open_world=True),
    tool(fetch_page, title="Read a web page", read_only=True, open_world=True),
)
