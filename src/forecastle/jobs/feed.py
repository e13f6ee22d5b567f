"""Where events of jobs come from: the database, which alone knows what every process does to them.

It is read only while someone listens, and once for all who do.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.db import Database
from forecastle.db.errors import DatabaseUnavailable, StatementTimeout
from forecastle.jobs.events import EventHub, JobEvent, Logged, Progressed, StatusChanged, Subscription
from forecastle.jobs.machine import RUNNING
from forecastle.jobs.numbers import Numbers
from forecastle.jobs.tables import JobChangeRow, JobLineRow, JobRow

POLL_S = 0.2
RETRY_S = 1.0
PAGE = 1000
OVERLAP = 200
"""So many changes before the last one are looked for again: those that show late."""
OUTAGES = (DatabaseUnavailable, StatementTimeout)

log = structlog.get_logger("forecastle.jobs")


class JobFeed:
    """Publishes what happens to jobs, in whatever process, to those who listen in this one."""

    def __init__(self, database: Database, *, every_s: float = POLL_S) -> None:
        self.database = database
        self._hub = EventHub()
        self._every_s = every_s
        self._listeners: Counter[str | None] = Counter()
        self._lines: dict[str, int] = {}
        self._progress: dict[str, Progressed] = {}
        self._numbers = Numbers()
        self._polling: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    @property
    def is_reading(self) -> bool:
        """Whether the database is being read: someone listens."""
        return self._polling is not None

    @asynccontextmanager
    async def subscribe(self, job_id: str | None = None) -> AsyncIterator[Subscription]:
        """A subscription to one job, its log included, or to the status and progress of all.

        It tells what happens from now on; what it tells may be in the database already.
        """
        with self._hub.subscribe(job_id) as subscription:
            await self._join(job_id)
            try:
                yield subscription
            finally:
                await self._leave(job_id)

    def close(self) -> None:
        """Tell all who listen that nothing more will come."""
        self._hub.close()

    async def _join(self, job_id: str | None) -> None:
        async with self._turn:
            if job_id is not None and not self._listeners[job_id]:
                self._lines[job_id] = await self._last_line(job_id)
            if self._polling is None:
                await self._start()
            self._listeners[job_id] += 1

    async def _leave(self, job_id: str | None) -> None:
        self._listeners -= Counter([job_id])  # drops what falls to 0
        if job_id is not None and not self._listeners[job_id]:
            self._lines.pop(job_id, None)
        if not self._listeners and self._polling is not None:
            polling, self._polling = self._polling, None
            polling.cancel()
            with suppress(asyncio.CancelledError):
                await polling

    async def _last_line(self, job_id: str) -> int:
        async with self.database.read() as session:
            statement = select(func.max(JobLineRow.number)).where(JobLineRow.job_id == job_id)
            return await session.scalar(statement) or 0

    async def _start(self) -> None:
        async with self.database.read() as session:
            latest = select(JobChangeRow.number).order_by(JobChangeRow.number.desc()).limit(OVERLAP)
            seen = list(await session.scalars(latest))
        self._numbers = Numbers(last=min(seen, default=1) - 1)
        self._numbers.see(seen, now_s=time.monotonic())
        self._progress = {}
        self._polling = asyncio.create_task(self._poll(), name="job-feed")

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self._round()
            except OUTAGES as error:
                log.warning("events of jobs wait for the database", reason=error.message)
                await asyncio.sleep(RETRY_S)
            except Exception:  # a bug ends neither the feed nor its listeners
                log.exception("the feed of jobs stumbled")
                await asyncio.sleep(RETRY_S)

    async def _round(self) -> None:
        async with self.database.read() as session:
            changed = await self._new_changes(session)
            progressed = await self._new_progress(session)
            logged = await self._new_lines(session)
        begun = [change for change in changed if not change.is_last]
        ended = [change for change in changed if change.is_last]
        events: list[JobEvent] = [*begun, *logged, *progressed, *ended]
        for event in events:
            self._hub.publish(event)

    async def _new_changes(self, session: AsyncSession) -> Sequence[StatusChanged]:
        numbers = self._numbers
        new = or_(JobChangeRow.number > numbers.last, JobChangeRow.number.in_(numbers.missing))
        found = await read_changes(session, new)
        numbers.see((change.number for change in found), now_s=time.monotonic())
        return found

    async def _new_progress(self, session: AsyncSession) -> Sequence[Progressed]:
        before, self._progress = self._progress, {each.job_id: each for each in await read_progress(session)}
        return [each for job_id, each in self._progress.items() if before.get(job_id) != each]

    async def _new_lines(self, session: AsyncSession) -> Sequence[Logged]:
        if not self._lines:
            return ()
        wanted = (and_(JobLineRow.job_id == job_id, JobLineRow.number > last) for job_id, last in self._lines.items())
        found = await read_lines(session, or_(*wanted))
        for line in found:
            if line.job_id in self._lines:
                self._lines[line.job_id] = line.number
        return found


async def read_changes(session: AsyncSession, which: ColumnElement[bool]) -> Sequence[StatusChanged]:
    """The changes of status that `which` selects, by number, at most a page."""
    statement = select(JobChangeRow, JobRow.kind, JobRow.error).join(JobRow, JobRow.id == JobChangeRow.job_id)
    rows = await session.execute(statement.where(which).order_by(JobChangeRow.number).limit(PAGE))
    return [_to_event(change, kind, error) for change, kind, error in rows]


def _to_event(row: JobChangeRow, kind: str, error: str | None) -> StatusChanged:
    status: Any = row.status
    told = error if status == "failed" else None
    return StatusChanged(row.job_id, row.number, kind, status, row.attempt, row.at, told)


async def read_progress(session: AsyncSession) -> Sequence[Progressed]:
    """How far every running job has got."""
    statement = select(JobRow.id, JobRow.progress, JobRow.message).where(JobRow.status.in_(RUNNING))
    return [Progressed(row.id, row.progress, row.message) for row in await session.execute(statement)]


async def read_lines(session: AsyncSession, which: ColumnElement[bool]) -> Sequence[Logged]:
    """The lines that `which` selects, by number, at most a page."""
    rows = await session.scalars(select(JobLineRow).where(which).order_by(JobLineRow.number).limit(PAGE))
    return [Logged(row.job_id, row.number, row.at, row.text) for row in rows]
