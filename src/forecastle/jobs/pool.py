"""The executor of one machine: worker processes under Pebble."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from pebble import ProcessExpired, ProcessPool

from forecastle.jobs import worker
from forecastle.jobs.executor import Task
from forecastle.jobs.journal import Failed, JournalReader, Line, News, Outcome, Started, Succeeded, Tail, storable
from forecastle.jobs.spawn import WorkerContext

FOLLOW_S = 0.05
LOST_S = 1.0
STARTS = 3
MAX_OUTPUT = 1024 * 1024
JOURNAL, OUTPUT = ".jsonl", ".out"

log = structlog.get_logger("forecastle.jobs")


class LocalPool:
    """An executor with `workers` processes on this machine.

    Each process has a Pebble pool of its own: Pebble's workers share a lock, and one killed while holding it would
    stop the others. Processes start with the first job.
    """

    def __init__(self, *, workers: int, recycle_after: int, folder: Path, modules: tuple[str, ...] = ()) -> None:
        self.workers = workers
        self._folder = folder
        self._slots = [_Slot(recycle_after, modules) for _ in range(workers)]
        self._free: asyncio.LifoQueue[_Slot] = asyncio.LifoQueue()

    async def __aenter__(self) -> Self:
        """Get ready; no process starts yet."""
        for slot in self._slots:
            self._free.put_nowait(slot)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every worker process."""
        await asyncio.gather(*(slot.stop() for slot in self._slots))

    async def run(self, task: Task, follow: Callable[[News], None]) -> Outcome:
        """Run one task in a worker process."""
        self._tidy_up(task)
        slot = await self._free.get()
        try:
            return await slot.run(task, self._folder / f"{task.job_id}-{task.attempt}", follow)
        finally:
            self._free.put_nowait(slot)
            self._tidy_up(task)

    def _tidy_up(self, task: Task) -> None:
        """Remove the files of this start, and of earlier ones that nobody lived to remove."""
        for suffix in (JOURNAL, OUTPUT):
            for file in self._folder.glob(f"{task.job_id}-*{suffix}"):
                file.unlink()


def allowed_workers(asked: int) -> int:
    """`asked` workers, but one a core at most; 0 asks for that."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if asked > cores:
        log.warning("more workers than cores asked for; capped", asked=asked, cores=cores)
    return min(asked or cores, cores)


class _NeverStarted(Exception):
    """The worker process died before it took the task."""


class _Slot:
    """Room for one worker process."""

    def __init__(self, recycle_after: int, modules: tuple[str, ...]) -> None:
        self._recycle_after = recycle_after
        self._modules = modules
        self._pool: ProcessPool | None = None

    async def run(self, task: Task, files: Path, follow: Callable[[News], None]) -> Outcome:
        for _ in range(STARTS):
            try:
                return await self._attempt(task, files, _Follower(files, follow))
            except _NeverStarted:
                await self.stop()
        return Failed(f"no worker process could be started for it ({STARTS} tries)")

    async def stop(self) -> None:
        """End the worker process, if there is one; returns when it is gone."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()  # type: ignore[no-untyped-call]
            await asyncio.to_thread(pool.join)

    async def _attempt(self, task: Task, files: Path, follower: "_Follower") -> Outcome:
        if self._pool is not None and not self._pool.active:  # Pebble gives up when an idle worker is killed
            await self.stop()
        call = (task, files.with_suffix(JOURNAL), files.with_suffix(OUTPUT))
        future = asyncio.wrap_future(self._started_pool().schedule(worker.perform, call, timeout=task.timeout_s))
        try:
            while not future.done() and not follower.is_lost():
                await asyncio.wait([future], timeout=FOLLOW_S)
                follower.read()
        finally:
            if not future.done():
                future.cancel()
                await self.stop()
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        if isinstance(error, BrokenProcessPool) and follower.pid is None:
            raise _NeverStarted from error
        return follower.outcome or _explain(error, task)

    def _started_pool(self) -> ProcessPool:
        if self._pool is None:
            self._pool = ProcessPool(
                max_workers=1,
                max_tasks=self._recycle_after,
                initializer=worker.prepare,
                initargs=(os.getpid(), self._modules),
                context=WorkerContext(),
            )
        return self._pool


class _Follower:
    """Reads a task's journal, and what it prints, along."""

    def __init__(self, files: Path, follow: Callable[[News], None]) -> None:
        self.pid: int | None = None
        self.outcome: Outcome | None = None
        self._journal = JournalReader(files.with_suffix(JOURNAL))
        self._output = Tail(files.with_suffix(OUTPUT))
        self._follow = follow
        self._missed_s: float | None = None

    def read(self) -> None:
        for text in self._output.read(MAX_OUTPUT - self._output.offset):
            self._follow(Line(datetime.now(UTC), storable(text.decode(errors="replace"))))
        for entry in self._journal.read():
            if isinstance(entry, Started):
                self.pid = entry.pid
            elif isinstance(entry, Succeeded | Failed):
                self.outcome = entry
            else:
                self._follow(entry)

    def is_lost(self) -> bool:
        """Whether the process is gone for a while; Pebble does not notice one that ends with status 0."""
        if self.pid is None or _is_alive(self.pid):
            return False
        self._missed_s = self._missed_s or time.monotonic()
        return time.monotonic() - self._missed_s > LOST_S


def _explain(error: BaseException | None, task: Task) -> Failed:
    match error:
        case TimeoutError():
            return Failed(f"it took longer than {task.timeout_s:g} s and was stopped")
        case ProcessExpired(exitcode=code) if code < 0:
            name = signal.Signals(-code).name
            memory = "; the machine may have run out of memory" if name == "SIGKILL" else ""
            return Failed(f"its worker process was killed by {name}{memory}")
        case ProcessExpired(exitcode=code):
            return Failed(f"its worker process ended with exit status {code}")
        case None | asyncio.CancelledError():
            return Failed("its worker process ended without a result")
        case _:
            return Failed(f"its worker process failed: {type(error).__name__}: {error}")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
