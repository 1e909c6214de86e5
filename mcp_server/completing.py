"""Which completions are for which argument of a prompt or template."""

from collections.abc import Mapping
from typing import Final

from mcp_types import CompleteRequestParams, Completion, PromptReference

from mcp_server.completions import Completer, paths, todo_ids
from mcp_server.context import ToolContext, ToolError
from mcp_server.prompts import PROMPTS, named
from mcp_server.resources import FILE_TEMPLATE, TODO_TEMPLATE
from mcp_server.tooling import unknown_arguments

__all__ = ["NothingToComplete", "complete"]

_TEMPLATES: Final[Mapping[str, Mapping[str, Completer]]] = {
    TODO_TEMPLATE: {"id": todo_ids},
    FILE_TEMPLATE: {"path": paths},
}


class NothingToComplete(ToolError):
    """No template has that URI, or it or the prompt has no such argument."""


async def complete(ctx: ToolContext, params: CompleteRequestParams) -> Completion:
    """Raises UnknownPrompt and NothingToComplete."""
    if isinstance(params.ref, PromptReference):
        prompt = named(PROMPTS, params.ref.name)
        name, known = prompt.name, {each.name: each.complete for each in prompt.arguments}
    else:
        name = "The template"
        known = _TEMPLATES.get(params.ref.uri)
        if known is None:
            raise NothingToComplete(
                "There is no such template; resources/templates/list names those there are."
            )
    if params.argument.name not in known:
        raise NothingToComplete(unknown_arguments(name, known))
    completer = known[params.argument.name]
    if completer is None:
        return Completion(values=[], total=0, has_more=False)
    return await completer(ctx, params.argument.value)
