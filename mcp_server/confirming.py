"""Asking a person before something is gone for good.

A tool raises Unconfirmed where its `confirm` is not set. The person is asked by their client, if it can ask;
else the model is told to ask, and what to send then.
"""

from typing import Annotated, Final, TypeAlias

from anyio import fail_after
from mcp.server.elicitation import AcceptedElicitation, render_elicitation_schema
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel, Field

from mcp_server.context import ToolContext, ToolError

__all__ = ["CONFIRM", "Confirm", "Unconfirmed", "ask", "has_agreed"]

Confirm: TypeAlias = Annotated[
    bool, Field(description="True if the user has asked for it, as it cannot be undone")
]

CONFIRM: Final = "confirm"

PATIENCE: Final = 300.0


class Unconfirmed(ToolError):
    """What the tool would do is for good; its text is the question."""


class Unasked(ToolError):
    """Nobody can ask the person but the model."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"That cannot be undone. Ask the user, unless they asked for it; then call {name} again "
            f"with {CONFIRM} set to true."
        )


class NotAgreed(ToolError):
    """The person was asked and did not agree."""

    def __init__(self) -> None:
        super().__init__("The user did not agree, so nothing was changed.")


class _Form(BaseModel):
    confirm: bool = Field(title="Yes, for good")


_SCHEMA: Final = render_elicitation_schema(_Form)


def has_agreed(ctx: ToolContext | None) -> bool:
    """Whether this call brings the person's consent, which a result had asked for. Raises NotAgreed."""
    answer = (ctx.input_responses or {}).get(CONFIRM) if ctx else None
    if answer is None:
        return False
    if not isinstance(answer, ElicitResult) or answer.action != "accept":
        raise NotAgreed
    if (answer.content or {}).get(CONFIRM) is not True:
        raise NotAgreed
    return True


async def ask(ctx: ToolContext | None, name: str, question: Unconfirmed) -> InputRequiredResult | None:
    """What asks the person, or None once they have agreed. Raises NotAgreed and Unasked."""
    if ctx is None or not _can_ask(ctx):
        raise Unasked(name)
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        form = ElicitRequestFormParams(message=str(question), requested_schema=_SCHEMA)
        return InputRequiredResult(input_requests={CONFIRM: ElicitRequest(params=form)})
    try:
        with fail_after(PATIENCE):
            answer = await ctx.elicit(str(question), _Form)
    except (MCPError, ValueError, TimeoutError) as error:
        # It said that it can ask and cannot.
        raise Unasked(name) from error
    if isinstance(answer, AcceptedElicitation) and answer.data.confirm:
        return None
    raise NotAgreed


def _can_ask(ctx: ToolContext) -> bool:
    """Whether the client has said that it shows forms. One that names no kind of question means forms."""
    declared = ctx.client_capabilities
    asking = declared.elicitation if declared else None
    return asking is not None and (asking.form is not None or asking.url is None)
