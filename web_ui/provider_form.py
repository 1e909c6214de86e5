"""Adding a provider, and changing one. What is typed can be tried out before it is kept."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.markdown import inline, safe
from web_ui.place import forget, tell
from web_ui.providers_seen import PATH
from web_ui.trying import KINDS, show_outcome

__all__ = ["change_provider", "new_provider"]

_FRESH: Final[dict[str, Any]] = {
    "kind": "openai",
    "base_url": "",
    "model": None,
    "priority": 100,
    "timeout_seconds": None,
    "first_token_seconds": None,
    "retries": 1,
    "context_tokens": None,
    "shared": False,
    "has_api_key": False,
}
_USUAL: Final = {"ollama": "http://localhost:11434", "lmstudio": "http://localhost:1234", "openai": ""}
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_ADDRESS: Final = re.compile(r"https?://[!-~]+")
_WRONG: Final = {
    "name": "A name has small letters a to z, digits, - and _, and begins with a letter or digit.",
    "base_url": "An address begins with https:// or http://, and has no blanks.",
    "api_key": "There is something in this key that no key has. Copy it once more.",
}
_FIELDS: Final = {"endpoint": "base_url"}
_OF_CODES: Final = {
    "provider_name_taken": ("name", ""),
    "provider_key_needed": ("api_key", "A key is for one host. Type it again for this one."),
}
_AS_SERVER: Final = "As the server's settings say"


@dataclass(frozen=True, slots=True)
class _Typed:
    """What was typed, and the places beneath the fields for what is wrong with them."""

    values: dict[str, Any]
    key: str
    no_key: bool
    slots: Mapping[str, DeltaGenerator]


@st.dialog("Add a provider", width="medium", on_dismiss="rerun")
def new_provider(api: Api, *, is_admin: bool) -> None:
    """One of one's own."""
    typed = _form(api, None, is_admin=is_admin, words="Add")
    if typed is not None:
        body = typed.values | ({"api_key": typed.key} if typed.key else {})
        _keep(typed, lambda: api.post(PATH, body), f"{body['name']} is there.")


@st.dialog("Change the provider", width="medium", on_dismiss="rerun")
def change_provider(api: Api, config: Mapping[str, Any], *, is_admin: bool) -> None:
    """A new version of it, unless somebody else has made one meanwhile."""
    typed = _form(api, config, is_admin=is_admin, words="Save")
    if typed is None:
        return
    changes = {name: value for name, value in typed.values.items() if value != config[name]}
    if typed.key or typed.no_key:
        changes["api_key"] = typed.key or None
    if not changes:
        st.rerun()
    path, version = f"{PATH}/{config['id']}", f'"{config["version"]}"'
    _keep(typed, lambda: api.patch(path, changes, if_match=version), f"{config['name']} is changed.")


def _form(api: Api, config: Mapping[str, Any] | None, *, is_admin: bool, words: str) -> _Typed | None:
    """What was typed, once it is to be kept and can be."""
    before = _FRESH if config is None else config
    kinds = list(KINDS)
    # Outside of the form, since the usual address hangs on it.
    kind = st.selectbox("Kind", kinds, kinds.index(before["kind"]), format_func=lambda each: KINDS[each])
    with st.form("provider-form", border=False):
        typed = _draw_address(config, before, kind)
        # Here, so that the models that it finds can be chosen below.
        if st.form_submit_button("Test connection", icon=":material/network_check:") and _is_sound(
            typed, "base_url"
        ):
            _try(api, typed, config)
        typed.values["model"] = _draw_model(before["model"])
        typed.values.update(_draw_more(before))
        if is_admin:
            typed.values["shared"] = st.checkbox("For everybody", before["shared"])
        if st.form_submit_button(words, type="primary") and _is_sound(typed, "name", "base_url"):
            return typed
    return None


