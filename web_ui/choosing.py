"""Who answers: the agent, and the provider, model and settings for the turns of this tab."""

from typing import Any, Final, NoReturn
from urllib.parse import quote

import streamlit as st

from web_ui.agent_form import change_agent, new_agent
from web_ui.api import Api, ApiError
from web_ui.markdown import inline
from web_ui.place import DEFAULT_AGENT, conversation, leave, remembered, tell

__all__ = ["chat_with", "choose_agent", "chosen", "show_agents", "show_model"]

_BUILT_IN: Final = ("ollama", "lmstudio", "openai", "local")
_NOT_THERE: Final = 404
_NO_ID: Final = 422
_AUTOMATIC: Final = ""
_MOST_AGENTS: Final = 500


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
    listed: list[dict[str, Any]] = remembered("agents", lambda: _active(api), [], anew=anew)
    agents = {each["agent_id"]: each for each in listed if each["right"] != "read"}
    names = {DEFAULT_AGENT: "Default assistant"} | {id_: each["name"] for id_, each in agents.items()}
    asked: str = st.session_state.pop("next_agent", None) or _agent_before()
    st.session_state.agent = asked
    # Another one would answer under other rules.
    names.setdefault(asked, next((each["name"] for each in listed if each["agent_id"] == asked), asked))
    agent_id = st.selectbox("Agent", list(names), key="agent", format_func=lambda id_: names[id_])
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


def show_model(api: Api) -> None:
    """Closed until it is wanted: to look at all providers takes a moment."""
    folded = st.expander("Model", key="model", icon=":material/tune:", on_change="rerun")
    if not folded.open:
        return
    options: dict[str, Any] = st.session_state.setdefault("options", {})
    with folded:
        provider = _provider(api, options.get("provider", _AUTOMATIC))
        model = _model(api, provider, options.get("model_id", _AUTOMATIC))
        own = st.toggle(
            "Own temperature and length", "temperature" in options, key="own", help="Otherwise the agent's"
        )
        st.session_state.options = {"provider": provider, "model_id": model}
        if own:
            warmth, length = float(options.get("temperature", 0.7)), int(options.get("max_tokens", 2048))
            temperature = st.slider("Temperature", 0.0, 2.0, warmth, 0.1)
            longest = st.number_input("Max tokens", 100, 4096, length, 100)
            st.session_state.options |= {"temperature": temperature, "max_tokens": longest}


def _provider(api: Api, before: str) -> str:
    found = _states(api)
    names = [_AUTOMATIC, *found]
    captions = ["The first that answers", *(_caption(state) for state in found.values())]

    def label(name: str) -> str:
        if name == _AUTOMATIC:
            return "Automatic"
        return f":{'green' if found[name]['available'] else 'red'}[●] {inline(name)}"

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


def _caption(state: dict[str, Any]) -> str:
    if not state["available"]:
        return inline(state.get("error") or "It does not answer.")
    count = state.get("model_count", 0)
    return f"Answers in {state.get('latency_ms', 0)} ms, {count} model{'' if count == 1 else 's'}"


def _states(api: Api) -> dict[str, dict[str, Any]]:
    """Whether each provider answers, by its name. Raises NotSignedIn."""
    configured: list[dict[str, Any]] = remembered(
        "providers", lambda: api.get("/api/v1/providers")["providers"], [], anew=True
    )
    names = dict.fromkeys([*_BUILT_IN, *(each["name"] for each in configured if each["enabled"])])
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        try:
            found[name] = api.get(f"/api/v1/models/{name}/status")
        except ApiError as error:
            if error.status != _NOT_THERE:
                found[name] = {"available": False, "error": str(error)}
    return found


def _model(api: Api, provider: str, before: str) -> str:
    listed: list[dict[str, Any]] = remembered(
        f"models {provider}",
        lambda: api.get("/api/v1/models", provider=provider or None)["models"],
        [],
        anew=True,
    )
    names = [_AUTOMATIC, *dict.fromkeys(each["model_id"] for each in listed)]
    return st.selectbox(
        "Model",
        names,
        index=names.index(before) if before in names else 0,
        format_func=lambda name: name or "Automatic",
        key=f"model-of-{provider}",
        disabled=not provider,
        help="Choose a provider first" if not provider else None,
    )
