"""Jobs: what waits, runs and has ended. Like models, all who sign in see them; owners and admins cancel and retry."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from forecastle.api.depends import EditorDep, GivenTermsDep, ServicesDep, UserDep
from forecastle.api.routes import PREFIX
from forecastle.auth.users import User
from forecastle.bootstrap import KindName
from forecastle.errors import Forbidden
from forecastle.jobs import queue
from forecastle.jobs.job import Job, LogLine
from forecastle.jobs.machine import Status
from forecastle.types import Page

router = APIRouter(prefix=PREFIX, tags=["training"])


@router.get("/jobs")
async def list_jobs(
    services: ServicesDep,
    user: UserDep,
    status: Annotated[Status | None, Query(description="Only jobs of this status.")] = None,
    kind: Annotated[KindName | None, Query(description="Only jobs of this kind.")] = None,
    mine: Annotated[bool, Query(description="Only your own jobs.")] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="The `next` of an earlier page.")] = None,
) -> Page[Job]:
    """Jobs, the newest first."""
    async with services.database.read() as session:
        return await queue.list_jobs(
            session, status, kind=kind, owner=user.id if mine else None, limit=limit, cursor=cursor
        )


@router.get("/jobs/{job_id}")
async def get_job(services: ServicesDep, _user: UserDep, job_id: str) -> Job:
    """One job: its status, progress, result or error."""
    async with services.database.read() as session:
        return await queue.get(session, job_id)


@router.get("/jobs/{job_id}/logs")
async def get_job_logs(
    services: ServicesDep,
    _user: UserDep,
    job_id: str,
    after: Annotated[int, Query(ge=0, le=2**63 - 1, description="The number of the last line that is known.")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> Page[LogLine]:
    """What a job logged, the oldest line first; `after` asks for what came since."""
    async with services.database.read() as session:
        await queue.get(session, job_id)
        return Page(await queue.logs(session, job_id, after=after, limit=limit))


@router.post("/jobs/{job_id}/cancel")
async def cancel_job(services: ServicesDep, editor: EditorDep, job_id: str) -> Job:
    """Cancel a job that has not ended. If it runs, its process is killed."""
    async with services.database.write() as session:
        _may_change(editor, await queue.get(session, job_id), "cancel")
        return await queue.cancel(session, job_id, now=services.clock.now())


@router.post(
    "/jobs/{job_id}/retry",
    status_code=202,
    responses={200: {"model": Job, "description": "The same was submitted again already: the job that came of it."}},
)
async def retry_job(
    services: ServicesDep, editor: EditorDep, job_id: str, given: GivenTermsDep, response: Response
) -> Job:
    """Submit a job that failed or was cancelled once more, on the same terms or on others; the old one stays."""
    async with services.database.write() as session:
        old = await queue.get(session, job_id)
        _may_change(editor, old, "retry")
        made = await queue.retry(session, job_id, now=services.clock.now(), terms=old.terms.but(**given))
    if made.duplicate:
        response.status_code = 200
    return made.job


def _may_change(editor: User, job: Job, verb: str) -> None:
    if editor.role != "admin" and job.owner != editor.id:
        raise Forbidden(f"only its owner or an admin may {verb} a job")
