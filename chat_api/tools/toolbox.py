"""What may be called in one run, and for whom."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from agents import Tool

from chat_api.auth.service import Deputy

__all__ = ["Record", "ToolUser", "Toolbox"]


class Record(Protocol):
    """What remembers the calls of a run: does `perform` unless that was done; returns the outcome.

    `perform` takes the key of the call, and the arguments that the user has put in place of the model's.
    """

    def __call__(
        self,
        call_id: str,
        arguments: dict[str, Any],
        perform: Callable[[str, dict[str, Any] | None], Awaitable[dict[str, Any]]],
        *,
        repeatable: bool,
    ) -> Awaitable[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What may be called in one run.

    `read_only`: the names of the tools that change nothing. `repeatable`: of those whose call can be made
    again though it may have happened, because it changes nothing or knows its key. `sources`: the name of
    the other MCP server that a tool is of; those of our own tool server are not in it.
    """

    tools: list[Tool] = field(default_factory=list[Tool])
    read_only: frozenset[str] = frozenset()
    repeatable: frozenset[str] = frozenset()
    sources: Mapping[str, str] = field(default_factory=dict[str, str])

    def only(self, names: Collection[str]) -> "Toolbox":
        """The same with nothing but the tools of these `names`."""
        return replace(self, tools=[tool for tool in self.tools if tool.name in names])


@dataclass(slots=True)
class ToolUser:
    """Whom the tools of one run work for: the context of the SDK's run.

    `deputy` speaks for the person; `rounds` bounds the model calls; `record` is told of each call; `box` has
    what may be called; `functions` names what programs may call, where that is not all that only reads.
    """

    deputy: Deputy
    rounds: int
    record: Record
    box: Toolbox = field(default_factory=Toolbox)
    functions: list[str] | None = None
