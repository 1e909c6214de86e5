"""MCP servers of somebody else, made with the SDK, and what they saw of those who called."""

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import httpx2
import jwt
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.model_server import serve
from tests.servers import Person

__all__ = ["ERAS", "READS", "Era", "Foreign", "library", "register", "serving", "sharing", "tool_names"]

Era: TypeAlias = Literal["2026-07-28", "legacy"]
ERAS: tuple[Era, ...] = ("2026-07-28", "legacy")
READS = ToolAnnotations(read_only_hint=True)


class Foreign:
    """In front of an MCP server: keeps the headers of each request; answers with `instead` while that is set.

    In the legacy era it knows nothing of `server/discover`, and keeps sessions; `left`: one was ended.
    """

    def __init__(self, make: Callable[[], MCPServer[Any]], era: Era = "2026-07-28") -> None:
        self.seen: list[dict[str, str]] = []
        self.instead: ASGIApp | None = None
        self.url = ""
        self.left = threading.Event()
        self._forgotten: set[str] = set()
        self._era = era
        self.app = make().streamable_http_app(stateless_http=era != "legacy")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.seen.append(headers | {":method": scope["method"]})
        if scope["method"] == "DELETE":
            self.left.set()
        if self.instead is not None:
            await self.instead(scope, receive, send)
        elif self._era == "legacy" and headers.get("mcp-method") == "server/discover":
            await Response("no such method", 400)(scope, receive, send)
        elif headers.get("mcp-session-id") in self._forgotten:
            await Response("no such session", 404)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def forget_sessions(self) -> None:
        """Know no session any more that began before now."""
        self._forgotten |= {headers["mcp-session-id"] for headers in self.seen if "mcp-session-id" in headers}

    def of(self, method: str) -> list[dict[str, str]]:
        """The headers of the requests for an MCP method, which only the modern era names in one."""
        return [headers for headers in self.seen if headers.get("mcp-method") == method]

    def tokens(self) -> list[str]:
        """The bearer tokens that came."""
        sent = [headers.get("authorization", "") for headers in self.seen]
        return [each.removeprefix("Bearer ") for each in sent if each.startswith("Bearer ")]

    def who(self, api: str, audience: str) -> set[str]:
        """The subjects of those tokens, checked with the public keys of `api`."""
        keys = jwt.PyJWKSet(httpx2.get(f"{api}/.well-known/jwks.json", trust_env=False).json()["keys"])
        return {
            jwt.decode(
                token,
                keys[jwt.get_unverified_header(token)["kid"]].key,
                algorithms=["EdDSA"],
                audience=audience,
                issuer="turnlog",
            )["sub"]
            for token in self.tokens()
        }


def library() -> MCPServer[Any]:
    """Lends books, and remembers for each session who has which."""
    server: MCPServer[Any] = MCPServer("library", version="7")

    @server.tool(annotations=READS)
    async def search(title: str) -> dict[str, str]:
        """Find a book."""
        return {"title": title, "shelf": "B4"}

    @server.tool()
    async def lend(title: str) -> str:
        """Lend a book."""
        return f"{title} is yours."

    @server.tool()
    async def refuse(why: str) -> str:
        """Always fails."""
        raise ToolError(why)

    @server.tool()
    async def ask(context: Context[Any, Any]) -> str:
        """Asks the model of whoever calls."""
        asked = await context.session.list_roots()  # pyright: ignore[reportDeprecated]
        return json.dumps(asked.model_dump(mode="json"))

    return server


@contextmanager
def serving(make: Callable[[], MCPServer[Any]] = library, era: Era = "2026-07-28") -> Generator[Foreign]:
    foreign = Foreign(make, era)
    with serve(foreign) as url:
        foreign.url = f"{url}/mcp"
        yield foreign


def register(person: Person, url: str, name: str = "library", **settings: Any) -> str:
    """Register a server as `person`; return its id."""
    response = person.http.post("/api/v1/mcp-servers", json={"name": name, "url": url} | settings)
    assert response.status_code == 201, response.text
    return response.json()["id"]


@contextmanager
def sharing(admin: Person, url: str, name: str, **settings: Any) -> Generator[str]:
    """A server of everybody's, for as long as the test lasts: the database is that of other tests, too."""
    server_id = register(admin, url, name, shared=True, **settings)
    try:
        yield server_id
    finally:
        assert admin.http.delete(f"/api/v1/mcp-servers/{server_id}").status_code == 200


def tool_names(chat: dict[str, Any]) -> list[str]:
    """The tools that a model was offered."""
    return [tool["function"]["name"] for tool in chat.get("tools", [])]
