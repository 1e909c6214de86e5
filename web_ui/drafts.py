"""What somebody types into a form, until it is kept: nothing of it is lost where it cannot be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import streamlit as st

from web_ui.api import ApiError
from web_ui.markdown import safe

__all__ = ["Draft", "close_draft", "draft_of", "drafts_changed", "open_draft", "show_way_back"]

_DRAFT: Final = "draft of "


@dataclass(slots=True, eq=False)
class Draft:
    """Of something new, or of a change to `base`, which is as the API told it.

    `before` is what the fields showed then, `typed` what they show now. `wrong` says what is wrong with which
    field, `trouble` what else kept it from being kept. `leaving`: it was to be closed, with what is not kept.
    """

    kind: str
    base: dict[str, Any]
    before: dict[str, Any]
    typed: dict[str, Any]
    wrong: dict[str, str] = field(default_factory=dict[str, str])
    trouble: str | None = None
    leaving: bool = False

    @property
    def is_new(self) -> bool:
        return not self.base

    @property
    def changed(self) -> set[str]:
        """The fields that show something else than they did."""
        return {name for name, value in self.typed.items() if value != self.before[name]}

    @property
    def version(self) -> str:
        """The tag of the version that the change is made to."""
        return f'"{self.base["version"]}"'

    def key(self, name: str) -> str:
        """The key of the field `name`, which shows what was typed last.

        Streamlit forgets a field that was not on the page.
        """
        key = f"{self.kind}-{name}"
        st.session_state.setdefault(key, self.typed[name])
        return key

    def note(self) -> None:
        """Note what the fields show. Streamlit forgets it on other pages."""
        for name in self.typed:
            self.typed[name] = st.session_state.get(f"{self.kind}-{name}", self.typed[name])

    def take(self) -> None:
        """Take what was typed to do something with it; what was said of it before is over."""
        self.note()
        self.wrong, self.trouble, self.leaving = {}, None, False

    def show_wrong(self, name: str) -> None:
        if name in self.wrong:
            st.error(safe(self.wrong[name]), icon=":material/error:")

    def fail(self, error: ApiError, field_of: Mapping[str, str], rules: Mapping[str, str]) -> None:
        """Say why it was not kept, at the field that it is about.

        `field_of` a code of the API that names none; `rules`: what a field takes, in words for a person.
        """
        wrong = error.fields
        if error.code == "invalid_request":
            wrong = {name: rules.get(name, words) for name, words in wrong.items()}
        elif error.code in field_of:
            wrong = {field_of[error.code]: str(error)}
        self.wrong = {name: words[:1].upper() + words[1:] for name, words in wrong.items()}
        if not self.wrong or not self.wrong.keys() <= self.typed.keys():
            self.wrong, self.trouble = {}, str(error)

    def follow(self, base: Mapping[str, Any], shown: Mapping[str, Any]) -> set[str]:
        """Take over what somebody else has made of it meanwhile, in all fields but those changed here.

        Returns the fields that both have changed. Only in what is done at a click.
        """
        mine = self.changed
        both = {name for name in mine if shown[name] not in (self.before[name], self.typed[name])}
        for name in self.typed.keys() - mine:
            self._show(name, shown[name])
        self.base, self.before = dict(base), dict(shown)
        return both

    def drop(self) -> None:
        """Show what is kept, in place of what was typed. Only in what is done at a click."""
        for name, value in self.before.items():
            self._show(name, value)
        self.wrong, self.trouble, self.leaving = {}, None, False

    def _show(self, name: str, value: Any) -> None:
        self.typed[name] = st.session_state[f"{self.kind}-{name}"] = value


def open_draft(kind: str, base: Mapping[str, Any] | None, shown: Mapping[str, Any]) -> Draft:
    """The one of its kind in this tab. Only in what is done at a click."""
    close_draft(kind)
    draft = st.session_state[_place(kind)] = Draft(kind, dict(base or {}), dict(shown), dict(shown))
    return draft


def draft_of(kind: str) -> Draft | None:
    return st.session_state.get(_place(kind))


def drafts_changed() -> dict[str, Draft]:
    """Those of this tab in which something was changed, by the names that they have in it."""
    found = {str(name): each for name, each in st.session_state.items() if str(name).startswith(_DRAFT)}
    for draft in found.values():
        draft.take()
    return {name: draft for name, draft in found.items() if draft.changed}


def close_draft(kind: str) -> None:
    draft = draft_of(kind)
    if draft is not None:
        for name in draft.typed:
            st.session_state.pop(f"{kind}-{name}", None)
        del st.session_state[_place(kind)]


def show_way_back(draft: Draft, words: str) -> None:
    """The way out of a form, which asks once where something was changed."""
    kind = draft.kind
    st.button(words, key="back", type="tertiary", icon=":material/arrow_back:", on_click=_leave, args=(kind,))
    if draft.leaving:
        with st.container(border=True):
            st.markdown("You have not saved what you changed.")
            st.button("Throw it away", key="throw-away", on_click=close_draft, args=(kind,))


def _leave(kind: str) -> None:
    draft = draft_of(kind)
    if draft is not None:
        draft.take()
        draft.leaving = bool(draft.changed)
        if not draft.leaving:
            close_draft(kind)


def _place(kind: str) -> str:
    return f"{_DRAFT}{kind}"
