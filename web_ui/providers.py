"""The settings page of providers: which there are, whether they answer, and keeping one's own."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import streamlit as st

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.clock import clock
from web_ui.logins import Login
from web_ui.markdown import inline, safe
from web_ui.place import attempt, forget
from web_ui.provider_form import change_provider, new_provider
from web_ui.providers_seen import PATH, Seen, look, look_again
from web_ui.trying import KINDS, count_of, show_outcome, trouble

__all__ = ["show_providers"]

_COLUMNS: Final = {
    "model_id": "Model",
    "size": "Size",
    "quantization": "Quantization",
    "context_tokens": "Context",
}
_MANY: Final = 10
_TALLEST: Final = 400
_KINDS: Final = {**KINDS, "local": "Built in"}


def show_providers(api: Api, login: Login) -> None:
    """Raises NotSignedIn."""
    is_admin = login.is_admin
    st.title("Providers", anchor=False)
    st.write(
        "Models come from providers. Where neither a chat nor its agent names one, they are asked in this "
        "order, after the one that the server's settings prefer, if they do."
    )
    with st.container(horizontal=True):
        if st.button("Add a provider", key="add-provider", type="primary", icon=":material/add:"):
            st.session_state.pop("models_found", None)
            new_provider(api, is_admin=is_admin)
        st.button("Look again", key="look-again", type="tertiary", icon=":material/refresh:")
    try:
        with st.spinner("Looking at the providers"):
            seen = look(api)
    except NotSignedIn:
        raise
    except ApiError as error:
        st.error(safe(str(error)))
        return
    st.session_state.seen = {each.key: each for each in seen}
    if not any(each.answers for each in seen):
        st.info("None of them answers yet. Start one, or add another one.")
    for each in seen:
        with st.container(border=True, key=f"provider-{each.key}"):
            _show(api, each.key, is_admin=is_admin)
    st.caption(
        "Those without *Change* are named by the server's settings, or shared by an admin. Where one fails "
        "before it has said anything, the next one is asked."
    )


@st.fragment
def _show(api: Api, key: str, *, is_admin: bool) -> None:
    """One of them. A test draws this one anew, and no other."""
    seen: Seen = st.session_state.seen[key]
    head, buttons, told = st.container(), st.container(horizontal=True), st.container()
    with buttons:
        if st.button("Test connection", key=f"test-{key}", icon=":material/network_check:"):
            seen = _test(api, seen, told)
        if seen.config is not None and seen.config["can_change"]:
            _show_changes(api, seen, seen.config, is_admin=is_admin)
    with head:
        _show_state(seen)
    if seen.models:
        _show_models(seen)


def _test(api: Api, seen: Seen, told: Any) -> Seen:
    try:
        with told, st.spinner("Asking it for its models"):
            seen, outcome = look_again(api, seen)
    except NotSignedIn:
        st.rerun()
    except ApiError as error:
        told.error(safe(str(error)))
        return seen
    with told:
        show_outcome(seen.kind, outcome)
    st.session_state.seen[seen.key] = seen
    return seen


def _show_state(seen: Seen) -> None:
    colour, word = seen.state
    st.markdown(f":{colour}[●] **{inline(seen.name)}** · {word}")
    status = seen.status or {}
    address = status.get("endpoint") or (seen.config or {}).get("base_url", "")
    # As code, else it would be a link.
    parts = [_KINDS[seen.kind], inline(address) if "`" in address else f"`{address}`"]
    if seen.answers:
        parts += [f"{status.get('latency_ms', 0)} ms", count_of(len(seen.models))]
    parts += ["for everybody"] if seen.config is not None and seen.config["shared"] else []
    parts += [f"looked at {_time(status['last_check'])}"] if "last_check" in status else []
    st.caption(" · ".join(parts))
    if status and not seen.answers:
        st.caption(trouble(seen.kind, status.get("error")))


def _time(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(clock()):%H:%M:%S}"


def _show_changes(api: Api, seen: Seen, config: Mapping[str, Any], *, is_admin: bool) -> None:
    key = seen.key
    if st.button("Change", key=f"change-{key}", type="tertiary", icon=":material/edit:"):
        st.session_state.pop("models_found", None)
        change_provider(api, config, is_admin=is_admin)
    word, told = ("Switch off", "is switched off") if config["enabled"] else ("Switch on", "is switched on")
    if st.button(word, key=f"switch-{key}", type="tertiary", icon=":material/power_settings_new:"):
        changes, version = {"enabled": not config["enabled"]}, f'"{config["version"]}"'
        attempt(
            lambda: api.patch(f"{PATH}/{config['id']}", changes, if_match=version), f"{seen.name} {told}."
        )
        _leave_out(seen.name)
    with st.popover("Delete", type="tertiary", icon=":material/delete:", key=f"deleting-{key}"):
        st.write("Agents that name it are answered by the next one.")
        if st.button("Delete it", key=f"delete-{key}"):
            attempt(lambda: api.delete(f"{PATH}/{config['id']}"), f"{seen.name} is deleted.")
            _leave_out(seen.name)


def _leave_out(name: str) -> None:
    """Have the chat of this tab ask it no more, and draw everything anew."""
    options: dict[str, Any] = st.session_state.get("options", {})
    if options.get("provider") == name:
        st.session_state.options = {**options, "provider": "", "model_id": ""}
    forget("providers", "models ")
    st.rerun()


def _show_models(seen: Seen) -> None:
    folded = st.expander(count_of(len(seen.models)).capitalize(), key=f"models-{seen.key}", on_change="rerun")
    if not folded.open:
        return
    told = [field for field in _COLUMNS if any(model[field] is not None for model in seen.models)]
    rows = [{_COLUMNS[field]: _cell(model[field]) for field in told} for model in seen.models]
    place = folded.container(height=_TALLEST, border=False) if len(rows) > _MANY else folded
    # Its type names packages that may be missing.
    place.table(  # pyright: ignore[reportUnknownMemberType]
        rows, border="horizontal", hide_index=True, hide_header=False, alt=f"Models of {seen.name}"
    )


def _cell(value: str | int | None) -> str:
    """As Markdown, which cells are. What the provider does not tell stays empty."""
    return f"{value:,}" if isinstance(value, int) else inline(value or "")
