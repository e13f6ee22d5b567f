"""One worker process under watch: it runs a task at a time, and is killed when the task takes too much."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pebble import ProcessExpired, ProcessPool

from forecastle.jobs import memory, nursery, worker
from forecastle.jobs.executor import Task
from forecastle.jobs.forking import ForkedContext
from forecastle.jobs.journal import Failed, JournalReader, Line, News, Outcome, Started, Succeeded, Tail, storable
from forecastle.jobs.memory import MB
from forecastle.jobs.nursery import Nursery
from forecastle.jobs.spawn import WorkerContext

FOLLOW_S = 0.1
LOST_S = 1.0
START_S = 120.0
STARTS = 3
MAX_OUTPUT = 1024 * 1024
FIT_SHARE = 0.5
JOURNAL, OUTPUT = ".jsonl", ".out"
NO_RESULT = "its worker process ended without a result"


class NeverStarted(Exception):
    """The worker process died before it took the task."""


class Slot:
    """Room for one worker process, which is started with the first task.

    The process has a Pebble pool of its own: Pebble's workers share a lock, and one killed while holding it would stop
    the others. With modules to be `shared`, which start no thread, a nursery loads them once and forks each process.
    """

    def __init__(self, recycle_after: int, modules: tuple[str, ...], shared: tuple[str, ...] = ()) -> None:
        self._recycle_after = recycle_after
        self._modules = modules
        self._nursery = Nursery(shared) if shared and nursery.IS_POSSIBLE else None
        self._pool: ProcessPool | None = None
        self._last_pid: int | None = None

    @property
    def is_ready(self) -> bool:
        """Whether a task can be started without waiting."""
        return self._nursery is None or self._nursery.is_ready

    def get_ready(self) -> None:
        """Load what processes share, if that has not been done yet; this takes a while.

        Raises:
            NeverStarted: it cannot be.
        """
        if self._nursery is not None:
            self.stop()  # a process whose nursery is gone is going too
            try:
                self._nursery.get_ready()
            except OSError as error:
                raise NeverStarted from error

    def start(self, task: Task, files: Path) -> "Attempt":
        """Hand a task to the process; `files` is where its journal and what it prints go, less their suffixes.

        Raises:
            NeverStarted: no process could be started.
        """
        call = (task, files.with_suffix(JOURNAL), files.with_suffix(OUTPUT))
        try:
            future = self._started_pool().schedule(worker.perform, call)
        except (BrokenProcessPool, RuntimeError) as error:  # it breaks now, or broke since anybody looked
            raise NeverStarted from error
        return Attempt(self, task, files, future)

    def close(self) -> None:
        """End the process, and what the next one would have been forked from."""
        self.stop()
        if self._nursery is not None:
            self._nursery.stop()

    def stop(self) -> None:
        """End the process, if there is one; returns when it is gone."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()  # type: ignore[no-untyped-call]
            pool.join()

    def is_unfit(self, task: Task) -> bool:
        """Whether to stop before this task: Pebble gives up when an idle worker is killed, and some jobs leave much."""
        if self._pool is None:
            return False
        left = memory.used_bytes(self._last_pid) if self._last_pid else 0
        return self.is_broken or left > memory.limit_here(task.memory_bytes) * FIT_SHARE

    @property
    def is_broken(self) -> bool:
        """Whether Pebble has given up: a task that came too late would wait for ever."""
        return self._pool is not None and not self._pool.active

    def occupied(self, pid: int) -> None:
        """The process `pid` has taken the task."""
        self._last_pid = pid

    def _started_pool(self) -> ProcessPool:
        if self._pool is None:
            self._pool = ProcessPool(
                max_workers=1,
                max_tasks=self._recycle_after,
                initializer=worker.prepare,
                initargs=(self._modules,),
                context=WorkerContext() if self._nursery is None else ForkedContext(self._nursery),
            )
        return self._pool


