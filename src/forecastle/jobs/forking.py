"""Worker processes that a nursery forks, for whoever starts processes by a `multiprocessing` context."""

import io
import os
from multiprocessing import popen_forkserver, reduction, spawn, util
from multiprocessing.context import SpawnProcess, set_spawning_popen
from multiprocessing.process import BaseProcess
from threading import RLock
from typing import Any

from forecastle.jobs.nursery import Nursery
from forecastle.jobs.spawn import WorkerContext, without_main_module


class ForkedContext(WorkerContext):
    """The `multiprocessing` context of worker processes that a nursery forks."""

    def __init__(self, nursery: Nursery) -> None:
        self._nursery = nursery

    def _make(self, **arguments: Any) -> "ForkedProcess":
        return ForkedProcess(self._nursery, **arguments)


class ForkedProcess(SpawnProcess):
    """A process that its nursery forks when it is started."""

    def __init__(self, nursery: Nursery, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.nursery = nursery

    def __getstate__(self) -> dict[str, Any]:
        """What the process itself gets: the nursery stays here."""
        return {name: value for name, value in self.__dict__.items() if name != "nursery"}

    @staticmethod
    def _Popen(process: BaseProcess) -> Any:  # noqa: N802 - the name that multiprocessing calls
        return _Popen(process)


class _Popen(popen_forkserver.Popen):
    """A started process; how it ended is read as from the standard library's fork server."""

    _fds: list[int]

    def __init__(self, process: BaseProcess) -> None:
        self._polling = RLock()
        super().__init__(process)

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        """How the process ended, which can be read once only: of two threads that ask, the second would be told 255."""
        with self._polling:
            return super().poll(flag)

    def _launch(self, process: ForkedProcess) -> None:
        pickled = self._pickled(process)
        self.sentinel, tells = os.pipe()
        reads, writes = os.pipe()
        # the pipe stays open at this end as long as this process lives, by which the worker knows
        self.finalizer = util.Finalize(self, _close, (self.sentinel, os.dup(writes)))
        with os.fdopen(writes, "wb") as pipe:
            try:
                self.pid = process.nursery.fork([reads, tells, *self._fds])
            finally:
                _close(reads, tells)
            pipe.write(pickled)

    def _pickled(self, process: ForkedProcess) -> bytes:
        buffer = io.BytesIO()
        set_spawning_popen(self)
        try:
            with without_main_module():
                preparation = spawn.get_preparation_data(process.name)
            reduction.dump(preparation, buffer)
            reduction.dump(process, buffer)
        finally:
            set_spawning_popen(None)
        return buffer.getvalue()


def _close(*fds: int) -> None:
    for fd in fds:
        os.close(fd)
