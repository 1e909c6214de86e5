"""What an agent was: its versions, what is different between two, and going back to one."""

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from web_ui.agents.differences import show_difference
from web_ui.agents.draft import draft_of, drop
from web_ui.agents.words import TITLES
from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.history import said_at
from web_ui.markdown import inline, safe
from web_ui.place import attempt

__all__ = ["show_versions"]

_PAGE: Final = 20
_MOST: Final = 100
_COUNT: Final = "versions-listed"


def show_versions(api: Api, agent: Mapping[str, Any]) -> None:
    """Raises NotSignedIn."""
    count: int = st.session_state.get(_COUNT, _PAGE)
    try:
        found, more = _listed(api, agent, count)
    except NotSignedIn:
        raise
    except ApiError as error:
        st.error(safe(str(error)))
        return
    if len(found) == 1:
        st.caption("There is one version. Each change makes another one, and none is lost.")
    else:
        _show_two(api, agent, found)
    for version in found:
        _show(api, agent, version)
    if more:
        st.button("Load more", key="versions-more", width="stretch", on_click=_list_more, args=(count,))


def _listed(api: Api, agent: Mapping[str, Any], count: int) -> tuple[list[dict[str, Any]], bool]:
    found: list[dict[str, Any]] = []
    cursor = None
    while len(found) < count:
        path = f"/api/v1/agents/{agent['agent_id']}/versions"
        page = api.get(path, limit=min(count - len(found), _MOST), cursor=cursor)
        found += page["versions"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    return found, cursor is not None


def _list_more(count: int) -> None:
    st.session_state[_COUNT] = count + _PAGE


def _show_two(api: Api, agent: Mapping[str, Any], found: list[dict[str, Any]]) -> None:
    """What is different between two of them; at first, what the newest changed."""
    numbers: list[int] = [version["version"] for version in found]
    older, newer = st.columns(2)
    # Another version makes other fields, which begin with it.
    key = f"{agent['agent_id']}-{agent['version']}"
    before = older.selectbox("Compare version", numbers, 1, key=f"version-before-{key}")
    after = newer.selectbox("With version", numbers, 0, key=f"version-after-{key}")
    with st.container(border=True):
        try:
            path = f"/api/v1/agents/{agent['agent_id']}/versions/{before}/diff"
            show_difference(api.get(path, to=after))
        except NotSignedIn:
            raise
        except ApiError as error:
            st.error(safe(str(error)))


def _show(api: Api, agent: Mapping[str, Any], version: Mapping[str, Any]) -> None:
    number = version["version"]
    is_newest = number == agent["version"]
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        changed = version["changed"]
        names = ", ".join(TITLES[name].lower() for name in changed or ())
        what = "made" if changed is None else f"changed: {names or 'nothing'}"
        st.markdown(f"**Version {number}** · {inline(said_at(version['created_at']))} · {inline(what)}")
        if is_newest:
            st.badge("Now", color="green")
            return
        with st.popover("Restore", key=f"version-{number}", type="tertiary", icon=":material/history:"):
            st.markdown(
                f"The agent becomes again what version {number} was. That is a new version; none is lost."
            )
            st.button("Restore it", key=f"restore-{number}", on_click=_restore, args=(api, agent, number))


def _restore(api: Api, agent: Mapping[str, Any], number: int) -> None:
    path = f"/api/v1/agents/{agent['agent_id']}/versions/{number}/restore"
    match = f'"{agent["version"]}"'
    if attempt(lambda: api.post(path, if_match=match), f"The agent is what version {number} was."):
        # What was typed and not kept would be of a version that is no more.
        drop(draft_of(agent))
