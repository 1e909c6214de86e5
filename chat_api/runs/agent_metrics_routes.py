"""How an agent does."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from chat_api.agents import service as agents
from chat_api.auth.dependencies import Caller, Database
from chat_api.runs.agent_metrics import measure
from chat_api.runs.schemas import Dollars
from chat_api.runs.span import Span

router = APIRouter(tags=["agents"])


class AgentMetrics(BaseModel):
    """Numbers of runs, tokens and calls. `of`: everybody's runs, for its owner, or only one's own."""

    agent_id: UUID
    of: Literal["everybody", "oneself"]
    since: datetime
    until: datetime
    runs: int
    by_status: dict[str, int]
    errors: dict[str, int] = Field(description="Of the runs that failed, by the code of the error")
    latency_ms_p50: float | None = Field(description="Of the completed runs, from the message to the end")
    latency_ms_p95: float | None
    input_tokens: int
    output_tokens: int
    cost_usd: Dollars = Field(description="Of the runs whose cost is known")
    tool_calls: int
    failed_tool_calls: int


@router.get("/agents/{agent_id}/metrics")
async def measure_agent(
    caller: Caller, db: Database, agent_id: UUID, wanted: Annotated[Span, Query()]
) -> AgentMetrics:
    """How many runs an agent had in a time, and what they came to.

    For its owner those of all who use it; for them, their own.
    """
    seen = await agents.find(db, caller, agent_id)
    owns = seen.right == "owner"
    since, until = wanted.span
    found = await measure(db, agent_id, None if owns else caller.owner, since, until)
    return AgentMetrics.model_validate(
        {
            "agent_id": agent_id,
            "of": "everybody" if owns else "oneself",
            "since": since,
            "until": until,
            **found._asdict(),
        }
    )
