"""Runs: what became of turns, their logs, and stopping them."""

from contextlib import nullcontext
from http import HTTPStatus
from typing import Annotated, TypeAlias, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response

from chat_api.auth.dependencies import Caller, Database, StreamCaller
from chat_api.auth.limits import limits_of
from chat_api.runs import listing, service
from chat_api.runs.canonical import EventPage, page_of
from chat_api.runs.decisions import Decision, pending
from chat_api.runs.hub import read
from chat_api.runs.listing import RunQuery
from chat_api.runs.models import FINAL
from chat_api.runs.schemas import Approval, ApprovalList, OpenRequest, RunList, RunOut, StepList
from chat_api.runs.steps import steps_of
from chat_api.runs.streaming import RunStream
from chat_api.runs.wire import NDJSON, SSE, Wire
from chat_api.runs.worker import Worker

__all__ = ["Working", "router", "wanted_wire"]

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])

_LARGEST_SEQ = 10**15


async def _worker(request: Request) -> Worker:
    return cast("Worker", request.state.worker)


Working: TypeAlias = Annotated[Worker, Depends(_worker)]
_Seq: TypeAlias = Annotated[int, Query(ge=0, le=_LARGEST_SEQ, description="Only events after this number")]


def wanted_wire(request: Request) -> Wire | None:
    """The stream that the client's Accept asks for, if it does."""
    accepted = request.headers.get("accept", "")
    wires = {wire.media_type.partition(";")[0]: wire for wire in (SSE, NDJSON)}
    return next((wire for media_type, wire in wires.items() if media_type in accepted), None)


@router.get("")
async def list_runs(
    caller: Caller,
    db: Database,
    wanted: Annotated[RunQuery, Query()],
) -> RunList:
    """One's own runs, the newest first."""
    found, more = await listing.list_runs(db, caller.owner, wanted)
    runs = [RunOut.model_validate(run, from_attributes=True) for run in found]
    return RunList(runs=runs, next_cursor=more)


@router.get("/{run_id}")
async def get_run(caller: Caller, worker: Working, run_id: UUID) -> RunOut:
    """What became of a turn."""
    run = await service.get_owned(worker.deps.db, caller.owner, run_id)
    return RunOut.model_validate(run, from_attributes=True)


@router.get("/{run_id}/steps")
async def list_steps(caller: Caller, worker: Working, run_id: UUID) -> StepList:
    """Each call of a model or a tool: when, how long, what it took, what came of it."""
    await service.get_owned(worker.deps.db, caller.owner, run_id)
    return StepList(steps=await steps_of(worker.deps.db, run_id))


@router.get(
    "/{run_id}/events",
    response_model=EventPage,
    responses={
        200: {"content": {"text/event-stream": {}, "application/x-ndjson": {}}},
        204: {"description": "An event stream that has nothing more, for the run is over"},
    },
)
async def list_events(
    request: Request,
    caller: StreamCaller,
    worker: Working,
    run_id: UUID,
    after: _Seq = 0,
    limit: Annotated[int, Query(ge=1, le=500, description="Events of a page of JSON at most")] = 500,
    last_event_id: Annotated[int | None, Header(ge=0, le=_LARGEST_SEQ)] = None,
) -> Response | EventPage:
    """The run's log after `Last-Event-ID` or `after`: as a stream to its end, or a page of what there is."""
    run = await service.get_owned(worker.deps.db, caller.owner, run_id)
    after = after if last_event_id is None else last_event_id
    ended = run.status in FINAL
    wire = wanted_wire(request)
    if wire is None:
        events = await read(worker.deps.db, run_id, after, limit)
        return page_of(events[:limit], after=after, is_last=ended and len(events) < limit)
    if wire is SSE and ended and not await read(worker.deps.db, run_id, after, 1):
        # An EventSource connects again after every end of a stream, but not after this.
        return Response(status_code=HTTPStatus.NO_CONTENT)
    limits = limits_of(request)
    seat = nullcontext() if limits is None else limits.answers.offer(caller.owner)
    events = service.follow(worker, run_id, after, ended=ended)
    return RunStream(events, wire, {"X-Run-ID": str(run_id)}, seat)


@router.post("/{run_id}/cancel")
async def cancel(caller: Caller, worker: Working, run_id: UUID) -> RunOut:
    """Stop a turn, wherever it runs. What was said so far is kept. Safe to repeat."""
    run = await service.cancel(worker, caller.owner, run_id)
    return RunOut.model_validate(run, from_attributes=True)


@router.get("/{run_id}/approvals")
async def list_approvals(caller: Caller, worker: Working, run_id: UUID) -> ApprovalList:
    """The calls that the run waits for a decision about; none where it does not wait."""
    await service.get_owned(worker.deps.db, caller.owner, run_id)
    found = await pending(worker.deps.db, run_id)
    return ApprovalList(requests=[OpenRequest.model_validate(request) for request in found])


@router.post("/{run_id}/approvals")
async def decide(caller: Caller, worker: Working, run_id: UUID, decision: Approval) -> RunOut:
    """Decide about a call that the run waits for. It goes on once all are decided. Safe to repeat."""
    run = await service.decide(worker, caller.owner, run_id, Decision(**decision.model_dump()))
    return RunOut.model_validate(run, from_attributes=True)
