"""What a runner does to the queue: take jobs under its lease, keep them, end them, and take over from the dead.

Every statement about a running job carries its runner and attempt, so a runner that lost its lease changes nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.jobs import queue
from forecastle.jobs.job import Job
from forecastle.jobs.journal import Line, Report
from forecastle.jobs.machine import RUNNING
from forecastle.jobs.tables import JobRow, RunnerRow
from forecastle.types import JsonObject

MAX_ATTEMPTS = 3


async def renew(session: AsyncSession, runner: str, *, until: datetime) -> None:
    """Extend the runner's lease, or take out its first."""
    extended = update(RunnerRow).where(RunnerRow.id == runner).values(leased_until=until).returning(RunnerRow.id)
    if await session.scalar(extended) is None:
        session.add(RunnerRow(id=runner, leased_until=until))


async def live_runners(session: AsyncSession, *, now: datetime) -> tuple[str, ...]:
    """Ids of the runners whose lease has not run out."""
    return tuple(await session.scalars(select(RunnerRow.id).where(RunnerRow.leased_until > now)))


async def claim(
    session: AsyncSession, runner: str, *, kinds: Collection[str], limit: int, now: datetime
) -> tuple[Job, ...]:
    """Take up to `limit` pending jobs, the highest priority first and of equals the oldest.

    No two runners ever take the same.
    """
    jobs: tuple[Job, ...] = ()
    while len(jobs) < limit:  # a priority at a time: an index cannot run up and down at once on every database
        waiting = and_(JobRow.status == "pending", JobRow.kind.in_(kinds))
        highest = select(JobRow.priority).where(waiting).order_by(JobRow.priority.desc()).limit(1).scalar_subquery()
        next_ones = select(JobRow.id).where(waiting, JobRow.priority == highest).order_by(JobRow.created_at, JobRow.id)
        taken = await _change(
            session,
            next_ones.limit(limit - len(jobs)),
            status="preprocessing",
            runner=runner,
            attempts=JobRow.attempts + 1,
            started_at=now,
        )
        if not taken:
            break
        jobs += tuple(sorted(taken, key=lambda job: (job.created_at, job.id)))
    return jobs


async def has_pending(session: AsyncSession, kinds: Collection[str]) -> bool:
    """Whether there is anything to claim."""
    statement = select(JobRow.id).where(JobRow.status == "pending", JobRow.kind.in_(kinds)).limit(1)
    return await session.scalar(statement) is not None


async def held(session: AsyncSession, runner: str) -> dict[str, int]:
    """The runner's running jobs: id → attempt. One that was cancelled or taken over is missing."""
    statement = select(JobRow.id, JobRow.attempts).where(JobRow.runner == runner, JobRow.status.in_(RUNNING))
    return {row.id: row.attempts for row in await session.execute(statement)}


async def record(session: AsyncSession, runner: str, job: Job, *, report: Report | None, lines: Sequence[Line]) -> bool:
    """Store what a running job last reported and what it logged; False if the job is not the runner's any more."""
    values: dict[str, Any] = {"runner": runner}
    if report is not None:
        values |= {"progress": report.share, "message": report.message}
        if report.status == "training":
            values["status"] = "training"
    statement = update(JobRow).where(_held(runner, job), JobRow.status.in_(RUNNING)).values(**values)
    if await session.scalar(statement.returning(JobRow.id)) is None:
        return False
    await queue.append_lines(session, job.id, [(line.at, line.text) for line in lines])
    return True


async def complete(session: AsyncSession, runner: str, job: Job, *, now: datetime) -> Job | None:
    """The job, now completed; None if it is not the runner's any more."""
    held = _held(runner, job)
    await queue.move(session, job.id, "training", held)
    return await queue.move(session, job.id, "completed", held, progress=1.0, message="", finished_at=now)


async def keep_result(session: AsyncSession, job: Job, result: JsonObject) -> None:
    """Store what a completed job gave."""
    await session.execute(update(JobRow).where(JobRow.id == job.id).values(result=result))


async def fail(session: AsyncSession, runner: str, job: Job, *, error: str, now: datetime) -> Job | None:
    """The job, now failed; None if it is not the runner's any more."""
    return await queue.move(session, job.id, "failed", _held(runner, job), error=error, finished_at=now)


async def give_back(session: AsyncSession, runner: str) -> None:
    """End the runner's lease; its jobs wait again, and this start of theirs does not count."""
    mine = and_(JobRow.runner == runner, JobRow.status.in_(RUNNING))
    await session.execute(update(JobRow).where(mine).values(**_WAITING, attempts=JobRow.attempts - 1))
    await session.execute(delete(RunnerRow).where(RunnerRow.id == runner))


async def recover(
    session: AsyncSession, *, gone: Collection[str], now: datetime, max_attempts: int = MAX_ATTEMPTS
) -> tuple[Job, ...]:
    """Take the jobs of dead runners back: they wait again, or fail when they were started too often.

    Args:
        session: a write session.
        gone: runners known to be dead although their lease still runs.
        now: leases that ran out by then are over too.
        max_attempts: how often a job is started before it is given up.
    """
    alive = select(RunnerRow.id).where(RunnerRow.leased_until > now, RunnerRow.id.not_in(gone))
    jobs = await _put_back(session, JobRow.runner.not_in(alive), now=now, max_attempts=max_attempts)
    over = select(RunnerRow.id).where(RunnerRow.id.not_in(alive)).with_for_update(skip_locked=True)
    await session.execute(delete(RunnerRow).where(RunnerRow.id.in_(list(await session.scalars(over)))))
    return jobs


async def put_back(
    session: AsyncSession, runner: str, jobs: Mapping[str, int], *, now: datetime, max_attempts: int = MAX_ATTEMPTS
) -> tuple[Job, ...]:
    """The same for some jobs of a runner that lives, id → attempt.

    It never heard that it got them, or what ran them is gone.
    """
    strays = or_(*(and_(JobRow.id == job_id, JobRow.attempts == attempt) for job_id, attempt in jobs.items()))
    return await _put_back(session, and_(JobRow.runner == runner, strays), now=now, max_attempts=max_attempts)


async def _put_back(
    session: AsyncSession, which: ColumnElement[bool], *, now: datetime, max_attempts: int
) -> tuple[Job, ...]:
    orphans = select(JobRow.id).where(JobRow.status.in_(RUNNING), which)
    spent = orphans.where(JobRow.attempts >= max_attempts)
    times = "once" if max_attempts == 1 else f"{max_attempts} times"
    why = f"its runner or node died {times} while this job ran; it is not tried again"
    failed = await _change(session, spent, status="failed", error=why, finished_at=now)
    return failed + await _change(session, orphans, **_WAITING)


_WAITING: dict[str, Any] = {"status": "pending", "runner": None, "progress": 0.0, "message": "", "started_at": None}


async def _change(session: AsyncSession, which: Select[str], **values: Any) -> tuple[Job, ...]:
    """Lock the jobs that `which` selects, passing over those another runner has locked, and change them."""
    ids = list(await session.scalars(which.with_for_update(skip_locked=True)))
    if not ids:
        return ()
    statement = update(JobRow).where(JobRow.id.in_(ids)).values(**values).returning(JobRow)
    rows = await session.scalars(statement.execution_options(synchronize_session=False, populate_existing=True))
    return tuple(map(queue.to_job, rows))


def _held(runner: str, job: Job) -> ColumnElement[bool]:
    return and_(JobRow.id == job.id, JobRow.runner == runner, JobRow.attempts == job.attempts)
