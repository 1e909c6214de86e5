"""Prompts that a person can start a conversation with."""

from collections.abc import Mapping
from typing import Final

from mcp_server.prompts.files import SUMMARISE_FILE
from mcp_server.prompts.prompt import Prompt, UnknownPrompt, answer, named
from mcp_server.prompts.todos import PLAN_MY_DAY, REVIEW_TODOS

__all__ = ["PROMPTS", "UnknownPrompt", "answer", "named"]

PROMPTS: Final[Mapping[str, Prompt]] = {
    prompt.name: prompt for prompt in (PLAN_MY_DAY, REVIEW_TODOS, SUMMARISE_FILE)
}
