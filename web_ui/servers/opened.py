"""The MCP server that is open in this tab, and what its form shows."""

from collections.abc import Mapping
from typing import Any, Final

from web_ui.api import Api, ApiError
from web_ui.drafts import Draft, open_draft

__all__ = ["KIND", "SERVERS", "follow", "open_server", "path_of", "sent_of"]

SERVERS: Final = "/api/v1/mcp-servers"
KIND: Final = "server"
_FRESH: Final[dict[str, Any]] = {
    "name": "",
    "url": "",
    "auth": "none",
    "header": None,
    "audience": None,
    "shared": False,
    "trusted": False,
    "timeout_seconds": 30,
}
_WITH_SECRET: Final = frozenset({"bearer", "header"})


def open_server(server: Mapping[str, Any] | None = None) -> None:
    """Show one server, or the form of a new one."""
    open_draft(KIND, server, _shown(server or _FRESH))


def _shown(server: Mapping[str, Any]) -> dict[str, Any]:
    """What the fields show of it. Its secret never comes out."""
    shown = {name: server[name] for name in _FRESH}
    return shown | {"header": server["header"] or "", "audience": server["audience"] or "", "secret": ""}


def path_of(server: Mapping[str, Any]) -> str:
    return f"{SERVERS}/{server['id']}"


def sent_of(draft: Draft, *, by_admin: bool) -> dict[str, Any]:
    """What is sent of a new server, or of a change to one: only what goes together, and what was changed."""
    typed = draft.typed
    wanted = {"url": typed["url"].strip(), "auth": typed["auth"], "trusted": typed["trusted"]}
    wanted["timeout_seconds"] = typed["timeout_seconds"]
    if draft.is_new:
        wanted["name"] = typed["name"].strip()
    if by_admin:
        wanted["shared"] = typed["shared"]
    if typed["auth"] == "header":
        wanted["header"] = typed["header"].strip() or None
    if typed["auth"] == "user" and by_admin:
        wanted["audience"] = typed["audience"].strip() or None
    if draft.is_new:
        wanted = {name: value for name, value in wanted.items() if value is not None}
    else:
        wanted = {name: value for name, value in wanted.items() if value != draft.base[name]}
    if typed["auth"] in _WITH_SECRET and typed["secret"]:
        wanted["secret"] = typed["secret"]
    return wanted


def follow(api: Api, draft: Draft) -> None:
    """Somebody else has changed it meanwhile: take that over where nothing was changed here, and say so."""
    try:
        server: dict[str, Any] = api.get(path_of(draft.base))
    except ApiError as error:
        draft.trouble = str(error)
        return
    draft.follow(server, _shown(server))
    draft.trouble = "Somebody else has changed the server meanwhile."
    if draft.changed:
        draft.trouble += " What you typed is still here: save again to add it to theirs."
