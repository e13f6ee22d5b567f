"""Jobs that worker processes run in tests: good ones, and every way in which one can go wrong."""

import mmap
import os
import signal
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import cast

from forecastle.errors import BadInput
from forecastle.jobs.context import JobContext
from forecastle.types import JsonObject


def echo(payload: JsonObject, context: JobContext) -> JsonObject:
    context.report(0.5, "half-way", "training")
    context.log(f"echoing {len(payload)} fields")
    return {"echo": payload, "pid": os.getpid()}


def count_run(payload: JsonObject, context: JobContext) -> JsonObject:
    """Leaves a line in a file for every run, so that a test can see how often it ran."""
    with Path(str(payload["file"])).open("a") as file:
        file.write(f"{context.job_id} {os.getpid()}\n")
    time.sleep(float(str(payload.get("seconds", 0))))
    return {}


def wait(payload: JsonObject, context: JobContext) -> JsonObject:
    """Says which process runs it, then waits until the file `until` exists."""
    context.report(0.25, str(os.getpid()), "training")
    while not Path(str(payload["until"])).exists():
        time.sleep(0.01)
    return {}


def measure(payload: JsonObject, context: JobContext) -> JsonObject:
    """Tells what it measured, then waits until the file `until` exists."""
    values = cast("list[float]", payload["values"])
    for step, value in enumerate(values):
        context.measure(step, len(values), {"loss": value})
    context.log(f"measured {len(values)} values")
    return wait(payload, context)


def refuse(payload: JsonObject, context: JobContext) -> JsonObject:
    raise BadInput("the recipe asks for the impossible")


def fill_the_disk(payload: JsonObject, context: JobContext) -> JsonObject:
    with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123 - it is what a full disk is like
        return {"written": full.write(b"model")}


def divide(payload: JsonObject, context: JobContext) -> JsonObject:
    context.log("about to divide")
    return {"quotient": 1 // int(str(payload["by"]))}


def exhaust_memory(payload: JsonObject, context: JobContext) -> JsonObject:
    return {"size": len(bytearray(1 << 62))}


def exit_python(payload: JsonObject, context: JobContext) -> JsonObject:
    sys.exit(3)


def exit_hard(payload: JsonObject, context: JobContext) -> JsonObject:
    os._exit(int(str(payload["status"])))


def kill_itself(payload: JsonObject, context: JobContext) -> JsonObject:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def hang(payload: JsonObject, context: JobContext) -> JsonObject:
    """Deaf to SIGTERM, as native code is."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    while True:
        time.sleep(1)


def return_lambda(payload: JsonObject, context: JobContext) -> JsonObject:
    return {"rubbish": lambda: None}  # type: ignore[dict-item]


def return_text(payload: JsonObject, context: JobContext) -> str:
    return "text"


def raise_unpicklable(payload: JsonObject, context: JobContext) -> JsonObject:
    error = RuntimeError("cannot travel")
    error.baggage = lambda: None  # type: ignore[attr-defined]
    raise error


def report_backwards(payload: JsonObject, context: JobContext) -> JsonObject:
    context.report(0.5, "on", "training")
    context.report(0.6, "back", "preprocessing")
    return {}


def chatter(payload: JsonObject, context: JobContext) -> JsonObject:
    for number in range(int(str(payload["lines"]))):
        context.log(f"line {number}")
        context.report(number / int(str(payload["lines"])), f"line {number}")
    return {}


def write_long_lines_and_fail(payload: JsonObject, context: JobContext) -> JsonObject:
    for _ in range(10):
        context.log("x" * int(str(payload["letters"])))
    raise ValueError("enough")


def describe_worker(payload: JsonObject, context: JobContext) -> JsonObject:
    """What a job finds in its process: thread caps and what was loaded before it."""
    loaded = sorted({name.partition(".")[0] for name in sys.modules})
    import polars as pl  # noqa: PLC0415 - the pool must be ready before polars is loaded

    return {"loaded": loaded, "polars_threads": pl.thread_pool_size(), "omp": os.environ["OMP_NUM_THREADS"]}


def list_open_files(payload: JsonObject, context: JobContext) -> JsonObject:
    return {"files": sorted(open_files())}


def open_files() -> set[str]:
    """What the descriptors of this process lead to: paths, and sockets by number."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one that lists them
            found.add(str(descriptor.readlink()))
    return found


def talk(payload: JsonObject, context: JobContext) -> JsonObject:
    """Prints from Python, warns, and prints as native code does."""
    print("printed")  # noqa: T201
    warnings.warn("a warning", stacklevel=1)
    os.write(1, b"native \xff\0\n")
    return {}


def crash(payload: JsonObject, context: JobContext) -> JsonObject:
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def devour(payload: JsonObject, context: JobContext) -> JsonObject:
    """Uses more and more memory, a part of it in `children` that it forks, and never gives any back."""
    for _ in range(int(str(payload.get("children", 0)))):
        if os.fork() == 0:
            break
    held = []
    while True:
        held.append(bytearray(os.urandom(1)) * (4 << 20))
        time.sleep(0.01)


def demand(payload: JsonObject, context: JobContext) -> JsonObject:
    """Asks for far more memory than it may use, and would never use it."""
    return {"size": len(bytearray(int(str(payload["gb"])) << 30))}


def hold(payload: JsonObject, context: JobContext) -> JsonObject:
    """Uses some memory, maps a file, and forks children that share all of it."""
    held = bytearray(b"x") * (int(str(payload["mb"])) << 20)
    with Path(str(payload["file"])).open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        checksum = sum(mapped[:: mmap.PAGESIZE])
        children = [pid for pid in (_fork_sleeper() for _ in range(int(str(payload["children"])))) if pid]
        time.sleep(0.3)
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return {"held": len(held), "checksum": checksum}


def _fork_sleeper() -> int:
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    return pid


def leave_behind(payload: JsonObject, context: JobContext) -> JsonObject:
    """Ends in order and keeps memory that the next task in its process has nothing to do with."""
    left_over.append(bytearray(b"x") * (int(str(payload["mb"])) << 20))
    return {"pid": os.getpid()}


left_over: list[bytearray] = []
