"""What is taken over of the tools that another server lists."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from mcp_types import Tool as McpTool

from chat_api.providers.tool_calls import clean_text
from chat_api.tools.function_tools import KEY
from chat_api.tools.servers.registry import Server
from chat_api.tools.servers.schema import is_usable

__all__ = ["MOST_CHARACTERS", "MOST_TOOLS", "LeftOut", "Offer", "Offering", "offering", "tool_name"]

MOST_TOOLS: Final = 64
"""Tools of one server."""

MOST_CHARACTERS: Final = 200_000
"""Of names, descriptions and schemas of the tools of one server."""

_LONGEST_NAME: Final = 64
_LONGEST_TRUE_NAME: Final = 256
_LONGEST_DESCRIPTION: Final = 2_000
_HASHED: Final = 8
_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9_-]")

LeftOut: TypeAlias = Literal["name", "schema", "too_many"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool of another server: `name` is what models know it by, `true_name` what its server does.

    `size`: characters of what a model is sent of it.
    """

    name: str
    true_name: str
    title: str | None
    description: str
    schema: dict[str, Any]
    read_only: bool
    repeatable: bool
    size: int


@dataclass(frozen=True, slots=True)
class Offering:
    offers: tuple[Offer, ...]
    left_out: tuple[tuple[str, LeftOut], ...] = ()
    """The names of tools, cut, and why they cannot be had."""


def offering(server: Server, listed: Iterable[McpTool], *, complete: bool) -> Offering:
    """The tools that can be had of those that `server` has listed; `complete`: it had no more."""
    offers: dict[str, Offer] = {}
    left_out: list[tuple[str, LeftOut]] = [] if complete else [("(and more)", "too_many")]
    room = MOST_CHARACTERS
    for tool in listed:
        found = _found(server, tool, offers, room, unfit=len(left_out))
        if isinstance(found, Offer):
            offers[found.name] = found
            room -= found.size
        elif len(left_out) < MOST_TOOLS:
            left_out.append((clean_text(tool.name)[:_LONGEST_NAME], found))
    return Offering(tuple(offers.values()), tuple(left_out))


def _found(
    server: Server, tool: McpTool, offers: Mapping[str, Offer], room: int, *, unfit: int
) -> Offer | LeftOut:
    name = tool_name(server.name, tool.name)
    if name is None or name in offers:
        return "name"
    # It takes time to look at them, in which everybody waits.
    if MOST_TOOLS in {len(offers), unfit}:
        return "too_many"
    if not is_usable(tool.input_schema):
        return "schema"
    offer = _offer(server, tool, name)
    return offer if offer.size <= room else "too_many"


def tool_name(server: str, true_name: str) -> str | None:
    """The name of a tool, with that of its server before it; none for one that makes no sense.

    What models' servers take no names with is replaced, and what is too long is cut; then a hash of the true
    name keeps it apart from others.
    """
    if not 0 < len(true_name) <= _LONGEST_TRUE_NAME:
        return None
    plain = _FOREIGN.sub("_", true_name)
    whole = f"{server}__{plain}"
    if plain == true_name and len(whole) <= _LONGEST_NAME:
        return whole
    digest = hashlib.sha256(true_name.encode("utf-8", "replace")).hexdigest()[:_HASHED]
    return f"{whole[: _LONGEST_NAME - _HASHED - 1]}-{digest}"


def _offer(server: Server, tool: McpTool, name: str) -> Offer:
    hints = tool.annotations
    # What a server says of its own tools is no evidence (MCP 2026-07-28, server/tools, annotations).
    believed = hints if server.trusted else None
    read_only = believed is not None and bool(believed.read_only_hint)
    idempotent = believed is not None and bool(believed.idempotent_hint)
    keyed = server.trusted and bool((tool.meta or {}).get(KEY))
    title = tool.title or (hints.title if hints else None)
    description = clean_text(tool.description or "")[:_LONGEST_DESCRIPTION]
    return Offer(
        name=name,
        true_name=tool.name,
        title=clean_text(title)[:_LONGEST_TRUE_NAME] if title else None,
        description=description,
        schema=tool.input_schema,
        read_only=read_only,
        repeatable=read_only or idempotent or keyed,
        size=len(name) + len(description) + len(json.dumps(tool.input_schema)),
    )
