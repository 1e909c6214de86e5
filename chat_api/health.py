"""Whether this replica lives, and whether it can serve."""

from typing import Literal, cast

from fastapi import APIRouter, Request
from pydantic import BaseModel
from sqlalchemy import text

from kit.postgres import Db

router = APIRouter(prefix="/api/v1/health", tags=["health"])


class Health(BaseModel):
    status: Literal["ok"] = "ok"


@router.get("/live")
async def live() -> Health:
    """The process answers."""
    return Health()


@router.get("/ready")
async def ready(request: Request) -> Health:
    """The database answers too; 503 where it does not."""
    async with cast("Db", request.state.db)() as session:
        await session.execute(text("SELECT 1"))
    return Health()
