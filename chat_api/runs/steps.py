"""The steps of a run, read from its log."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from chat_api.runs.events import ATTEMPT
from chat_api.runs.models import EventRow
from chat_api.runs.schemas import StepOut
from kit.postgres import Db

__all__ = ["steps_of"]


async def steps_of(db: Db, run_id: UUID) -> list[StepOut]:
    """The calls of models and tools, in the order in which they began.

    One that an attempt began and a later one made anew is there once, as the later one.
    """
    wanted = (
        select(EventRow)
        .where(col(EventRow.run_id) == run_id, col(EventRow.type).in_(["step.started", "step.finished"]))
        .order_by(col(EventRow.seq))
    )
    async with db() as session:
        return _fold(await session.scalars(wanted))


def _fold(rows: Iterable[EventRow]) -> list[StepOut]:
    steps: dict[str, StepOut] = {}
    for row in rows:
        step_id = row.data["step_id"]
        shown = {name: value for name, value in row.data.items() if name in StepOut.model_fields}
        attempt = row.seq // ATTEMPT
        if row.type == "step.started":
            steps[step_id] = StepOut(**shown, status="running", attempt=attempt, started_at=row.at)
            continue
        # A call that was refused has no start.
        began = steps.get(step_id)
        steps[step_id] = StepOut(
            **shown,
            status="failed" if row.data.get("error") else "completed",
            attempt=attempt,
            started_at=began.started_at if began else row.at,
            finished_at=row.at,
        )
    return list(steps.values())
