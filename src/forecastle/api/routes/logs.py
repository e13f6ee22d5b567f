"""What all jobs logged."""

from typing import Annotated

from fastapi import APIRouter, Query

from forecastle.api.depends import ServicesDep, UserDep
from forecastle.api.routes import PREFIX
from forecastle.jobs import lines
from forecastle.jobs.lines import JobLine
from forecastle.types import Page

router = APIRouter(prefix=PREFIX, tags=["operations"])


@router.get("/logs")
async def list_logs(
    services: ServicesDep,
    _user: UserDep,
    kind: Annotated[str | None, Query(description="Only jobs of this kind.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(description="The `next` of an earlier page.")] = None,
) -> Page[JobLine]:
    """What all jobs logged, the newest line first; the log of one job is at `/jobs/{id}/logs`."""
    async with services.database.read() as session:
        return await lines.list_lines(session, kind=kind, limit=limit, cursor=cursor)
