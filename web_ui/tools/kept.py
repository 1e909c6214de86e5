"""What is done with a custom tool that is kept: on and off, its end, and what it was before."""

import json
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

import streamlit as st

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.drafts import Draft, close_draft
from web_ui.history import said_at
from web_ui.logins import Login
from web_ui.markdown import inline, safe
from web_ui.place import attempt, tell
from web_ui.tools.opened import KIND, follow, open_tool, path_of

__all__ = ["show_rest"]


def show_rest(api: Api, login: Login, draft: Draft) -> None:
    """Raises NotSignedIn."""
    is_enabled: bool = draft.base["enabled"]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(":green[●] Enabled" if is_enabled else ":gray[●] Disabled", width="content")
        words, icon = ("Disable", ":material/block:") if is_enabled else ("Enable", ":material/check:")
        action = _disable if is_enabled else _enable
        st.button(words, key="enable", icon=icon, on_click=action, args=(api, draft))
        with st.popover("Delete", icon=":material/delete:", key="deleting"):
            st.markdown("It is gone for everybody then, with all its versions.")
            st.button("Delete it for good", key="delete", on_click=_delete, args=(api, draft))
    folded = st.expander(
        "Versions", key=f"versions-{draft.base['tool_id']}", icon=":material/history:", on_change="rerun"
    )
    if folded.open:
        with folded:
            _show_versions(api, login, draft)


def _enable(api: Api, draft: Draft) -> None:
    attempt(partial(_switch, api, draft, "enable"), "Agents can call it again.")


def _disable(api: Api, draft: Draft) -> None:
    attempt(partial(_switch, api, draft, "disable"), "Nobody can call it now.")


def _switch(api: Api, draft: Draft, action: str) -> None:
    draft.base["enabled"] = api.post(f"{path_of(draft)}/{action}")["enabled"]


def _delete(api: Api, draft: Draft) -> None:
    if attempt(partial(api.delete, path_of(draft)), "The tool is deleted."):
        close_draft(KIND)


def _show_versions(api: Api, login: Login, draft: Draft) -> None:
    try:
        versions: list[dict[str, Any]] = api.get(f"{path_of(draft)}/versions")["versions"]
    except NotSignedIn:
        raise
    except ApiError as error:
        st.error(safe(str(error)))
        return
    by_number = {each["version"]: each for each in versions}
    newest = versions[0]["version"]

    def label(number: int) -> str:
        made = by_number[number]
        words = f"Version {number}, {said_at(made['created_at'])}"
        words += ", by you" if made["created_by"] == login.user["id"] else ""
        return f"{words} (as it is now)" if number == newest else words

    number = st.selectbox("Version", list(by_number), key="version", format_func=label)
    _show_version(by_number[number])
    if number == newest:
        return
    st.button(
        "Restore this version",
        key="restore",
        icon=":material/settings_backup_restore:",
        disabled=bool(draft.changed),
        on_click=_restore,
        args=(api, draft, number),
    )
    if draft.changed:
        st.caption("Save what you typed first, or go back and throw it away.")


def _show_version(version: Mapping[str, Any]) -> None:
    st.markdown(inline(version["description"]))
    st.caption("Arguments")
    st.code(json.dumps(version["parameters"], ensure_ascii=False, indent=2), language="json", wrap_lines=True)
    st.caption("Code")
    st.code(version["code"], language="python", wrap_lines=True)


def _restore(api: Api, draft: Draft, number: int) -> None:
    draft.take()
    if draft.changed:
        return
    try:
        restored = api.post(f"{path_of(draft)}/restore", {"version": number}, if_match=draft.version)
    except ApiError as error:
        if error.status == HTTPStatus.PRECONDITION_FAILED:
            follow(api, draft)
        else:
            tell(str(error))
        return
    open_tool(restored)
    tell(f"It is again what version {number} was.")
