"""How worker processes are started: spawned, so that they inherit no thread, lock or connection."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from threading import Lock
from types import ModuleType
from typing import Any

_STARTING = Lock()


class WorkerProcess(SpawnProcess):
    """A spawned process that does not import the parent's main module, which would drag in the whole program.

    It is deaf to Ctrl-C from its first instruction on: the parent decides when it ends.
    """

    @staticmethod
    def _Popen(process: BaseProcess) -> Any:  # noqa: N802 - the name that multiprocessing calls
        with without_main_module(), _interrupts_blocked():
            return SpawnProcess._Popen(process)  # noqa: SLF001 - the one way to wrap a start


class WorkerContext(SpawnContext):
    """The `multiprocessing` context of worker processes. It remembers the last process made for it."""

    latest: BaseProcess | None = None

    def Process(self, **arguments: Any) -> BaseProcess:  # type: ignore[override]  # noqa: N802 - as contexts do
        """A process, not started yet."""
        self.latest = self._make(**arguments)
        return self.latest

    def _make(self, **arguments: Any) -> BaseProcess:
        return WorkerProcess(**arguments)


@contextmanager
def without_main_module() -> Iterator[None]:
    """Let this program seem to have no main module, to one start of a process at a time."""
    with _STARTING:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
