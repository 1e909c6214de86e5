"""Searching the web and reading pages, through the official client and against a website on loopback."""

import json
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, ClassVar

import pytest
from ddgs.base import BaseSearchEngine
from ddgs.engines import ENGINES
from ddgs.results import TextResult
from mcp import Client

from kit.postgres import Db
from mcp_server.context import SearchConfig
from mcp_server.settings import McpSettings
from mcp_server.setup import deps_from
from tests.clients import Call, Connect, text_of
from tests.web_server import ARTICLE, WebServer, listening_canary, serve_web


@pytest.fixture(scope="module")
def web() -> Generator[WebServer]:
    with serve_web() as web:
        yield web


@pytest.fixture
async def client(connect: Connect, web: WebServer) -> AsyncGenerator[Client]:
    """Alice's client, for whom this test's website is one that the operator allows."""
    async with connect(search=SearchConfig("off", None, frozenset({web.host}))) as client:
        yield client


@pytest.fixture
def searched(connect: Connect) -> Callable[..., Any]:
    """Search with a backend; return the results, or what the refusal says."""

    async def searched(search: SearchConfig, query: str = "tides", **arguments: Any) -> Any:
        async with connect(search=search) as client:
            result = await client.call_tool("web_search", {"query": query, **arguments})
        found: Any = result.structured_content
        return text_of(result) if result.is_error else found["results"]

    return searched


def html(body: str) -> str:
    return f"<html><head><title>T</title></head><body>{body}</body></html>"


async def test_a_page_is_read_without_what_surrounds_its_text(call: Call, web: WebServer) -> None:
    page = await call("fetch_page", url=f" {web.url}/article ")
    assert (page["url"], page["title"]) == (f"{web.url}/article", "On tides")
    assert "the moon pulls at the sea" in page["text"]
    assert "alert" not in page["text"]
    assert (page["next_start"], page["cut"]) == (None, False)


async def test_the_address_read_in_the_end_is_told(call: Call, web: WebServer) -> None:
    web.show("/old", "", location="/older")
    web.show("/older", "", location=f"{web.url}/article")
    assert (await call("fetch_page", url=f"{web.url}/old"))["url"] == f"{web.url}/article"


async def test_a_long_text_is_read_in_parts(call: Call, refused: Any, web: WebServer) -> None:
    text = " ".join(str(number) for number in range(6000))
    url = web.show("/long", text, "text/plain")
    parts: list[str] = []
    start: int | None = 0
    while start is not None:
        page = await call("fetch_page", url=url, start=start)
        parts.append(page["text"])
        start = page["next_start"]
    assert (len(parts), "".join(parts)) == (3, text)
    assert "smaller start" in await refused("fetch_page", url=url, start=len(text))


async def test_json_is_read_as_it_is(call: Call, web: WebServer) -> None:
    url = web.show("/data", '{"a": [1, 2]}', "application/json")
    assert (await call("fetch_page", url=url))["text"] == '{"a": [1, 2]}'


async def test_an_endless_page_is_cut_and_says_so(call: Call, web: WebServer) -> None:
    assert (await call("fetch_page", url=f"{web.url}/endless"))["cut"]


async def test_invisible_characters_are_left_out(call: Call, web: WebServer) -> None:
    hidden = "one\x00\x1b[31m \u202etwo\u200b\U000e0041\u00a0three\r\nfour\tfive"
    url = web.show("/hidden", hidden, "text/plain")
    assert (await call("fetch_page", url=url))["text"] == "one[31m two three\nfour\tfive"


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (html("<p>Größe</p>").encode(), "text/html"),
        (html("<p>Größe</p>").encode("cp1252"), "text/html"),
        (html("<p>Größe</p>").encode("utf-16"), "text/html"),
        (html("<p>Größe</p>").encode("cp1252"), "text/html; charset=ISO-8859-1"),
        (html('<meta charset="iso-8859-15"><p>Größe</p>').encode("iso-8859-15"), "text/html"),
        ("Größe".encode("koi8_r", "ignore") + "Größe".encode(), "text/plain; charset=no-such"),
        (html("<p>Größe</p>").encode(), "text/html; charset=punycode"),
        ("<p>Größe".encode(), "text/html"),
    ],
)
async def test_an_encoding_is_found_out(call: Call, web: WebServer, body: bytes, media_type: str) -> None:
    url = web.show("/encoded", body, None, content_type=media_type)
    assert "Größe" in (await call("fetch_page", url=url))["text"]


