"""Fits in our pool of worker processes: each a task with a journal, under watch for time and memory.

    training_ours.py [MODULE …]

Its processes load the modules ahead, besides the one of the fits.
"""

import asyncio
import itertools
import sys
import tempfile
from pathlib import Path
from typing import Any

from answering import answer

from forecastle.jobs.executor import Task
from forecastle.jobs.journal import Succeeded
from forecastle.jobs.pool import LocalPool
from forecastle.training.submit import SHARED

TIMEOUT_S = 600.0


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        home = Path(folder)
        pool = LocalPool(workers=2, recycle_after=10, folder=home, modules=("fits", *sys.argv[1:]), shared=SHARED)
        numbers = itertools.count()

        async def perform(function: str, payload: dict[str, Any]) -> dict[str, Any]:
            task = Task(f"job{next(numbers)}", 1, f"fits:{function}", payload, home, "memory://", TIMEOUT_S)
            outcome = await pool.run(task, lambda _: None)
            assert isinstance(outcome, Succeeded), outcome
            return outcome.result

        async def perform_all(function: str, payloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return await asyncio.gather(*(perform(function, payload) for payload in payloads))

        runner.run(pool.__aenter__())
        try:
            answer(
                {
                    "fit": lambda jobs: [each["model"] for each in runner.run(perform_all("run", jobs))],
                    "caps": lambda: runner.run(perform("tell_caps", {}))["caps"],
                    "measure": lambda jobs: [each["memory"] for each in runner.run(perform_all("run", jobs))],
                    "look": lambda **payload: runner.run(perform("look", payload))["checksum"],
                }
            )
        finally:
            runner.run(pool.__aexit__(None, None, None))


if __name__ == "__main__":
    main()
