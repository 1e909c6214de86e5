"""What a prompt is, and what can be wrong with a request for one."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import mcp_types
from mcp_types import GetPromptResult, PromptMessage

from mcp_server.completions import Completer
from mcp_server.context import ToolContext, ToolError
from mcp_server.tooling import unknown_arguments

__all__ = ["Argument", "Arguments", "BadArgument", "Prompt", "UnknownPrompt", "answer", "named"]

_LONGEST: Final = 1000

Arguments: TypeAlias = Mapping[str, str]
"""What a person filled in: nothing empty, without spaces around it."""


class UnknownPrompt(ToolError):
    """No prompt has that name."""

    def __init__(self) -> None:
        super().__init__("There is no such prompt; prompts/list names those there are.")


class BadArgument(ToolError):
    """An argument is missing, unknown or cannot be used."""


@dataclass(frozen=True, slots=True)
class Argument:
    name: str
    description: str
    complete: Completer | None = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    name: str
    title: str
    description: str
    arguments: tuple[Argument, ...]
    render: Callable[[ToolContext, Arguments], Awaitable[list[PromptMessage]]]

    @property
    def shown(self) -> mcp_types.Prompt:
        arguments = [
            mcp_types.PromptArgument(name=each.name, description=each.description, required=each.required)
            for each in self.arguments
        ]
        return mcp_types.Prompt(
            name=self.name, title=self.title, description=self.description, arguments=arguments
        )


def named(prompts: Mapping[str, Prompt], name: str) -> Prompt:
    """Raises UnknownPrompt."""
    if name not in prompts:
        raise UnknownPrompt
    return prompts[name]


async def answer(ctx: ToolContext, prompt: Prompt, sent: Arguments) -> GetPromptResult:
    """The prompt, filled in. Raises BadArgument, and what reading the person's data raises."""
    messages = await prompt.render(ctx, _checked(prompt, sent))
    return GetPromptResult(description=prompt.description, messages=messages)


def _checked(prompt: Prompt, sent: Arguments) -> Arguments:
    known = [each.name for each in prompt.arguments]
    if not sent.keys() <= set(known):
        raise BadArgument(unknown_arguments(prompt.name, known))
    # Clients send what was left empty in a form as an empty text.
    filled = {name: value.strip() for name, value in sent.items() if value.strip()}
    for each in prompt.arguments:
        if each.required and each.name not in filled:
            raise BadArgument(f"{prompt.name} needs `{each.name}` ({each.description}).")
        if len(filled.get(each.name, "")) > _LONGEST:
            raise BadArgument(f"Send a shorter `{each.name}`: at most {_LONGEST} characters.")
    return filled