class Attempt:
    """A task in a slot. Look at it every now and then until it is over, and then ask for its outcome."""

    def __init__(self, slot: Slot, task: Task, files: Path, future: "Future[None]") -> None:
        self.future = future
        """Done when the process gave the task back or ended; it holds no result."""
        self.over = False
        """Whether there is nothing more to look for: it has ended, or must be ended."""
        self._slot = slot
        self._task = task
        self._limit = memory.limit_here(task.memory_bytes)
        self._journal = JournalReader(files.with_suffix(JOURNAL))
        self._output = Tail(files.with_suffix(OUTPUT))
        self._pid: int | None = None
        self._meter: memory.Meter | None = None
        self._began_s = time.monotonic()
        self._missed_s: float | None = None
        self._outcome: Outcome | None = None
        self._verdict: Failed | None = None

    def look(self) -> list[News]:
        """What it reported and logged since the last look; judges, too, whether it may go on."""
        done = self.future.done()  # asked first: what is written before the end is read by the last look
        news = list(self._read())
        if not done and self._outcome is None:
            self._verdict = self._judge()
        self.over = done or self._verdict is not None
        return news

    def kill(self) -> None:
        """Kill the process and all that it started, at once. Its slot has to be stopped then."""
        if self._pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)

    def outcome(self) -> Outcome:
        """How it went.

        Raises:
            NeverStarted: it did not go at all; another process may take it.
        """
        error = None if self.future.cancelled() or not self.future.done() else self.future.exception()
        if self._pid is None and (self._verdict or isinstance(error, BrokenProcessPool)):
            raise NeverStarted from error
        if error is not None:
            self.kill()  # what a dead process has started does not outlive it
        return self._outcome or self._verdict or _explain(error)

    def _read(self) -> Iterator[News]:
        for text in self._output.read(MAX_OUTPUT - self._output.offset):
            yield Line(datetime.now(UTC), storable(text.decode(errors="replace")))
        for entry in self._journal.read():
            if isinstance(entry, Started):
                self._pid, self._began_s = entry.pid, time.monotonic()
                self._meter = memory.Meter(entry.pid)
                self._slot.occupied(entry.pid)
            elif isinstance(entry, Succeeded | Failed):
                self._outcome = entry
            else:
                yield entry

    def _judge(self) -> Failed | None:
        now_s = time.monotonic()
        if self._pid is None or self._meter is None:
            late = now_s - self._began_s > START_S
            return Failed("it did not start") if late or self._slot.is_broken else None
        if now_s - self._began_s > self._task.timeout_s:
            return Failed(f"it took longer than {self._task.timeout_s:g} s and was stopped")
        used = self._meter.used_bytes(now_s=now_s)
        if used > self._limit:
            limit = f"its limit of {self._limit / MB:.0f} MB"
            return Failed(f"it used {used / MB:.0f} MB of memory, more than {limit}, and was stopped")
        return Failed(NO_RESULT) if self._is_lost(now_s) else None

    def _is_lost(self, now_s: float) -> bool:
        """Whether the process is gone for a while; Pebble does not notice one that ends with status 0."""
        if self._pid is None or _is_alive(self._pid):
            return False
        self._missed_s = self._missed_s or now_s
        return now_s - self._missed_s > LOST_S


def files(folder: Path, task: Task) -> Path:
    """Where the journal and the output of this start go, less their suffixes."""
    return folder / f"{task.job_id}-{task.attempt}"


def tidy_up(folder: Path, task: Task) -> None:
    """Remove the files of this start, and of earlier ones that nobody lived to remove.

    Without a pattern: Python keeps the compiled patterns of thousands of jobs.
    """
    for file in folder.iterdir():
        if file.name.startswith(f"{task.job_id}-") and file.suffix in {JOURNAL, OUTPUT}:
            file.unlink(missing_ok=True)


def _explain(error: BaseException | None) -> Failed:
    match error:
        case ProcessExpired(exitcode=code) if code < 0:
            name = signal.Signals(-code).name
            hint = "; the machine may have run out of memory" if name == "SIGKILL" else ""
            return Failed(f"its worker process was killed by {name}{hint}")
        case ProcessExpired(exitcode=code):
            return Failed(f"its worker process ended with exit status {code}")
        case None:
            return Failed(NO_RESULT)
        case _:
            return Failed(f"its worker process failed: {type(error).__name__}: {error}")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