@pytest.mark.parametrize(
    ("content", "media_type", "words"),
    [
        (b"%PDF-1.7", "application/pdf", "application/pdf"),
        (b"\x89PNG", "image/png", "image/png"),
        (b"x", "SECRET injected words", "an unknown kind"),
        (b"", "text/html", "no text"),
        (html("<script>app()</script>"), "text/html", "no text"),
        (b"", "text/plain", "no text"),
    ],
)
async def test_what_holds_no_text_says_what_it_is(
    refused: Any, web: WebServer, content: bytes, media_type: str, words: str
) -> None:
    said = await refused("fetch_page", url=web.show("/other", content, None, content_type=media_type))
    assert words in said
    assert "SECRET" not in said


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("example.org", "starts with http:// or https://"),
        ("file:///etc/passwd", "starts with http:// or https://"),
        ("https://me:SECRET@example.org/", "without a user name"),
        ("http://169.254.169.254/latest/meta-data/", "no public website"),
        ("http://[::ffff:10.0.0.1]/", "no public website"),
        ("http://localhost/", "no public website"),
    ],
)
async def test_an_address_that_may_not_be_read_is_answered_plainly(
    refused: Any, address: str, words: str
) -> None:
    said = await refused("fetch_page", url=address)
    assert words in said
    assert "SECRET" not in said


async def test_the_tool_is_behind_the_guard(refused: Any, web: WebServer) -> None:
    with listening_canary() as canary:
        for host in ("127.0.0.1", "2130706433", "localhost", "[::ffff:127.0.0.1]"):
            assert "no public website" in await refused("fetch_page", url=f"http://{host}:{canary.port}/")
        web.show("/inwards", "", location=f"http://127.0.0.1:{canary.port}/")
        assert "no public website" in await refused("fetch_page", url=f"{web.url}/inwards")
    assert canary.heard == 0


async def test_an_error_page_is_told_by_its_number(refused: Any, web: WebServer) -> None:
    assert "error 404" in await refused("fetch_page", url=f"{web.url}/no-such-page")


def result(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "title": f"Tide {number}",
        "url": f"https://{number}.test/",
        "content": "High\u200b\n water",
    } | fields


async def test_searxng_results_are_passed_on(searched: Any, web: WebServer) -> None:
    odd = [result(0, url=None), result(0, url="javascript:alert(1)"), {"answer": 42}]
    web.show("/sx/search", json.dumps({"results": [*odd, *map(result, range(1, 9))]}), "application/json")
    found = await searched(SearchConfig("searxng", f"{web.url}/sx/"), "high & low", limit=3)
    assert dict(web.requests[-1].query_params) == {"q": "high & low", "format": "json"}
    assert [each["url"] for each in found] == ["https://1.test/", "https://2.test/", "https://3.test/"]
    assert (found[0]["title"], found[0]["snippet"]) == ("Tide 1", "High water")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/html", "not answering"),
        ("/nonsense", "not answering"),
        ("/engines-down", "not answering"),
        ("/absent", "not answering"),
        ("/inwards", "not answering"),
        ("/busy", "limited"),
        ("/nothing", "other words"),
    ],
)
async def test_a_searxng_that_fails_is_told_plainly(
    searched: Any, web: WebServer, path: str, words: str
) -> None:
    down = {"results": [], "unresponsive_engines": [["a", "timeout"]]}
    web.show("/html/search", ARTICLE)
    web.show("/nonsense/search", '{"results": "SECRET"}', "application/json")
    web.show("/engines-down/search", json.dumps(down), "application/json")
    web.show("/inwards/search", "", location="http://127.0.0.1:1/")
    web.show("/busy/search", "", status=429)
    web.show("/nothing/search", '{"results": []}', "application/json")
    said = await searched(SearchConfig("searxng", web.url + path))
    assert words in said
    assert "SECRET" not in said
    assert web.host not in said


