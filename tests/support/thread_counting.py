"""A job that trains a model and tells how many threads of its own its worker process had meanwhile."""

import threading
from contextlib import suppress
from pathlib import Path
from typing import cast

from forecastle.jobs.context import JobContext
from forecastle.training import worker
from forecastle.types import JsonObject

LOOK_EVERY_S = 0.0005
TASKS = Path("/proc/self/task")


def train(payload: JsonObject, context: JobContext) -> JsonObject:
    """Trains what `order` says, after `first`; `before` and `most` are how many threads there were then.

    A thread that Polars starts bears the name of the process for a moment, so it starts them with `first`.
    """
    worker.run(cast("JsonObject", payload["first"]), context)
    before = most = _threads()
    over = threading.Event()

    def look() -> None:
        nonlocal most
        while not over.wait(LOOK_EVERY_S):
            most = max(most, _threads() - 1)  # less the one that looks

    watch = threading.Thread(target=look)
    watch.start()
    try:
        worker.run(cast("JsonObject", payload["order"]), context)
    finally:
        over.set()
        watch.join()
    return {"before": before, "most": most}


def _threads() -> int:
    """Threads that bear the name of the process: those of OpenMP and Python do, while Polars gives its own names."""
    own = Path("/proc/self/comm").read_text()
    return sum(_name(thread) == own for thread in TASKS.iterdir())


def _name(thread: Path) -> str:
    with suppress(OSError):  # it has ended meanwhile
        return (thread / "comm").read_text()
    return ""
