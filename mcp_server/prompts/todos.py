"""Prompts about the user's todos."""

from datetime import UTC, datetime
from typing import Final

from mcp_types import EmbeddedResource, PromptMessage, TextContent

from mcp_server.completions import tags_of_open_todos
from mcp_server.context import ToolContext, zone
from mcp_server.moments import parse_moment
from mcp_server.prompts.prompt import Argument, Arguments, Prompt
from mcp_server.resources import contents_of, todo_uri

__all__ = ["PLAN_MY_DAY", "REVIEW_TODOS"]

_ASK: Final = "Ask me before you change, complete or delete any of them."


async def _plan(ctx: ToolContext, arguments: Arguments) -> list[PromptMessage]:
    here = zone(ctx)
    now = datetime.now(UTC).astimezone(here)
    day = parse_moment(arguments["day"], here).at if "day" in arguments else now
    lines = [
        f"Plan my {day:%A}, {day.date()}. Now it is {now:%Y-%m-%d %H:%M} in {here.key}.",
        f"The time I have: {arguments['hours']}." if "hours" in arguments else "",
        "My open todos are attached. Say what to do when, beginning with what is due and what matters most.",
        "Leave room for breaks, and say what can wait for another day.",
        _ASK,
    ]
    return await _with_open_todos(ctx, lines)


async def _review(ctx: ToolContext, arguments: Arguments) -> list[PromptMessage]:
    now = datetime.now(UTC).astimezone(zone(ctx))
    lines = [
        f"Review my open todos, which are attached. Today is {now:%A}, {now.date()}.",
        f"Look only at those with the tag {arguments['tag']}." if "tag" in arguments else "",
        "Say which are overdue, twice there, too vague to be begun, too large, or lack a due time.",
        "Suggest what to change, and a few to begin with.",
        _ASK,
    ]
    return await _with_open_todos(ctx, lines)


async def _with_open_todos(ctx: ToolContext, lines: list[str]) -> list[PromptMessage]:
    todos = await contents_of(ctx, todo_uri("open"))
    return [
        PromptMessage(role="user", content=EmbeddedResource(resource=todos)),
        PromptMessage(role="user", content=TextContent(text=" ".join(filter(None, lines)))),
    ]


PLAN_MY_DAY: Final = Prompt(
    name="plan_my_day",
    title="Plan my day",
    description="A plan for a day from the open todos",
    arguments=(
        Argument("day", "The day, such as tomorrow or 2026-11-21; left out: today"),
        Argument("hours", "When there is time, such as 9 to 12 and after 4pm"),
    ),
    render=_plan,
)

REVIEW_TODOS: Final = Prompt(
    name="review_todos",
    title="Review my todos",
    description="What is overdue, unclear or twice there among the open todos",
    arguments=(Argument("tag", "Only todos with this tag", tags_of_open_todos),),
    render=_review,
)
