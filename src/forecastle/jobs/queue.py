"""The queue, for whoever submits jobs and looks at them. What a runner does to it stands in `leases`."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, func, insert, select, true, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.db import Database
from forecastle.db.paging import newest_first
from forecastle.jobs.errors import BadStatus, JobEnded, JobNotFound, JobNotRetriable
from forecastle.jobs.job import NO_TERMS, Change, Job, LogLine, Terms
from forecastle.jobs.machine import STATUSES, Status, sources
from forecastle.jobs.tables import DEDUPED, JobChangeRow, JobLineRow, JobRow
from forecastle.types import JsonObject, Page, new_id

WATCH_S = 0.2
RETRIABLE: tuple[Status, ...] = ("failed", "cancelled")

_FIELDS = tuple(field.name for field in fields(Job))


@dataclass(frozen=True, slots=True)
class Submission:
    """The job that does what was asked for; `duplicate` if it was there before."""

    job: Job
    duplicate: bool


async def submit(
    session: AsyncSession,
    *,
    kind: str,
    payload: JsonObject,
    dedupe: str | None,
    owner: str | None,
    now: datetime,
    terms: Terms = NO_TERMS,
) -> Submission:
    """Put a job in the queue, or find the one with the same `dedupe` that is waiting, running or completed.

    Of several who submit the same at once, one makes the job and the others get it as a duplicate. A duplicate keeps
    the terms it was first submitted on.

    Raises:
        BadInput: the terms cannot be kept.
    """
    return await _submit(
        session, {"kind": kind, "payload": payload, "dedupe": dedupe, "owner": owner}, terms=terms, now=now
    )


async def _submit(session: AsyncSession, what: dict[str, Any], *, terms: Terms, now: datetime) -> Submission:
    terms.check()
    values = what | {
        "id": new_id(now),
        "status": "pending",
        "progress": 0.0,
        "message": "",
        "created_at": now,
        "attempts": 0,
        "priority": terms.priority,
        "timeout_s": terms.timeout_s,
        "memory_mb": terms.memory_mb,
    }
    while True:  # the job in the way may fail between the two statements; then there is room for this one
        row = await session.scalar(_insert_unless_there(session).values(**values).returning(JobRow))
        if row is not None:
            return Submission(to_job(row), duplicate=False)
        if what["dedupe"] is not None and (found := await find(session, what["dedupe"])):
            return Submission(found, duplicate=True)


def _insert_unless_there(session: AsyncSession) -> postgresql.Insert | sqlite.Insert:
    insert_row = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    return insert_row(JobRow).on_conflict_do_nothing(index_elements=[JobRow.dedupe], index_where=DEDUPED)


async def find(session: AsyncSession, dedupe: str) -> Job | None:
    """The job with this `dedupe` that is waiting, running or completed."""
    row = await session.scalar(select(JobRow).where(JobRow.dedupe == dedupe, DEDUPED))
    return to_job(row) if row is not None else None


async def get_all(session: AsyncSession, job_ids: Collection[str]) -> dict[str, Job]:
    """The jobs of those ids, by id; ids that there are no jobs of are missing."""
    rows = await session.scalars(select(JobRow).where(JobRow.id.in_(job_ids)))
    return {row.id: to_job(row) for row in rows}


async def find_all(session: AsyncSession, dedupes: Collection[str]) -> dict[str, Job]:
    """The jobs with one of these `dedupe` that are waiting, running or completed, by it."""
    rows = await session.scalars(select(JobRow).where(JobRow.dedupe.in_(dedupes), DEDUPED))
    return {str(row.dedupe): to_job(row) for row in rows}


async def get(session: AsyncSession, job_id: str, *, owner: str | None = None) -> Job:
    """The job of that id, if `owner` is None or owns it.

    Raises:
        JobNotFound: there is none, or it is someone else's.
    """
    row = await session.get(JobRow, job_id, populate_existing=True)
    if row is None or owner not in {None, row.owner}:
        raise JobNotFound(job_id)
    return to_job(row)


async def list_jobs(
    session: AsyncSession,
    status: str | None = None,
    *,
    kind: str | None = None,
    owner: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Job]:
    """One page of jobs, newest first.

    Raises:
        BadStatus: no such status.
        BadInput: `limit` is out of range, or `cursor` not the `next` of an earlier page.
    """
    statement = select(JobRow)
    for column, wanted in ((JobRow.status, known_status(status)), (JobRow.kind, kind), (JobRow.owner, owner)):
        if wanted is not None:
            statement = statement.where(column == wanted)
    return await newest_first(session, statement, JobRow, to_job, limit=limit, cursor=cursor)


async def count_by_status(session: AsyncSession) -> dict[str, int]:
    """How many jobs there are in each status, 0 included."""
    number = func.count().label("number")
    counted = await session.execute(select(JobRow.status, number).group_by(JobRow.status))
    return dict.fromkeys(STATUSES, 0) | {row.status: row.number for row in counted}


async def cancel(session: AsyncSession, job_id: str, *, now: datetime, owner: str | None = None) -> Job:
    """Cancel a job that has not ended; its runner kills the worker. One cancelled before stays as it is.

    Raises:
        JobNotFound: there is no such job, or `owner` is given and it is someone else's.
        JobEnded: it has completed or failed.
    """
    mine = true() if owner is None else JobRow.owner == owner
    job = await move(session, job_id, "cancelled", mine, finished_at=now, message="cancelled")
    if job is None:
        job = await get(session, job_id, owner=owner)
        if job.status != "cancelled":
            raise JobEnded(job.id, job.status)
    return job


async def retry(
    session: AsyncSession, job_id: str, *, now: datetime, owner: str | None = None, terms: Terms | None = None
) -> Submission:
    """Submit a job that failed or was cancelled once more, on its own terms or on others.

    The old job stays as it is. When the same was submitted again meanwhile, that job is found.

    Raises:
        JobNotFound: there is no such job, or `owner` is given and it is someone else's.
        JobNotRetriable: it has neither failed nor been cancelled.
        BadInput: the terms cannot be kept.
    """
    job = await get(session, job_id, owner=owner)
    if job.status not in RETRIABLE:
        raise JobNotRetriable(job.id, job.status)
    same = {"kind": job.kind, "payload": job.payload, "dedupe": job.dedupe, "owner": job.owner, "retry_of": job.id}
    return await _submit(session, same, terms=terms or job.terms, now=now)


async def changes(session: AsyncSession, job_id: str, *, after: int = 0) -> tuple[Change, ...]:
    """Every status that the job came into, the first one first, from the change after number `after`."""
    statement = select(JobChangeRow).where(JobChangeRow.job_id == job_id, JobChangeRow.number > after)
    rows = await session.scalars(statement.order_by(JobChangeRow.number))
    return tuple(to_change(row) for row in rows)


async def logs(session: AsyncSession, job_id: str, *, after: int = 0, limit: int = 1000) -> tuple[LogLine, ...]:
    """The job's log, oldest line first, from the line after number `after`."""
    statement = select(JobLineRow).where(JobLineRow.job_id == job_id, JobLineRow.number > after)
    rows = await session.scalars(statement.order_by(JobLineRow.number).limit(limit))
    return tuple(LogLine(row.number, row.at, row.text) for row in rows)


