"""The settings page that says how other programs reach the tools and the chat."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from web_ui import snippets
from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.logins import Login
from web_ui.markdown import safe
from web_ui.place import remembered
from web_ui.serving import serving

__all__ = ["mcp_address", "show_connect"]

_ABOUT: Final = "/.well-known/oauth-protected-resource/mcp"
_DAYS: Final = 365
_TOOLS: Final = ("tools:read", "tools:write")
_READING: Final = ("tools:read",)
_CHAT: Final = ("read", "write")
_BUILT_IN: Final = "turnlog"
_FILES: Final = {
    "claude-desktop": "`claude_desktop_config.json` (in Claude Desktop: Settings, Developer, Edit Config)",
    "vscode": "`.vscode/mcp.json` of a workspace, or what *MCP: Open User Configuration* opens",
    "cursor": "`~/.cursor/mcp.json`",
}


def show_connect(api: Api, login: Login) -> None:
    """Raises NotSignedIn."""
    user = str(login.user["user_id"])
    address = mcp_address(api)
    st.title("Connect", anchor=False)
    st.write(
        "Other programs can use the tools too, by the Model Context Protocol (MCP). What they add you see "
        "here, and the other way round. The address:"
    )
    st.code(address, language=None)
    key = _show_key(api)
    titles = [*snippets.CLIENTS.values(), "Other MCP clients", "Programs of yours"]
    places = dict(zip([*snippets.CLIENTS, "others", "programs"], st.tabs(titles), strict=True))
    for client in snippets.CLIENTS:
        with places[client]:
            _show_starting(client, user, str(login.user["issuer"]))
            _show_address(client, address, key)
    with places["others"]:
        st.write("Most clients that speak HTTP take this, or the address and the header by themselves:")
        st.code(snippets.with_address(address, key), language="json")
    with places["programs"]:
        _show_chat(api, address.removesuffix("/mcp"), user)


def mcp_address(api: Api) -> str:
    """Where the server says that its tools are, to those elsewhere."""
    otherwise = f"{str(serving().http.base_url).rstrip('/')}/mcp"
    return remembered("mcp-address", lambda: str(api.get(_ABOUT)["resource"]), otherwise, anew=False)


def _show_key(api: Api) -> str:
    """A key for the tools, or what stands in its place as long as there is none."""
    st.write("It needs a key. A client on the machine of Turnlog can start the tools itself, without one.")
    reading = st.toggle(
        "It may only read", help="Then it can look at todos and files, and change none of them"
    )
    return _key(api, "for MCP clients", _READING if reading else _TOOLS)


def _key(api: Api, purpose: str, scopes: Sequence[str]) -> str:
    made: dict[str, str] = st.session_state.setdefault("made_keys", {})
    if st.button(f"Make a key {purpose}", key=f"make {purpose}", icon=":material/key:"):
        body = {"name": f"Made {purpose}", "scopes": list(scopes), "expires_in_days": _DAYS}
        try:
            made[purpose] = api.post("/api/v1/api-keys", body)["key"]
        except NotSignedIn:
            raise
        except ApiError as error:
            st.error(safe(str(error)))
    if purpose not in made:
        return snippets.NO_KEY
    st.code(made[purpose], language=None)
    # A constant of ours; Streamlit's own links open another tab.
    st.html(
        "<small>It stands below, too. Nobody can see it again after this visit. It is good for a year, "
        'or until you revoke it: <a href="/keys" style="color: inherit">API keys</a>.</small>'
    )
    return made[purpose]


def _show_starting(client: str, user: str, issuer: str) -> None:
    name = snippets.CLIENTS[client]
    st.subheader("On the machine of Turnlog", anchor=False)
    if issuer != _BUILT_IN:
        st.write(
            "Started there, the tools would not be yours: your account is another issuer's. Use the address."
        )
        return
    st.write(f"This lets {name} start the tools itself. It shows what it will write, and asks first:")
    st.code(snippets.install(client, user), language="bash")
    st.write(
        "Where the settings of the server have a `DATABASE_URL`, add `--database-url` with the same. "
        f"Then {'begin a new session of' if client == 'claude-code' else 'restart'} {name}."
    )
    if client == "claude-desktop":
        with st.expander("What it writes"):
            st.write(f"Into {_FILES[client]}, with the path that the program has there:")
            st.code(snippets.started(user), language="json")


def _show_address(client: str, address: str, key: str) -> None:
    st.subheader("By the address, from anywhere", anchor=False)
    if client == "claude-code":
        st.code(snippets.claude_code(address, key), language="bash")
        return
    st.write(f"Add this to {_FILES[client]}:")
    if client == "claude-desktop":
        st.code(snippets.claude_desktop(address, key), language="json")
        st.caption(
            "Claude Desktop takes no address with a key there. `mcp-remote` stands between; it needs Node.js."
        )
        return
    section = "servers" if client == "vscode" else "mcpServers"
    st.code(snippets.with_address(address, key, section), language="json")


def _show_chat(api: Api, base: str, user: str) -> None:
    st.write(
        "Scripts and frontends talk to the assistant over HTTP. A turn is one request; its answer has the "
        "`conversation_id` to go on with."
    )
    key = _key(api, "for programs", _CHAT)
    st.code(snippets.chat(base, user, key, "What is on my list today?"), language="bash")
    st.write("With `-N` and `-H 'Accept: text/event-stream'` the answer comes piece by piece.")
    st.caption(f"All that there is: {base}/docs. It is an interface of its own, and not that of OpenAI.")
