"""Jobs that worker processes run in tests: good ones, and every way in which one can go wrong."""

import os
import signal
import sys
import time
import warnings
from pathlib import Path

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


def refuse(payload: JsonObject, context: JobContext) -> JsonObject:
    raise BadInput("the recipe asks for the impossible")


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


def describe_worker(payload: JsonObject, context: JobContext) -> JsonObject:
    """What a job finds in its process: thread caps and what was loaded before it."""
    loaded = sorted({name.partition(".")[0] for name in sys.modules})
    import polars as pl  # noqa: PLC0415 - the pool must be ready before polars is loaded

    return {"loaded": loaded, "polars_threads": pl.thread_pool_size(), "omp": os.environ["OMP_NUM_THREADS"]}


def talk(payload: JsonObject, context: JobContext) -> JsonObject:
    """Prints from Python, warns, and prints as native code does."""
    print("printed")  # noqa: T201
    warnings.warn("a warning", stacklevel=1)
    os.write(1, b"native \xff\0\n")
    return {}


def crash(payload: JsonObject, context: JobContext) -> JsonObject:
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}
