"""The executor of one machine: a slot for each worker process."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from forecastle.jobs.executor import Task
from forecastle.jobs.journal import Failed, News, Outcome
from forecastle.jobs.single import NeverStarted
from forecastle.jobs.slot import FOLLOW_S, STARTS, Attempt, Slot, files, tidy_up

log = structlog.get_logger("forecastle.jobs")


class LocalPool:
    """An executor with `workers` processes on this machine, which start with the first jobs."""

    def __init__(
        self,
        *,
        workers: int,
        recycle_after: int,
        folder: Path,
        modules: tuple[str, ...] = (),
        shared: tuple[str, ...] = (),
    ) -> None:
        self.workers = workers
        self._folder = folder
        self._slots = [Slot(recycle_after, modules, shared) for _ in range(workers)]
        self._free: asyncio.LifoQueue[Slot] = asyncio.LifoQueue()

    async def __aenter__(self) -> Self:
        """Get ready; no process starts yet."""
        for slot in self._slots:
            self._free.put_nowait(slot)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every worker process."""
        await asyncio.gather(*(asyncio.to_thread(slot.close) for slot in self._slots))

    async def run(self, task: Task, follow: Callable[[News], None]) -> Outcome:
        """Run one task in a worker process."""
        tidy_up(self._folder, task)
        slot = await self._free.get()
        try:
            return await _run(slot, task, files(self._folder, task), follow)
        finally:
            self._free.put_nowait(slot)
            tidy_up(self._folder, task)


async def _run(slot: Slot, task: Task, place: Path, follow: Callable[[News], None]) -> Outcome:
    for _ in range(STARTS):
        with suppress(NeverStarted):
            return await _try(slot, task, place, follow)
        await asyncio.to_thread(slot.stop)
    return Failed(f"no worker process could be started for it ({STARTS} tries)")


async def _try(slot: Slot, task: Task, place: Path, follow: Callable[[News], None]) -> Outcome:
    if slot.is_unfit(task):
        await asyncio.to_thread(slot.stop)
    if not slot.is_ready:
        await asyncio.to_thread(slot.get_ready)
    attempt = slot.start(task, place)
    preparing = asyncio.create_task(asyncio.to_thread(slot.prepare_successor)) if slot.needs_successor else None
    try:
        await _follow(attempt, follow)
    finally:
        if not attempt.future.done():
            attempt.kill()
            await asyncio.to_thread(slot.stop)
        if preparing is not None:
            await preparing
    return attempt.outcome()


async def _follow(attempt: Attempt, follow: Callable[[News], None]) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    attempt.future.add_done_callback(lambda _: loop.call_soon_threadsafe(ended.set))
    while not attempt.over:
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), FOLLOW_S)
        for news in attempt.look():
            follow(news)


def allowed_workers(asked: int) -> int:
    """`asked` workers, but one a core at most; 0 asks for that."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if asked > cores:
        log.warning("more workers than cores asked for; capped", asked=asked, cores=cores)
    return min(asked or cores, cores)
