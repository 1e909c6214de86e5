"""One MCP server: the form of it, how it is, and what is done with it."""

from functools import partial
from http import HTTPStatus
from typing import Any, Final

import streamlit as st

from web_ui.api import Api, ApiError
from web_ui.drafts import Draft, close_draft, draft_of, show_way_back
from web_ui.markdown import inline, safe
from web_ui.place import attempt, tell
from web_ui.servers.health import check_again, show_health, show_tools_of
from web_ui.servers.opened import KIND, SERVERS, follow, open_server, path_of, sent_of

__all__ = ["show_server"]

_LONGEST: Final = {"name": 32, "url": 2_000, "header": 64, "audience": 500, "secret": 8_000}
_SIGN_IN: Final = {
    "none": "None",
    "bearer": "A secret, as bearer token",
    "header": "A secret, in a header",
    "user": "A token that names each person",
}
_FIELD_OF: Final = {
    "mcp_server_name_taken": "name",
    "mcp_server_secret_needed": "secret",
    "no_sealing_key": "secret",
}
_RULES: Final = {
    "name": "Use small letters, digits and -, beginning with a letter.",
    "url": "This is no web address.",
    "header": "This is no name of a header.",
    "audience": "It has no spaces, and only characters of ASCII.",
    "secret": "It can have letters, digits and signs of ASCII, and no spaces at its ends.",
}
_NEEDED: Final = {"name": "It needs a name.", "url": "It needs an address."}


def show_server(api: Api, draft: Draft, *, by_admin: bool) -> None:
    """Raises NotSignedIn."""
    show_way_back(draft, "All servers")
    server = draft.base
    st.subheader("New server" if draft.is_new else inline(server["name"]), anchor=False)
    if not draft.is_new:
        show_health(api, server)
    if draft.is_new or server["can_change"]:
        _show_form(api, draft, by_admin=by_admin)
    else:
        st.text(server["url"])
        st.info("It is everybody's: only an admin can change it.")
    if not draft.is_new:
        if server["can_change"]:
            _show_rest(api, draft)
        show_tools_of(api, server)


def _show_form(api: Api, draft: Draft, *, by_admin: bool) -> None:
    if draft.is_new:
        _show_text(
            draft, "name", "Name", "Its tools are called name__tool. It cannot be changed later", "library"
        )
    where = "Also on this machine, or in its network" if by_admin else "On the public internet, with https"
    _show_text(draft, "url", "Address", where, "https://mcp.example.com/mcp")
    _show_sign_in(draft, by_admin=by_admin)
    st.checkbox(
        "Believe it which of its tools only read",
        key=draft.key("trusted"),
        on_change=draft.note,
        help="Agents that ask before a tool changes something do not ask about those",
    )
    if by_admin:
        st.checkbox("Let everybody use it", key=draft.key("shared"), on_change=draft.note)
    seconds = draft.key("timeout_seconds")
    st.number_input("Seconds that a call may take", 1, 60, step=1, key=seconds, on_change=draft.note)
    if draft.trouble:
        st.error(safe(draft.trouble))
    words = "Add the server" if draft.is_new else "Save"
    with st.container(horizontal=True):
        st.button(words, key="save-server", type="primary", on_click=_save, args=(api, draft, by_admin))
        if draft.trouble and draft.changed and not draft.is_new:
            st.button("Drop what I typed", key="drop", on_click=draft.drop)


def _show_sign_in(draft: Draft, *, by_admin: bool) -> None:
    """How it knows who asks, and what that takes."""
    ways, auth = list(_SIGN_IN), draft.key("auth")
    way = st.selectbox(
        "Sign-in", ways, key=auth, format_func=lambda name: _SIGN_IN[name], on_change=draft.note
    )
    if way == "header":
        _show_text(draft, "header", "Header", "Its name", "X-Api-Key")
    if way in {"bearer", "header"}:
        is_kept = draft.base.get("has_secret", False)
        st.text_input(
            "Secret",
            key=draft.key("secret"),
            on_change=draft.note,
            type="password",
            autocomplete="off",
            max_chars=_LONGEST["secret"],
            placeholder="The one that is kept" if is_kept else None,
            help="It is kept encrypted, and never shown again",
        )
    draft.show_wrong("secret")
    if way == "user" and by_admin:
        _show_text(
            draft, "audience", "Audience of the tokens", "Whom they are for: its address if this is empty"
        )


def _show_text(draft: Draft, name: str, label: str, about: str, example: str | None = None) -> None:
    key = draft.key(name)
    st.text_input(
        label, key=key, on_change=draft.note, max_chars=_LONGEST[name], placeholder=example, help=about
    )
    draft.show_wrong(name)


def _save(api: Api, draft: Draft, by_admin: bool) -> None:  # noqa: FBT001
    if draft_of(KIND) is not draft:
        # Clicked twice.
        return
    draft.take()
    draft.wrong = {name: words for name, words in _NEEDED.items() if not draft.typed[name].strip()}
    if draft.wrong:
        return
    sent = sent_of(draft, by_admin=by_admin)
    try:
        if draft.is_new:
            kept = api.post(SERVERS, sent)
        else:
            kept = api.patch(path_of(draft.base), sent, if_match=draft.version) if sent else draft.base
    except ApiError as error:
        if error.status == HTTPStatus.PRECONDITION_FAILED:
            follow(api, draft)
        else:
            draft.fail(error, _FIELD_OF, _RULES)
        return
    tell("The server is added." if draft.is_new else "The server is changed.")
    open_server(kept)


def _show_rest(api: Api, draft: Draft) -> None:
    """What is done with the server as it is kept."""
    is_on: bool = draft.base["enabled"]
    with st.container(horizontal=True):
        words, icon = (
            ("Switch off", ":material/block:") if is_on else ("Switch on", ":material/power_settings_new:")
        )
        st.button(words, key="enable", icon=icon, on_click=_switch, args=(api, draft))
        st.button("Ask it again", key="again", icon=":material/refresh:", on_click=check_again)
        with st.popover("Delete", icon=":material/delete:", key="deleting"):
            st.markdown("Agents have its tools no more then. The server itself is not touched.")
            st.button("Delete it for good", key="delete", on_click=_delete, args=(api, draft))


def _switch(api: Api, draft: Draft) -> None:
    """On or off, whatever was typed beside it."""
    draft.take()
    wanted = not draft.base["enabled"]
    try:
        changed: dict[str, Any] = api.patch(path_of(draft.base), {"enabled": wanted}, if_match=draft.version)
    except ApiError as error:
        if error.status == HTTPStatus.PRECONDITION_FAILED:
            follow(api, draft)
        else:
            tell(str(error))
        return
    draft.base = changed
    tell("Agents can use its tools again." if wanted else "Agents have its tools no more.")


def _delete(api: Api, draft: Draft) -> None:
    if attempt(partial(api.delete, path_of(draft.base)), "The server is deleted."):
        close_draft(KIND)
