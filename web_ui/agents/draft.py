"""What somebody has typed into the form of an agent, until it is kept or dropped."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast
from uuid import uuid4

import streamlit as st

__all__ = ["FRESH", "Draft", "draft_of", "drafts_touched", "drop", "renew"]

FRESH: Final[dict[str, Any]] = {
    "name": "",
    "description": None,
    "system_prompt": "",
    "provider": None,
    "model_id": None,
    "temperature": 0.7,
    "max_tokens": 2048,
    "tools": None,
    "approvals": {"tools": [], "not_read_only": False},
    "streaming": True,
    "metadata": {},
}
_TEXTS: Final = ("name", "description", "system_prompt")
_NEW: Final = "new"
_DRAFTS: Final = "agent-drafts"


@dataclass(slots=True)
class Draft:
    """An agent as it was read, and as it is to be. `key` begins the keys of its fields on the page."""

    before: Mapping[str, Any]
    key: str
    values: dict[str, Any]
    notes: str
    """The metadata, as they are typed."""
    refused: dict[str, str] = field(default_factory=dict[str, str])
    """Why it was not kept when that was tried last, by field; under the empty name what is of none."""
    theirs: Mapping[str, Any] | None = None
    """The newest version, where somebody made one meanwhile."""

    @property
    def faults(self) -> dict[str, str]:
        """What cannot be kept, in words, by field."""
        found: dict[str, str] = {}
        if not self.values["name"].strip():
            found["name"] = "An agent needs a name."
        if not self.values["system_prompt"].strip():
            found["system_prompt"] = "An agent needs a system prompt: what it is, and what it is to do."
        if self._metadata() is None:
            found["metadata"] = 'This has to be a JSON object, as {"team": "garden"}.'
        return found

    @property
    def changes(self) -> dict[str, Any]:
        """What is other than it was read; metadata that cannot be read are left out."""
        now = {**self.values, "metadata": self._metadata()}
        if now["metadata"] is None:
            now["metadata"] = self.before["metadata"]
        return {name: now[name] for name in FRESH if not _same(name, now[name], self.before[name])}

    @property
    def is_touched(self) -> bool:
        return bool(self.changes) or self._metadata() is None

    def note(self) -> None:
        """Note the texts that its fields have, where the page was not drawn since they were typed."""
        for name in _TEXTS:
            said: str = st.session_state.get(f"{self.key}-{name}", self.values[name] or "")
            self.values[name] = said if said.strip() or FRESH[name] is not None else None
        self.notes = st.session_state.get(f"{self.key}-metadata", self.notes)

    def _metadata(self) -> dict[str, Any] | None:
        if not self.notes.strip():
            return {}
        try:
            read = json.loads(self.notes)
        except ValueError:
            return None
        return cast("dict[str, Any]", read) if isinstance(read, dict) else None


def _same(name: str, one: Any, other: Any) -> bool:
    if name == "approvals":
        return one["not_read_only"] == other["not_read_only"] and set(one["tools"]) == set(other["tools"])
    if name == "tools" and one is not None and other is not None:
        return set(one) == set(other)
    return one == other


def draft_of(agent: Mapping[str, Any] | None) -> Draft:
    """What was typed of this agent before, or, where nothing was, the agent as it is; None: a new one."""
    drafts: dict[str, Draft] = st.session_state.setdefault(_DRAFTS, {})
    name = _NEW if agent is None else agent["agent_id"]
    before = FRESH if agent is None else agent
    draft = drafts.get(name)
    newer = draft is not None and before.get("version", 0) > draft.before.get("version", 0)
    if draft is None or (newer and not draft.is_touched):
        notes = json.dumps(before["metadata"], ensure_ascii=False, indent=2) if before["metadata"] else ""
        values = {name: before[name] for name in FRESH if name != "metadata"}
        # Another key each time, as Streamlit shows under the same what was typed before.
        draft = drafts[name] = Draft(before, f"agent-{uuid4().hex}", values, notes)
    return draft


def renew(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Go on with what was typed of one version, where its typist has made the next by themselves."""
    draft: Draft | None = st.session_state.get(_DRAFTS, {}).get(before["agent_id"])
    if draft is not None and draft.before["version"] == before["version"]:
        draft.before = after


def drop(draft: Draft) -> None:
    """Forget it: its form begins anew."""
    drafts: dict[str, Draft] = st.session_state.get(_DRAFTS, {})
    for name in [name for name, each in drafts.items() if each is draft]:
        del drafts[name]


def drafts_touched() -> dict[str, dict[str, Draft]]:
    """What was typed in this tab and is not kept, by the name that it has there."""
    drafts: dict[str, Draft] = st.session_state.get(_DRAFTS, {})
    for draft in drafts.values():
        draft.note()
    touched = {name: draft for name, draft in drafts.items() if draft.is_touched}
    return {_DRAFTS: touched} if touched else {}