def _draw_address(config: Mapping[str, Any] | None, before: Mapping[str, Any], kind: str) -> _Typed:
    slots: dict[str, DeltaGenerator] = {}
    values: dict[str, Any] = {"kind": kind}
    if config is None:
        values["name"] = st.text_input("Name", max_chars=64, placeholder="work").strip()
        slots["name"] = st.empty()
    else:
        st.caption(f"{inline(config['name'])} keeps its name, by which agents know it.")
    values["base_url"] = st.text_input(
        "Address",
        before["base_url"] or _USUAL[kind],
        max_chars=2_000,
        placeholder="https://models.example.com/v1",
        help="Of Ollama and LM Studio the root of their server; else where the version begins",
    ).strip()
    slots["base_url"] = st.empty()
    key = st.text_input(
        "API key",
        type="password",
        max_chars=8_000,
        placeholder="The one that is kept stays" if before["has_api_key"] else "None",
        help="It is kept encrypted, and never shown again",
    ).strip()
    no_key = before["has_api_key"] and st.checkbox("Send no key any more")
    slots["api_key"] = st.empty()
    return _Typed(values, key, no_key, slots)


def _draw_model(before: str | None) -> str | None:
    found: list[str] = st.session_state.get("models_found", [])
    options: list[str] = list(dict.fromkeys([*([before] if before else []), *found]))
    return st.selectbox(
        "Default model",
        options,
        options.index(before) if before else None,
        key="provider-model",
        placeholder="The first that it lists",
        accept_new_options=True,
        help="Type one, or choose one of those that a test has found",
    )


def _draw_more(before: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    with st.expander("Order and patience"):
        values["priority"] = st.number_input(
            "Order", 0, 1_000, before["priority"], help="Of several, the smaller ones are asked first"
        )
        values["timeout_seconds"] = st.number_input(
            "Seconds that it may be silent",
            0.1,
            600.0,
            before["timeout_seconds"],
            1.0,
            placeholder=_AS_SERVER,
        )
        values["first_token_seconds"] = st.number_input(
            "Seconds until an answer begins",
            0.1,
            600.0,
            before["first_token_seconds"],
            1.0,
            placeholder="As long as it may be silent",
        )
        values["retries"] = st.number_input(
            "Tries more", 0, 5, before["retries"], help="How often it is asked again before another one is"
        )
        values["context_tokens"] = st.number_input(
            "Tokens of a conversation at most",
            1_000,
            10_000_000,
            before["context_tokens"],
            1_000,
            placeholder=_AS_SERVER,
        )
    return values


def _is_sound(typed: _Typed, *fields: str) -> bool:
    """Whether these could be right; what cannot is told beneath the field."""
    name, address = typed.values.get("name"), typed.values["base_url"]
    wrong = {
        "name": name is not None and not _NAME.fullmatch(name),
        "base_url": not _ADDRESS.fullmatch(address),
    }
    for field in fields:
        if wrong[field]:
            typed.slots[field].error(_WRONG[field])
    return not any(wrong[field] for field in fields)


def _try(api: Api, typed: _Typed, config: Mapping[str, Any] | None) -> None:
    kind, address = typed.values["kind"], typed.values["base_url"]
    path, body = (
        "/api/v1/models/connect",
        {"provider": kind, "endpoint": address, "api_key": typed.key or None},
    )
    if config is not None and config["has_api_key"] and not typed.key and not typed.no_key:
        if (kind, address) != (config["kind"], config["base_url"]):
            typed.slots["api_key"].info("To try another address, type the key again.")
            return
        path, body = f"{PATH}/{config['id']}/test", None
    with st.spinner("Asking it for its models"):
        outcome = _asked(typed, lambda: api.post(path, body))
    if outcome is not None:
        st.session_state.models_found = [each["model_id"] for each in outcome.get("models") or ()]
        show_outcome(kind, outcome)


def _keep(typed: _Typed, keeping: Callable[[], Any], words: str) -> None:
    """Send it; the chat offers it from then on."""
    if _asked(typed, keeping) is None:
        return
    forget("providers", "models ")
    tell(words)
    st.rerun()


def _asked(typed: _Typed, asking: Callable[[], Any]) -> Any:
    """What the API answers, None where it refuses; why is told beneath the field that it is about."""
    try:
        return asking()
    except NotSignedIn:
        st.rerun()
    except ApiError as error:
        told = {_FIELDS.get(field, field): message for field, message in error.fields.items()}
        if error.code in _OF_CODES:
            field, words = _OF_CODES[error.code]
            told = {field: words or str(error)}
        if not told or not told.keys() <= typed.slots.keys():
            st.error(safe(str(error)))
        for field in told.keys() & typed.slots.keys():
            is_plain = error.code != "invalid_request"
            typed.slots[field].error(safe(told[field]) if is_plain else _WRONG[field])
        return None
