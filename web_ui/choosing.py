"""Who answers: the agent, and the provider, model and settings for the turns of this tab."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import quote

import streamlit as st

from web_ui.agent_form import change_agent, new_agent
from web_ui.api import Api, ApiError
from web_ui.labels import unlike
from web_ui.markdown import inline
from web_ui.place import DEFAULT_AGENT, conversation, forget, leave, remembered, tell
from web_ui.providers_seen import Seen, look

__all__ = ["AGENTS_SECONDS", "chat_with", "choose_agent", "chosen", "show_agents", "show_model"]

_NOT_THERE: Final = 404
_NO_ID: Final = 422
_AUTOMATIC: Final = ""
_MOST_AGENTS: Final = 500
AGENTS_SECONDS: Final = 3
_PROVIDERS_SECONDS: Final = 15
_NUMBERS: Final = {"temperature": 0.7, "max_tokens": 2048}
T = TypeVar("T")


def chosen() -> dict[str, Any]:
    """What goes into the body of a turn."""
    options: dict[str, Any] = st.session_state.get("options", {})
    wanted = {name: value for name, value in options.items() if value not in {None, _AUTOMATIC}}
    return {"agent_id": st.session_state.get("agent") or DEFAULT_AGENT, **wanted}


def chat_with(agent_id: str) -> NoReturn:
    """Go to a new chat, from whichever page, with this agent chosen."""
    leave()
    st.session_state.next_agent = agent_id
    # Streamlit knows pages by their addresses.
    st.switch_page(st.Page(leave, title="Chat", default=True))


def choose_agent(api: Api) -> None:
    """Go on with the open conversation's agent, where this tab chose none in it. Raises ApiError."""
    here = conversation()
    if here is None or (st.session_state.get("agent_of") == here and "agent" in st.session_state):
        return
    try:
        found = api.get(f"/api/v1/conversations/{quote(here, safe='')}")
    except ApiError as error:
        if error.status not in {_NOT_THERE, _NO_ID}:
            raise
        return
    st.session_state.agent, st.session_state.agent_of = found["agent_id"] or DEFAULT_AGENT, here


def show_agents(api: Api, *, anew: bool) -> None:
    wanted: str | None = st.session_state.pop("next_agent", None)
    if wanted is not None:
        # It may be new, or called something else now.
        forget("agents")
    listed = _lately("agents", lambda: _active(api), AGENTS_SECONDS, anew=anew)
    agents = {each["agent_id"]: each for each in listed if each["right"] != "read"}
    asked = wanted or _agent_before()
    st.session_state.agent = asked
    names = _names(listed, asked)
    # Another one than was asked for would answer under other rules.
    choices = list(dict.fromkeys((DEFAULT_AGENT, *agents, asked)))
    agent_id = st.selectbox("Agent", choices, key="agent", format_func=lambda id_: names[id_])
    # Streamlit forgets a field that is not on the page, as on every page but the chat.
    st.session_state.agent_before = agent_id
    with st.container(horizontal=True):
        # A dialog runs by itself, which would end the following of a turn.
        if st.button("New agent", key="new-agent", type="tertiary", icon=":material/add:", disabled=not anew):
            new_agent(api)
        agent = agents.get(agent_id)
        mine = agent is not None and agent["right"] == "owner"
        if (
            st.button(
                "Change", key="change", type="tertiary", icon=":material/edit:", disabled=not (anew and mine)
            )
            and agent is not None
        ):
            change_agent(api, agent)


def _names(listed: Sequence[Mapping[str, Any]], asked: str) -> dict[str, str]:
    """What they are called here: one's own first, by their names alone."""
    names = {DEFAULT_AGENT: "Default assistant"}
    for each in sorted(listed, key=lambda each: (each["right"] != "owner", each["agent_id"])):
        names[each["agent_id"]] = each["name"] if each["right"] == "owner" else _shared(each)
    names.setdefault(asked, asked)
    return unlike(names)


def _shared(agent: Mapping[str, Any]) -> str:
    owner = agent["owner"]["name"]
    return f"{agent['name']} · {f'from {owner}' if owner else 'shared'}"


