"""What happens inside a worker process. It imports neither the database nor numpy before the thread caps are set."""

import ctypes
import faulthandler
import multiprocessing
import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing.connection import wait
from pathlib import Path
from typing import cast

from forecastle.errors import DiskFull, ForecastleError
from forecastle.jobs import memory
from forecastle.jobs.context import JobContext
from forecastle.jobs.executor import Task
from forecastle.jobs.journal import Failed, Journal, Outcome, Started, Succeeded, storable
from forecastle.jobs.threads import cap_threads
from forecastle.types import JsonObject

SPARE_VIRTUAL_BYTES = 2 * 1024**3
"""Allocators ask for a gigabyte or more ahead of any use."""
PR_SET_PDEATHSIG = 1
OUT, ERR = 1, 2


def prepare(modules: tuple[str, ...]) -> None:
    """Make this process a worker of the one that wanted it; `modules` are loaded before there is work for them."""
    os.setsid()  # what it starts can be killed with it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # ends it at once, even inside native code
    cap_threads()
    os.dup2(ERR, OUT)  # the parent's standard output is for results
    faulthandler.enable()
    _die_with_parents()
    for module in modules:
        with suppress(Exception):  # a job that needs it will fail with the reason
            import_module(module)


def perform(task: Task, journal_path: Path, output_path: Path) -> None:
    """Run one task; its journal ends with the outcome, and what it prints goes to a file of its own."""
    journal = Journal(journal_path)
    try:
        journal.write(Started(os.getpid()))
        context = JobContext(task.job_id, task.home, task.artifacts_url, journal, task.cache_bytes)
        with _printing_to(output_path), _asking_for_at_most(memory.limit_here(task.memory_bytes)):
            outcome = _outcome(task, context)
        try:
            journal.write(outcome)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            journal.write(Failed(f"its result cannot be stored as JSON: {error}"))
    finally:
        journal.close()


def _outcome(task: Task, context: JobContext) -> Outcome:
    try:
        result: object = _load(task.run)(task.payload, context)
    except ForecastleError as error:
        return Failed(storable(error.message))
    except MemoryError:
        used = f"{memory.used_bytes(os.getpid()) / memory.MB:.0f} MB"
        limit = f"{memory.limit_here(task.memory_bytes) / memory.MB:.0f} MB"
        return Failed(f"it ran out of memory (MemoryError): it used {used}, its limit is {limit}", _trace())
    except SystemExit as error:
        return Failed(f"it called sys.exit({error.code!r})", _trace())
    except BaseException as error:  # noqa: BLE001 - the worker's edge: whatever a job raises is its outcome
        return _broken_off(error, task)
    if not isinstance(result, dict):
        return Failed(f"expected a JSON object as its result, found {type(result).__name__}")
    return Succeeded(cast("JsonObject", result))


def _broken_off(error: BaseException, task: Task) -> Failed:
    if DiskFull.is_told_by(error):
        return Failed(DiskFull.at(task.home, writing="what the job writes").message)
    return Failed(_describe(error), _trace())


@contextmanager
def _asking_for_at_most(memory_bytes: int) -> Iterator[None]:
    """Refuse what could never be used within the limit, so that Python says where; use itself is watched from outside.

    Linux counts private writable memory here, used or not, which is why this limit is a wide one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wide = memory.virtual_bytes() + 2 * memory_bytes + SPARE_VIRTUAL_BYTES
    bounds = [wide, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@contextmanager
def _printing_to(path: Path) -> Iterator[None]:
    """Send everything that is printed, by native code too, to a file."""
    kept = os.dup(ERR)
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.dup2(file, OUT)
        os.dup2(file, ERR)
        yield
    finally:
        with suppress(OSError, ValueError):  # the disk is full, or the job closed it
            sys.stdout.flush()
            sys.stderr.flush()
        os.dup2(kept, OUT)
        os.dup2(kept, ERR)
        os.close(file)
        os.close(kept)


def _load(path: str) -> Callable[[JsonObject, JobContext], object]:
    module, _, name = path.partition(":")
    function: Callable[[JsonObject, JobContext], object] = getattr(import_module(module), name)
    return function


def _describe(error: BaseException) -> str:
    text = " ".join(storable(str(error)).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _trace() -> str:
    return "\n".join(map(storable, traceback.format_exc().splitlines()))


def _die_with_parents() -> None:
    """End this process when the one that started it ends, or the one that wanted it, however that happens."""
    die_with_parent(os.getppid())
    if wanted_by := multiprocessing.parent_process():
        threading.Thread(target=_watch, args=(wanted_by.sentinel,), name="parent-watch", daemon=True).start()


def die_with_parent(parent: int) -> None:
    """End this process when `parent` ends, or now if it has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _watch(sentinel: int) -> None:
    """`sentinel` can be read when the other end has closed."""
    wait([sentinel])
    os._exit(1)
