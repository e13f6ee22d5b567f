"""A process that has loaded what takes long to load, and forks worker processes, which then start in milliseconds.

It has a single thread, so a worker inherits no lock that another thread holds, and no connection. Each slot has a
nursery of its own, so that no two workers depend on the same one. Linux only: elsewhere, forks of processes that have
loaded numerical libraries crash.
"""

import errno
import gc
import os
import selectors
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing import forkserver, spawn
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Lock

from forecastle.jobs.spawn import WorkerProcess
from forecastle.jobs.threads import cap_threads
from forecastle.jobs.worker import die_with_parent

IS_POSSIBLE = sys.platform == "linux"
EVERY_WORKERS = ("pebble",)
STOP_S = 10.0
NUMBER_BYTES = 8
MAX_FDS = 64
ASKED = b"f"
GONE = "the process that forks workers has ended"


class Nursery:
    """The end of the process that wants workers. One thread at a time may use it."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self._modules = modules
        self._lock = Lock()
        self._running: tuple[BaseProcess, socket.socket] | None = None
        self._is_stopped = False

    @property
    def is_ready(self) -> bool:
        """Whether a worker can be forked at once."""
        running = self._running
        return running is not None and running[0].is_alive()

    def get_ready(self) -> None:
        """Start it and wait until its modules are loaded.

        Raises:
            OSError: it ended instead, or was stopped.
        """
        with self._lock:
            if self._is_stopped:
                raise ConnectionError(GONE)
            if not self.is_ready:
                self._end()
                self._running = self._start()

    def fork(self, fds: Sequence[int]) -> int:
        """Have a worker forked, which inherits the file descriptors; returns its pid.

        The first two are its own: where it reads what to run, and where the nursery tells how it ended.

        Raises:
            OSError: the nursery is not there, or it cannot fork now; then it goes on, and so do its workers.
        """
        with self._lock:
            if self._running is None:
                raise ConnectionError(GONE)
            line = self._running[1]
            try:
                socket.send_fds(line, [ASKED], fds)
                answer = int.from_bytes(_received(line), "little", signed=True)
            except OSError:
                self._end()
                raise
        if answer < 0:
            raise OSError(-answer, os.strerror(-answer))
        return answer

    def stop(self) -> None:
        """End the nursery and every worker that it forked, for good."""
        with self._lock:
            self._is_stopped = True
            self._end()

    def _start(self) -> tuple[BaseProcess, socket.socket]:
        ours, theirs = socket.socketpair()
        process = WorkerProcess(target=serve, args=(theirs, self._modules), daemon=True)
        with theirs:
            process.start()
        try:
            _received(ours)
        except OSError:
            _end(process, ours)
            raise
        return process, ours

    def _end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            _end(*running)


def _end(process: BaseProcess, line: socket.socket) -> None:
    line.close()  # which ends it
    process.join(STOP_S)
    process.kill()
    process.join()


def _received(line: socket.socket) -> bytes:
    data = line.recv(NUMBER_BYTES)
    if not data:
        raise ConnectionError(GONE)
    return data


def serve(line: socket.socket, modules: tuple[str, ...]) -> None:
    """Load the modules and fork a worker for everyone who asks, until nobody can ask any more.

    Raises:
        RuntimeError: a module has started a thread.
    """
    cap_threads()
    for module in (*EVERY_WORKERS, *modules):
        with suppress(Exception):  # a job that needs it will fail with the reason
            import_module(module)
    if (threads := sum(1 for _ in Path("/proc/self/task").iterdir())) > 1:
        raise RuntimeError(f"expected modules that start no thread, found {threads} threads after {modules}")
    gc.collect()
    gc.freeze()  # pages that no collection touches stay shared
    line.send(os.getpid().to_bytes(NUMBER_BYTES, "little"))
    _Server(line).run()


class _Server:
    """Waits for orders and for the ends of workers."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._wakes, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        self._ends: dict[int, int] = {}
        """Where to tell how a worker ended, by its pid."""

    def run(self) -> None:
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only a handled signal wakes
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        with self._line, self._wakes, self._wake, selectors.DefaultSelector() as selector:
            for source in (self._line, self._wakes):
                selector.register(source, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._wakes in ready:
                    self._wakes.recv(4096)
                    self._reap()
                if self._line in ready and not self._serve_one(selector):
                    return

    def _serve_one(self, selector: selectors.BaseSelector) -> bool:
        asked, fds, _, _ = socket.recv_fds(self._line, len(ASKED), MAX_FDS)
        if not asked:
            return False
        reads, tells, *inherited = fds
        mine = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            self._answer(-(error.errno or errno.EAGAIN), fds)
            return True
        if pid == 0:
            die_with_parent(mine)
            selector.close()
            self._become_worker(reads, tells, inherited)
        self._ends[pid] = tells
        self._answer(pid, [reads, *inherited])
        return True

    def _answer(self, number: int, unneeded: list[int]) -> None:
        for fd in unneeded:
            os.close(fd)
        self._line.send(number.to_bytes(NUMBER_BYTES, "little", signed=True))

    def _reap(self) -> None:
        for pid in list(self._ends):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                tells = self._ends.pop(pid)
                with suppress(BrokenPipeError):
                    code = os.waitstatus_to_exitcode(status)
                    os.write(tells, code.to_bytes(NUMBER_BYTES, "little", signed=True))
                os.close(tells)

    def _become_worker(self, reads: int, tells: int, inherited: list[int]) -> None:
        """Run what is read, as a process that `multiprocessing` has spawned does, and end."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for end in (self._line, self._wakes, self._wake):
                end.close()
            for fd in (tells, *self._ends.values()):
                os.close(fd)
            setattr(forkserver._forkserver, "_inherited_fds", inherited)  # noqa: B010, SLF001 - where connections look
            code = spawn._main(reads, os.dup(reads))  # noqa: SLF001 - the one way to run a pickled process
        except Exception:  # noqa: BLE001 - the process's edge
            sys.excepthook(*sys.exc_info())
        finally:
            with suppress(OSError, ValueError):
                sys.stderr.flush()
            os._exit(code)