def _lately(name: str, ask: Callable[[], list[T]], seconds: float, *, anew: bool) -> list[T]:
    """What is remembered, asked for anew no more often than so: the page is drawn at each click.

    Raises NotSignedIn.
    """
    asked: dict[str, float] = st.session_state.setdefault("asked_at", {})
    is_due = anew and time.monotonic() - asked.get(name, -math.inf) >= seconds
    found: list[T] = remembered(name, ask, [], anew=is_due)
    if is_due:
        asked[name] = time.monotonic()
    return found


def _active(api: Api) -> list[dict[str, Any]]:
    """By name; so many that nobody chooses among more of them here."""
    found: list[dict[str, Any]] = []
    cursor = None
    while len(found) < _MOST_AGENTS:
        page = api.get("/api/v1/agents", status="active", sort="name", cursor=cursor)
        found += page["agents"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    return found


def _agent_before() -> str:
    kept = st.session_state
    return kept.get("agent") or kept.get("agent_before") or DEFAULT_AGENT


def show_model(api: Api, *, anew: bool) -> None:
    """Closed until it is wanted: to look at all providers takes a moment."""
    folded = st.expander("Model", key="model", icon=":material/tune:", on_change="rerun")
    if not folded.open:
        return
    options: dict[str, Any] = st.session_state.setdefault("options", {})
    with folded:
        seen = _lately("providers seen", lambda: look(api), _PROVIDERS_SECONDS, anew=anew)
        found = {each.name: each for each in seen if each.is_on}
        provider = _provider(found, options.get("provider", _AUTOMATIC))
        model = _model(found.get(provider), provider, options.get("model_id", _AUTOMATIC))
        st.session_state.setdefault("own", "temperature" in options)
        own = st.toggle("Own temperature and length", key="own", help="Otherwise the agent's")
        numbers = _numbers() if own else {}
    # All at once: what is drawn may be broken off anywhere.
    st.session_state.options = {"provider": provider, "model_id": model, **numbers}


def _numbers() -> dict[str, float | int]:
    # Streamlit forgets a field that is not on the page.
    before: dict[str, Any] = st.session_state.get("own_numbers", _NUMBERS)
    st.session_state.setdefault("temperature", before["temperature"])
    st.session_state.setdefault("max-tokens", before["max_tokens"])
    numbers: dict[str, float | int] = {
        "temperature": st.slider("Temperature", 0.0, 2.0, step=0.1, key="temperature"),
        "max_tokens": st.number_input("Max tokens", 100, 4096, step=100, key="max-tokens"),
    }
    st.session_state.own_numbers = numbers
    return numbers


def _provider(found: Mapping[str, Seen], before: str) -> str:
    names = [_AUTOMATIC, *found]
    captions = ["The first that answers", *map(_caption, found.values())]

    def label(name: str) -> str:
        if name == _AUTOMATIC:
            return "Automatic"
        return f":{found[name].state[0]}[●] {inline(name)}"

    return st.radio(
        "Provider",
        names,
        index=names.index(before) if before in names else 0,
        format_func=label,
        captions=captions,
        key="provider",
        on_change=_choose_provider,
    )


def _choose_provider() -> None:
    name = st.session_state.provider
    # Already now: what is said next may be sent before the sidebar is drawn again.
    st.session_state.options = {**st.session_state.options, "provider": name, "model_id": _AUTOMATIC}
    tell(f"From now on {name} answers." if name else "From now on the first provider that is there answers.")


def _caption(seen: Seen) -> str:
    status = seen.status or {}
    if not seen.answers:
        return inline(status.get("error") or "It does not answer.")
    count = status.get("model_count", 0)
    return f"Answers in {status.get('latency_ms', 0)} ms, {count} model{'' if count == 1 else 's'}"


def _model(seen: Seen | None, provider: str, before: str) -> str:
    listed = [each["model_id"] for each in seen.models] if seen else []
    labels = unlike({_AUTOMATIC: "Automatic"} | {name: name for name in (*listed, before) if name})
    names = list(labels)
    return st.selectbox(
        "Model",
        names,
        index=names.index(before),
        format_func=lambda name: labels[name],
        key=f"model-of-{provider}",
        disabled=not provider,
        help="Choose a provider first" if not provider else None,
    )