async def test_a_searxng_that_is_down_is_told_plainly(searched: Any) -> None:
    assert "not answering" in await searched(SearchConfig("searxng", "http://127.0.0.1:1/"))


async def test_a_searxng_that_stalls_is_told_plainly(
    searched: Any, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.pages["/slow/search"] = web.pages["/stalled"]
    monkeypatch.setattr("mcp_server.tools.web._SEARCH_SECONDS", 0.2)
    assert "not answering" in await searched(SearchConfig("searxng", f"{web.url}/slow"))


async def test_a_search_that_is_switched_off_says_what_to_do_instead(searched: Any) -> None:
    assert "fetch_page" in await searched(SearchConfig("off"))


async def test_a_search_for_nothing_visible_is_refused(searched: Any) -> None:
    assert "what to look for" in await searched(SearchConfig("off"), "\u200b \x00")


class Almanac(BaseSearchEngine[TextResult]):
    """A search engine for ddgs that lives on loopback."""

    name = "almanac"
    category = "text"
    provider = "almanac"
    search_method = "GET"
    items_xpath = "//li"
    elements_xpath: ClassVar = {"title": ".//a//text()", "href": ".//a/@href", "body": ".//p//text()"}

    def build_payload(self, query: str, *_: Any, **__: Any) -> dict[str, Any]:
        return {"q": query}


@pytest.fixture
def almanac(monkeypatch: pytest.MonkeyPatch, web: WebServer) -> str:
    """Make it the only one that ddgs knows."""
    monkeypatch.setitem(ENGINES, "text", {"almanac": Almanac})
    monkeypatch.setattr(Almanac, "search_url", f"{web.url}/almanac", raising=False)
    return "/almanac"


async def test_ddgs_results_are_passed_on(searched: Any, web: WebServer, almanac: str) -> None:
    entry = "<li><a href='https://{0}.test/'>Tides {0}</a><p>High <b>water</b></p></li>"
    web.show(almanac, html("<ul>" + "".join(entry.format(number) for number in range(9)) + "</ul>"))
    found = await searched(SearchConfig("ddgs"), limit=2)
    assert web.requests[-1].query_params["q"] == "tides"
    assert found == [
        {"title": f"Tides {number}", "url": f"https://{number}.test/", "snippet": "High water"}
        for number in (0, 1)
    ]


async def test_a_ddgs_that_finds_nothing_says_so(searched: Any, web: WebServer, almanac: str) -> None:
    web.show(almanac, html("<p>no results</p>"))
    assert "found nothing" in await searched(SearchConfig("ddgs"))


async def test_a_ddgs_that_is_down_is_told_plainly(
    searched: Any, almanac: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Almanac, "search_url", "http://127.0.0.1:1/SECRET")
    said = await searched(SearchConfig("ddgs"))
    assert "not answering" in said
    assert "SECRET" not in said


async def test_the_tools_are_announced_as_reading_an_open_world(client: Client) -> None:
    tools = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
    for name in ("web_search", "fetch_page"):
        hints = tools[name]
        assert hints is not None
        assert (hints.read_only_hint, hints.open_world_hint, hints.destructive_hint) == (True, True, False)


async def test_the_operators_allow_list_reaches_the_tools(db: Db) -> None:
    settings = McpSettings(fetch_allow_hosts="Wiki.internal, 10.0.0.5:8080,")  # pyright: ignore[reportCallIssue]
    assert deps_from(settings, db, local=True).search.fetch_allow_hosts == {"wiki.internal", "10.0.0.5:8080"}
