"""A Pebble pool of one worker process, which is good for some tasks."""

from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import TypeAlias

from pebble import ProcessPool

from forecastle.jobs import worker
from forecastle.jobs.executor import Task
from forecastle.jobs.spawn import WorkerContext

Call: TypeAlias = tuple[Task, Path, Path]
"""The arguments of `worker.perform`."""


class NeverStarted(Exception):
    """The worker process died before it took the task."""


class SinglePool:
    """One worker process at a time, replaced by Pebble when it dies, or has done its `tasks` and nobody retires it."""

    def __init__(self, tasks: int, modules: tuple[str, ...], context: WorkerContext) -> None:
        self._left = tasks
        self._context = context
        self._pool = ProcessPool(
            max_workers=1, max_tasks=tasks, initializer=worker.prepare, initargs=(modules,), context=context
        )
        self.pid: int | None = None
        """Of the process that took the last task, when it has said so."""

    @property
    def is_spent(self) -> bool:
        """Whether its process has been given its last task."""
        return self._left <= 0

    @property
    def is_broken(self) -> bool:
        """Whether Pebble has given up: a task that came too late would wait for ever."""
        return not self._pool.active

    @property
    def exit_code(self) -> int | None:
        """How the process `pid` ended, if that is known: Pebble does not tell when it hears of the end first."""
        latest = self._context.latest
        return latest.exitcode if latest is not None and latest.pid == self.pid else None

    def start(self) -> None:
        """Start the process, without waiting until it is prepared.

        Raises:
            NeverStarted: that is not possible.
        """
        try:
            is_running = self._pool.active  # asked for the first time, it starts
        except (RuntimeError, OSError) as error:  # one of Pebble's is a RuntimeError
            raise NeverStarted from error
        if not is_running:
            raise NeverStarted

    def perform(self, call: Call) -> "Future[None]":
        """Have a task performed; the future holds no result.

        Raises:
            NeverStarted: no process could be started.
        """
        try:
            future: Future[None] = self._pool.schedule(worker.perform, call)
        except RuntimeError as error:  # it breaks now, or broke since anybody looked
            raise NeverStarted from error
        self._left -= 1
        return future

    def retire(self) -> Thread:
        """End the process in the background; the thread ends when it is gone."""
        self._pool.stop()  # type: ignore[no-untyped-call]  # at once, or Pebble replaces it
        thread = Thread(target=self._pool.join, name="retiring-worker")
        thread.start()
        return thread

    def end(self) -> None:
        """End the process; returns when it is gone."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()