async def release_dedupe(session: AsyncSession, dedupe: str) -> bool:
    """Let the same be submitted again although it completed; False if no completed job holds that text."""
    statement = update(JobRow).where(JobRow.dedupe == dedupe, JobRow.status == "completed").values(dedupe=None)
    return (await session.execute(statement.returning(JobRow.id))).first() is not None


async def watch(database: Database, job_id: str, *, every_s: float = WATCH_S) -> AsyncIterator[Job]:
    """The job now and after every change, until it has ended.

    Raises:
        JobNotFound: there is no such job.
    """
    seen: Job | None = None
    while seen is None or not seen.ended:
        async with database.read() as session:
            job = await get(session, job_id)
        if job != seen:
            seen = job
            yield job
        else:
            await asyncio.sleep(every_s)


async def move(
    session: AsyncSession, job_id: str, to: Status, *conditions: ColumnElement[bool], **values: Any
) -> Job | None:
    """Give a job another status, if its present one and `conditions` allow it; None if not.

    Of several who try at once, the database lets one through.
    """
    statement = (
        update(JobRow)
        .where(JobRow.id == job_id, JobRow.status.in_(sources(to)), *conditions)
        .values(status=to, **values)
        .returning(JobRow)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    row = await session.scalar(statement)
    return to_job(row) if row is not None else None


async def append_lines(session: AsyncSession, job_id: str, lines: Sequence[tuple[datetime, str]]) -> None:
    """Add lines to a job's log."""
    if lines:
        await session.execute(insert(JobLineRow), [{"job_id": job_id, "at": at, "text": line} for at, line in lines])


def to_job(row: JobRow) -> Job:
    """The value that a row holds."""
    return Job(**{name: getattr(row, name) for name in _FIELDS})


def to_change(row: JobChangeRow) -> Change:
    """The value that a row holds."""
    return Change(row.number, cast("Status", row.status), row.attempt, row.at)


def known_status(status: str | None) -> Status | None:
    """`status`, if there is such a status.

    Raises:
        BadStatus: there is not.
    """
    for known in STATUSES:
        if status == known:
            return known
    if status is None:
        return None
    raise BadStatus.at("status", expected=f"one of {', '.join(STATUSES)}", found=status)
