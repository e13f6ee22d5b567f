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
from threading import RLock, Thread

from pebble import ProcessExpired

from forecastle.jobs import memory, nursery
from forecastle.jobs.executor import Task
from forecastle.jobs.forking import ForkedContext
from forecastle.jobs.journal import Failed, JournalReader, Line, News, Outcome, Started, Succeeded, Tail, storable
from forecastle.jobs.memory import MB
from forecastle.jobs.nursery import Nursery
from forecastle.jobs.single import NeverStarted, SinglePool
from forecastle.jobs.spawn import WorkerContext

FOLLOW_S = 0.1
LOST_S = 1.0
START_S = 120.0
STARTS = 3
MAX_OUTPUT = 1024 * 1024
FIT_SHARE = 0.5
JOURNAL, OUTPUT = ".jsonl", ".out"
NO_RESULT = "its worker process ended without a result"


class Slot:
    """Room for one worker process, which is started with the first task.

    The process has a Pebble pool of its own: Pebble's workers share a lock, and one killed while holding it would stop
    the others. With modules to be `shared`, which start no thread, a nursery loads them once and forks each process.

    A process does `recycle_after` tasks. While it does the last, its successor starts and gets prepared, takes its
    place when it has ended, and does not wait until it is gone. If no successor could be started, Pebble replaces it.
    """

    def __init__(self, recycle_after: int, modules: tuple[str, ...], shared: tuple[str, ...] = ()) -> None:
        self._recycle_after = recycle_after
        self._modules = modules
        self._nursery = Nursery(shared) if shared and nursery.IS_POSSIBLE else None
        self._pool: SinglePool | None = None
        self._successor: SinglePool | None = None
        self._retiring: Thread | None = None
        self._changing = RLock()
        self._is_closed = False

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
            self._stop_all()  # a process whose nursery is gone is going too
            try:
                self._nursery.get_ready()
            except OSError as error:
                raise NeverStarted from error

    def start(self, task: Task, files: Path) -> "Attempt":
        """Hand a task to the process; `files` is where its journal and what it prints go, less their suffixes.

        Raises:
            NeverStarted: no process could be started, or none is to be any more.
        """
        if self._is_closed:
            raise NeverStarted
        if self._pool is None:
            self._pool = self._new_pool()
        future = self._pool.perform((task, files.with_suffix(JOURNAL), files.with_suffix(OUTPUT)))
        return Attempt(self, self._pool, task, files, future)

    @property
    def needs_successor(self) -> bool:
        """Whether the process does its last task and nothing has been started that could follow it."""
        return self._pool is not None and self._pool.is_spent and self._successor is None

    def prepare_successor(self) -> None:
        """Start the process that follows this one, if it is needed; may take a moment.

        A spawned one ends with the thread that calls this: the kernel ties a process to the thread that started it.
        """
        with self._changing:
            if self._is_closed or not self.needs_successor:
                return
            self._await_retired()  # so that short tasks do not heap up processes
            successor = self._new_pool()
            try:
                successor.start()
            except NeverStarted:
                successor.end()
            else:
                self._successor = successor

    def hand_over(self) -> None:
        """After a task: if it was the last one of its process, let the successor take its place."""
        with self._changing:
            if self._pool is not None and self._successor is not None:
                self._await_retired()
                self._retiring = self._pool.retire()
                self._pool, self._successor = self._successor, None

    def close(self) -> None:
        """End the processes, and what the next one would have been forked from; none is started any more."""
        with self._changing:
            self._is_closed = True
            self._stop_all()
        if self._nursery is not None:
            self._nursery.stop()

    def stop(self) -> None:
        """End the process, if there is one; returns when it is gone. Its successor lives."""
        with self._changing:
            pool, self._pool, self._successor = self._pool, self._successor, None
            if pool is not None:
                pool.end()

    def is_unfit(self, task: Task) -> bool:
        """Whether to stop before this task: Pebble gives up when an idle worker is killed, and some jobs leave much."""
        if self._pool is None:
            return False
        left = memory.used_bytes(self._pool.pid) if self._pool.pid else 0
        return self._pool.is_broken or left > memory.limit_here(task.memory_bytes) * FIT_SHARE

    def _stop_all(self) -> None:
        with self._changing:
            for _ in range(2):
                self.stop()
            self._await_retired()

    def _await_retired(self) -> None:
        thread, self._retiring = self._retiring, None
        if thread is not None:
            thread.join()

    def _new_pool(self) -> SinglePool:
        context = WorkerContext() if self._nursery is None else ForkedContext(self._nursery)
        return SinglePool(self._recycle_after, self._modules, context)


class Attempt:
    """A task in a slot. Look at it every now and then until it is over, and then ask for its outcome."""

    def __init__(self, slot: Slot, pool: SinglePool, task: Task, files: Path, future: "Future[None]") -> None:
        self.future = future
        """Done when the process gave the task back or ended; it holds no result."""
        self.over = False
        """Whether there is nothing more to look for: it has ended, or must be ended."""
        self._slot = slot
        self._pool = pool
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
        self._slot.hand_over()
        return self._outcome or self._verdict or self._explain(error)

    def _explain(self, error: BaseException | None) -> Failed:
        match error:
            case None:
                return Failed(NO_RESULT)
            case ProcessExpired(exitcode=code):
                return _explain_end(code)
            case BrokenProcessPool():  # Pebble heard of the end before it heard of the beginning
                return _explain_end(self._pool.exit_code)
            case _:
                return Failed(f"its worker process failed: {type(error).__name__}: {error}")

    def _read(self) -> Iterator[News]:
        for text in self._output.read(MAX_OUTPUT - self._output.offset):
            yield Line(datetime.now(UTC), storable(text.decode(errors="replace")))
        for entry in self._journal.read():
            if isinstance(entry, Started):
                self._pid, self._began_s = entry.pid, time.monotonic()
                self._meter = memory.Meter(entry.pid)
                self._pool.pid = entry.pid
            elif isinstance(entry, Succeeded | Failed):
                self._outcome = entry
            else:
                yield entry

    def _judge(self) -> Failed | None:
        now_s = time.monotonic()
        if self._pid is None or self._meter is None:
            late = now_s - self._began_s > START_S
            return Failed("it did not start") if late or self._pool.is_broken else None
        if now_s - self._began_s > self._task.timeout_s:
            return Failed(f"it took longer than {self._task.timeout_s:g} s and was stopped")
        used = self._meter.used_bytes(now_s=now_s)
        if used > self._limit:
            limit = f"its limit of {self._limit / MB:.0f} MB"
            return Failed(f"it used {used / MB:.0f} MB of memory, more than {limit}, and was stopped")
        return _explain_end(self._pool.exit_code) if self._is_lost(now_s) else None

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


def _explain_end(exit_code: int | None) -> Failed:
    if not exit_code:
        return Failed(NO_RESULT)
    if exit_code > 0:
        return Failed(f"its worker process ended with exit status {exit_code}")
    name = signal.Signals(-exit_code).name
    hint = "; the machine may have run out of memory" if name == "SIGKILL" else ""
    return Failed(f"its worker process was killed by {name}{hint}")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
