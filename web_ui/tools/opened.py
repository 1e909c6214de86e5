"""The custom tool that is open in this tab."""

import json
from collections.abc import Mapping
from typing import Any, Final

from web_ui.api import Api, ApiError
from web_ui.drafts import Draft, open_draft

__all__ = ["CUSTOM", "KIND", "follow", "open_tool", "path_of"]

CUSTOM: Final = "/api/v1/tools/custom"
KIND: Final = "tool"
_FRESH: Final[dict[str, Any]] = {"name": "", "description": "", "parameters": None, "code": ""}
_TITLES: Final = {"description": "description", "parameters": "arguments", "code": "code"}


def open_tool(tool: Mapping[str, Any] | None = None) -> None:
    """Show the form of a tool, or of a new one."""
    open_draft(KIND, tool, _shown(tool or _FRESH))


def _shown(tool: Mapping[str, Any]) -> dict[str, Any]:
    parameters = tool["parameters"]
    text = "" if parameters is None else json.dumps(parameters, ensure_ascii=False, indent=2)
    return {name: tool[name] for name in ("name", "description", "code")} | {"parameters": text}


def path_of(draft: Draft) -> str:
    return f"{CUSTOM}/{draft.base['tool_id']}"


def follow(api: Api, draft: Draft) -> None:
    """Somebody else has changed it meanwhile: take that over where nothing was changed here, and say so."""
    try:
        tool: dict[str, Any] = api.get(path_of(draft))
    except ApiError as error:
        draft.trouble = str(error)
        return
    both = draft.follow(tool, _shown(tool))
    draft.trouble = f"Somebody else has changed the tool meanwhile; it is version {tool['version']} now."
    if not draft.changed:
        return
    draft.trouble += " What you typed is still here."
    if both:
        listed = " and the ".join(words for name, words in _TITLES.items() if name in both)
        draft.trouble += f" You both changed the {listed}: save again to put yours in its place."
    else:
        draft.trouble += " Save again to add it to theirs."
