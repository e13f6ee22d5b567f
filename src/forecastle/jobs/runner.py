"""The runner: takes jobs from the queue, runs them in an executor, and writes down what becomes of them."""

import asyncio
import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from forecastle.clock import Clock
from forecastle.db import Database
from forecastle.jobs import kinds as job_kinds
from forecastle.jobs import leases, lifeline
from forecastle.jobs.allowance import LogAllowance
from forecastle.jobs.books import OUTAGES, Books
from forecastle.jobs.executor import Executor, Lost, Task
from forecastle.jobs.job import Job
from forecastle.jobs.journal import Failed, Line, Outcome
from forecastle.jobs.kinds import JobKind
from forecastle.jobs.lifeline import Lifeline
from forecastle.jobs.memory import MB
from forecastle.jobs.pool import LocalPool, allowed_workers
from forecastle.jobs.running import Running
from forecastle.settings import JobSettings
from forecastle.types import new_id

POLL_S, IDLE_POLL_S = 0.1, 0.3
IDLE_AFTER_S = 10.0
"""Without anything to do for so long, it looks less often: an idle service is to cost next to nothing."""
RETRY_S = 0.5
BEATS_PER_LEASE = 3

log = structlog.get_logger("forecastle.jobs")


class Runner:
    """Works the queue off, together with any other runner of the same database.

    It holds a lease on the jobs it runs. When it dies, another runner takes them over: at once if it shares the home
    folder, else when the lease has run out. While the database is away, it waits.
    """

    def __init__(
        self,
        database: Database,
        kinds: Mapping[str, JobKind],
        settings: JobSettings,
        home: Path,
        clock: Clock,
        artifacts_url: str,
        executor: Executor | None = None,
    ) -> None:
        self.id = new_id(clock.now())
        self._database = database
        self._kinds = kinds
        self._settings = settings
        self._home = home
        self._folder = home / "jobs"
        self._clock = clock
        self._artifacts_url = artifacts_url
        self._executor = executor or self._local_pool()
        self._running: dict[str, Running] = {}
        self._awake = asyncio.Event()
        self._taking = asyncio.Lock()
        """Held while what is taken in the database is not the same as what is running here."""
        self._books = Books(database, kinds, self.id, clock, max_attempts=settings.max_attempts)
        self._next_beat_s = clock.monotonic_s()
        self._busy_at_s = self._next_beat_s
        self._cut_off = False
        self._steers = [kind.steer for kind in kinds.values() if kind.steer]
        self._steer_soon = False
        self._steering: asyncio.Task[None] | None = None

    def _local_pool(self) -> LocalPool:
        return LocalPool(
            workers=allowed_workers(self._settings.workers),
            recycle_after=self._settings.recycle_after,
            folder=self._folder,
            modules=job_kinds.modules(self._kinds),
            shared=job_kinds.shared(self._kinds),
        )

    async def __aenter__(self) -> Self:
        """Get ready; the lease is taken out with the first look at the queue."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lifeline = Lifeline(self._folder, self.id)
        try:
            await self._executor.__aenter__()
        except BaseException:
            lifeline.clear(self._folder, self.id)
            self._lifeline.cut()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the workers and put their jobs back in the queue."""
        tasks = [task for task in (self._steering, *(running.task for running in self._running.values())) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._executor.__aexit__(kind, error, trace)
        try:
            async with self._database.write() as session:
                await leases.give_back(session, self.id)
        except OUTAGES:
            log.warning("the database is away; the next runner puts the jobs back into the queue", runner=self.id)
        else:
            lifeline.clear(self._folder, self.id)
        finally:
            self._lifeline.cut()

    def wake(self) -> None:
        """Look at the queue now instead of within a tenth of a second, or three of an idle one."""
        self._awake.set()

    async def run_forever(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        waker = asyncio.create_task(self._wake_at(stop))
        try:
            while not stop.is_set():
                await self._survive()
                await self._pause()
        finally:
            waker.cancel()

    async def run_until_idle(self, stop: asyncio.Event | None = None) -> None:
        """Work until nothing waits and nothing runs here, or until `stop` is set."""
        while await self._look() and not (stop and stop.is_set()):
            await self._pause()

    async def _survive(self) -> None:
        try:
            await self._look()
        except Exception:  # a service goes on; the log has the bug
            log.exception("the runner stumbled")
            await asyncio.sleep(RETRY_S)

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.wake()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._awake.wait(), self._wait_s())
        self._awake.clear()

    def _wait_s(self) -> float:
        if self._cut_off:
            return RETRY_S
        idle_s = self._clock.monotonic_s() - self._busy_at_s
        return IDLE_POLL_S if idle_s > IDLE_AFTER_S else POLL_S

    async def _look(self) -> bool:
        """One round; whether there is anything left to do."""
        try:
            busy = await self._round()
        except OUTAGES as error:
            if not self._cut_off:
                log.warning("the database is away; waiting for it", reason=error.message)
            self._cut_off = True
            return True
        if self._cut_off:
            log.info("the database is back")
        self._cut_off = False
        if busy:
            self._busy_at_s = self._clock.monotonic_s()
        return busy

    async def _round(self) -> bool:
        beats = self._clock.monotonic_s() >= self._next_beat_s
        if beats:
            await self._beat()
        await self._books.store_news(self._running.values())
        if beats or self._running:
            async with self._taking:
                await self._compare()
        self._steer_soon = bool(self._steers) and (self._steer_soon or beats)
        self._start_steering()
        pending = await self._claim()
        return pending or bool(self._running) or self._steering is not None or self._steer_soon

    def _start_steering(self) -> None:
        """In the background, one at a time: the jobs do not wait for it."""
        if self._steer_soon and self._steering is None:
            self._steer_soon = False
            self._steering = asyncio.create_task(self._steer(), name="steering")

    async def _steer(self) -> None:
        try:
            for steer in self._steers:
                await steer()
        except OUTAGES as error:
            log.warning("steering waits for the database", reason=error.message)
        except Exception:  # a bug there does not stop the jobs; the next beat tries again
            log.exception("steering failed")
        finally:
            self._steering = None
            self.wake()

    async def _beat(self) -> None:
        """Renew the lease, and take over from runners that died."""
        now = self._clock.now()
        async with self._database.write() as session:
            await leases.renew(session, self.id, until=now + timedelta(seconds=self._settings.lease_s))
            gone = lifeline.find_cut(self._folder)
            recovered = await leases.recover(session, gone=gone, now=now, max_attempts=self._settings.max_attempts)
        for runner in gone:
            lifeline.clear(self._folder, runner)
        for job in recovered:
            log.warning("took a job over from a runner that died", job=job.id, attempts=job.attempts, status=job.status)
        self._next_beat_s = self._clock.monotonic_s() + self._settings.lease_s / BEATS_PER_LEASE

    async def _compare(self) -> None:
        """Kill what was cancelled or taken over; put back what is ours without our having heard of it."""
        async with self._database.read() as session:
            held = await leases.held(session, self.id)
        for job_id, running in self._running.items():
            if held.get(job_id) != running.job.attempts:
                running.kill()
        strays = {job_id: attempt for job_id, attempt in held.items() if job_id not in self._running}
        if strays:
            async with self._database.write() as session:
                limit = self._settings.max_attempts
                await leases.put_back(session, self.id, strays, now=self._clock.now(), max_attempts=limit)

    async def _refill(self) -> None:
        """Give the worker that has become free a job before the outcome of its last one is stored."""
        with suppress(*OUTAGES):  # the next round tries again
            await self._claim()

    async def _claim(self) -> bool:
        """Take as many jobs as there is room for; whether any was waiting."""
        async with self._taking:
            return await self._take()

    async def _take(self) -> bool:
        free = self._executor.workers - sum(not running.is_over for running in self._running.values())
        if free <= 0:
            return True
        async with self._database.read() as session:  # a look takes no lock, so that idle runners disturb nobody
            if not await leases.has_pending(session, self._kinds):
                return False
        async with self._database.write() as session:
            jobs = await leases.claim(session, self.id, kinds=self._kinds, limit=free, now=self._clock.now())
        for job in jobs:
            room = LogAllowance(self._settings.max_log_lines, self._settings.max_log_bytes)
            running = self._running[job.id] = Running(job, room)
            running.task = asyncio.create_task(self._work(running), name=f"job-{job.id}")
        return True

    async def _work(self, running: Running) -> None:
        try:
            outcome = await self._execute(running)
            running.ending = running.is_over = True
            await self._refill()
            await self._settle(running, outcome)
        except Exception:  # a bug with one job does not end the runner; the job is put back as a stray
            log.exception("a job could not be dealt with", job=running.job.id)
        finally:
            del self._running[running.job.id]
            self._steer_soon = bool(self._steers)
            self.wake()

    async def _settle(self, running: Running, outcome: Outcome | Lost) -> None:
        """Write down how a job ended, however long the database is away."""
        if isinstance(outcome, Failed):
            now = self._clock.now()
            running.lines += [Line(now, line) for line in outcome.traceback.splitlines()]
        told = ""
        while True:
            try:
                await self._books.store_news(self._running.values())
                return await self._books.close(running.job, outcome)
            except OUTAGES as error:
                if error.message != told:
                    log.warning("a finished job waits for the database", job=running.job.id, reason=error.message)
                told = error.message
                await asyncio.sleep(RETRY_S)

    async def _execute(self, running: Running) -> Outcome | Lost:
        job = running.job
        task = Task(
            job_id=job.id,
            attempt=job.attempts,
            run=self._kinds[job.kind].run,
            payload=job.payload,
            home=self._home,
            artifacts_url=self._artifacts_url,
            timeout_s=min(job.timeout_s or math.inf, self._settings.timeout_s),
            memory_bytes=self._memory_bytes(job),
            cache_bytes=self._settings.cache_mb * MB,
        )
        try:
            return await self._executor.run(task, running.follow)
        except Exception as error:  # the runner outlives whatever an executor does
            log.exception("the executor failed", job=job.id)
            return Failed(f"internal error: {type(error).__name__}: {error}")

    def _memory_bytes(self, job: Job) -> int | None:
        """The smaller of the job's own limit and the settings'; None if neither says one."""
        limits = [limit * MB for limit in (job.memory_mb, self._settings.memory_mb) if limit]
        return min(limits, default=None)
