"""Settings: API keys, with which programs of one's own use the API and the tools."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import streamlit as st

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.connecting import mcp_address
from web_ui.history import said_at
from web_ui.logins import Login
from web_ui.markdown import inline, safe
from web_ui.place import attempt

__all__ = ["show_keys"]

_KEYS: Final = "/api/v1/api-keys"
_LONGEST_NAME: Final = 255
_MOST_DAYS: Final = 3650
_USUAL_DAYS: Final = 90
_USUAL: Final = ("read", "write")
_SCOPES: Final[Mapping[str, str]] = {
    "read": "Read what I have here",
    "write": "Chat, and change what I have here",
    "tools:read": "Use the tools that change nothing, as an MCP client",
    "tools:write": "Use all tools, as an MCP client",
}
_OF_ADMINS: Final[Mapping[str, str]] = {"admin": "Do what only admins may"}


def show_keys(api: Api, login: Login) -> None:
    """Raises NotSignedIn."""
    st.title("API keys", anchor=False)
    st.caption("With a key, a program speaks for you. Give each its own, with no more rights than it needs.")
    try:
        keys: list[dict[str, Any]] = api.get(_KEYS)["api_keys"]
    except NotSignedIn:
        raise
    except ApiError as error:
        st.error(safe(str(error)))
        st.button("Try again", key="once-more", icon=":material/refresh:")
        return
    if st.button("New key", key="new-key", type="primary", icon=":material/add:"):
        st.session_state.pop("made_key", None)
        _make(api, login)
    if not keys:
        st.info("You have no keys. Make one for a script, or for an MCP client that runs elsewhere.")
    for key in keys:
        _show(api, key)


def _show(api: Api, key: Mapping[str, Any]) -> None:
    with st.container(border=True):
        st.markdown(f"**{inline(key['name'])}**")
        st.markdown(f"`{key['prefix']}…` · {inline(', '.join(key['scopes']))}")
        ends = f"good until {said_at(key['expires_at'])}" if key["expires_at"] else "does not expire"
        used = f"last used {said_at(key['last_used_at'])}" if key["last_used_at"] else "never used"
        st.caption(f"Made {said_at(key['created_at'])}, {ends}, {used}")
        with st.popover("Revoke", icon=":material/key_off:", key=f"revoking-{key['key_id']}"):
            st.markdown(f"Programs that use {inline(key['name'])} are let in no more, at once.")
            st.button(
                "Revoke it",
                key=f"revoke-{key['key_id']}",
                on_click=_revoke,
                args=(api, key["key_id"]),
            )


def _revoke(api: Api, key_id: str) -> None:
    attempt(lambda: api.delete(f"{_KEYS}/{quote(key_id, safe='')}"), "The key is revoked.")


def _forget() -> None:
    st.session_state.pop("made_key", None)


@st.dialog("New API key", width="medium", on_dismiss=_forget)
def _make(api: Api, login: Login) -> None:
    """Ask what for, then show the key, once."""
    made: dict[str, Any] | None = st.session_state.get("made_key")
    if made is None:
        made = _made(api, login)
    if made is not None:
        st.session_state.made_key = made
        _show_made(made, mcp_address(api).removesuffix("/mcp"), login.user["user_id"])


def _made(api: Api, login: Login) -> dict[str, Any] | None:
    """The key, once the form is sent and right."""
    offered = {**_SCOPES, **(_OF_ADMINS if login.is_admin and login.has_password else {})}
    place = st.empty()
    with place.form("key", border=False):
        name = st.text_input("Name", max_chars=_LONGEST_NAME, placeholder="What it is for", key="key-name")
        st.markdown("What it may do")
        scopes = [
            scope
            for scope, words in offered.items()
            if st.checkbox(f"{words} ({scope})", scope in _USUAL, key=f"scope-{scope}")
        ]
        days = st.number_input("Days until it expires", 1, _MOST_DAYS, _USUAL_DAYS, key="key-days")
        endless = st.checkbox("It does not expire", key="key-endless")
        if not st.form_submit_button("Create", type="primary"):
            return None
    if not name.strip() or not scopes:
        st.error("Give the key a name." if scopes else "Choose what it may do.")
        return None
    try:
        made = api.post(
            _KEYS, {"name": name.strip(), "scopes": scopes, "expires_in_days": None if endless else days}
        )
    except NotSignedIn:
        st.rerun()
    except ApiError as error:
        st.error(safe(" ".join([str(error), *error.fields.values()])))
        return None
    place.empty()
    return made


def _show_made(made: Mapping[str, Any], address: str, user_id: str) -> None:
    st.markdown(f"**{inline(made['name'])}** is ready. Copy it now: it is not shown again.")
    st.code(made["key"], language=None, wrap_lines=True)
    st.markdown("Programs send it with every request. Try it in a terminal:")
    st.code(_example(made, address, user_id), language="bash", wrap_lines=True)
    if st.button("Done", key="key-done"):
        _forget()
        st.rerun()


def _example(made: Mapping[str, Any], address: str, user_id: str) -> str:
    """A command that the rights of the key are enough for."""
    signed = f'-H "Authorization: Bearer {made["key"]}"'
    as_json = f'{signed} \\\n  -H "Content-Type: application/json"'
    if "read" in made["scopes"]:
        return f"curl {address}/api/v1/conversations {signed}"
    if "write" in made["scopes"]:
        path = f"/api/{quote(user_id, safe='')}/chat"
        return f"""curl {address}{path} {as_json} -d '{{"message": "Hello"}}'"""
    accepted = '-H "Accept: application/json, text/event-stream"'
    asked = """-d '{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}'"""
    return f"curl {address}/mcp {as_json} \\\n  {accepted} \\\n  {asked}"
