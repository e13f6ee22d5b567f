"""What a runner writes down of its jobs: their news while they run, and how they ended."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.clock import Clock
from forecastle.db import Database
from forecastle.db.errors import DatabaseUnavailable, StatementTimeout
from forecastle.errors import ForecastleError
from forecastle.jobs import leases
from forecastle.jobs.executor import Lost
from forecastle.jobs.job import Job
from forecastle.jobs.journal import Failed, Measured, Outcome, storable
from forecastle.jobs.kinds import JobKind
from forecastle.jobs.running import Running
from forecastle.types import JsonObject

OUTAGES = (DatabaseUnavailable, StatementTimeout)

log = structlog.get_logger("forecastle.jobs")


class Books:
    """Holds what a runner knows of its jobs against the database; nothing of a job it has lost is written."""

    def __init__(
        self, database: Database, kinds: Mapping[str, JobKind], runner: str, clock: Clock, *, max_attempts: int
    ) -> None:
        self._database = database
        self._kinds = kinds
        self._runner = runner
        self._clock = clock
        self._max_attempts = max_attempts
        self._storing_news = asyncio.Lock()

    async def store_news(self, jobs: Iterable[Running]) -> None:
        """Write down what they reported since the last time, in one transaction."""
        async with self._storing_news:  # twice at once would store the same lines twice
            news = [(r, r.report, tuple(r.lines), tuple(r.measured)) for r in jobs if r.report or r.lines or r.measured]
            if not news:
                return
            async with self._database.write() as session:
                for running, report, lines, measured in news:
                    if await leases.record(session, self._runner, running.job, report=report, lines=lines) and measured:
                        await self._hand_on(session, running.job, measured)
            for running, report, lines, measured in news:
                running.forget(report, len(lines), len(measured))

    async def _hand_on(self, session: AsyncSession, job: Job, measured: Sequence[Measured]) -> None:
        """Tell the kind what its job measured; a bug there costs neither the job nor the news of others."""
        hear = self._kinds[job.kind].measured
        if hear is None:
            return
        try:
            async with session.begin_nested():
                await hear(session, job, measured, self._clock.now())
        except OUTAGES:
            raise
        except Exception:
            log.exception("what a job measured could not be dealt with", job=job.id)

    async def close(self, job: Job, outcome: Outcome | Lost) -> None:
        """Write down how a job ended.

        Raises:
            DatabaseUnavailable, StatementTimeout: nothing was written.
        """
        if isinstance(outcome, Lost):
            await self._put_back(job, outcome)
            return
        failure = outcome if isinstance(outcome, Failed) else await self._finish(job, outcome.result)
        if failure is not None:
            await self._fail(job, failure)

    async def _put_back(self, job: Job, outcome: Lost) -> None:
        async with self._database.write() as session:
            await leases.put_back(
                session,
                self._runner,
                {job.id: job.attempts},
                now=self._clock.now(),
                max_attempts=self._max_attempts,
            )
        log.warning("job lost; put back into the queue", job=job.id, kind=job.kind, reason=outcome.reason)

    async def _finish(self, job: Job, result: JsonObject) -> Failed | None:
        """Complete a job, or say why that is not possible."""
        try:
            await self._complete(job, result)
        except OUTAGES:
            raise
        except ForecastleError as error:
            return Failed(error.message)
        except Exception as error:  # a bug in the kind's `finish` ends its job, not the runner
            log.exception("a job could not be finished", job=job.id)
            return Failed(f"internal error: {type(error).__name__}: {error}")
        return None

    async def _complete(self, job: Job, result: JsonObject) -> None:
        now = self._clock.now()
        async with self._database.write() as session:
            completed = await leases.complete(session, self._runner, job, now=now)
            if completed is not None:
                kept = await self._kinds[job.kind].finish(session, completed, result)
                await leases.keep_result(session, completed, kept)
        log.info("job completed" if completed else "job was not ours any more", job=job.id, kind=job.kind)

    async def _fail(self, job: Job, outcome: Failed) -> None:
        now = self._clock.now()
        async with self._database.write() as session:
            await leases.fail(session, self._runner, job, error=storable(outcome.error), now=now)
        log.warning("job failed", job=job.id, kind=job.kind, error=outcome.error)
