"""Runners in a process of their own, and a submitter.

python -m runner_process run|wide|forking|ray|submit DATABASE_URL HOME
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from sample_kinds import KINDS

from forecastle.clock import SystemClock
from forecastle.db import open_database
from forecastle.jobs import queue
from forecastle.jobs.executor import Executor
from forecastle.jobs.pool import LocalPool
from forecastle.jobs.ray import RayExecutor
from forecastle.jobs.runner import Runner
from forecastle.settings import DatabaseSettings, JobSettings

SUBMISSIONS = 20


async def run(url: str, home: Path, executor: Executor | None = None) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with (
        open_database(DatabaseSettings(url=url), home=home) as database,
        Runner(database, KINDS, JobSettings(), home, SystemClock(), "memory://", executor=executor) as runner,
    ):
        await runner.run_forever(stop)


async def wide(url: str, home: Path) -> None:
    """The same with six workers, however many cores there are."""
    await run(url, home, LocalPool(workers=6, recycle_after=10, folder=home / "jobs", modules=("sample_jobs",)))


async def forking(url: str, home: Path) -> None:
    """The same as `wide`, with workers that are forked."""
    modules = ("sample_jobs",)
    pool = LocalPool(workers=6, recycle_after=10, folder=home / "jobs", modules=modules, shared=modules)
    await run(url, home, pool)


async def ray(url: str, home: Path) -> None:
    """The same on the cluster that `RAY_ADDRESS` names."""
    options: dict[str, Any] = {
        "address": os.environ["RAY_ADDRESS"],
        "workers": 0,
        "recycle_after": 10,
        "modules": ("sample_jobs",),
    }
    await run(url, home, RayExecutor(folder=home / "jobs", **options))


async def submit(url: str, home: Path) -> None:
    """Submit the same jobs as everybody else who runs this, and print which of them were new."""
    clock = SystemClock()
    sys.stdin.readline()  # wait for the starting shot
    async with open_database(DatabaseSettings(url=url), home=home) as database:
        for number in range(SUBMISSIONS):
            async with database.write() as session:
                submission = await queue.submit(
                    session, kind="echo", payload={}, dedupe=f"recipe {number}", owner=None, now=clock.now()
                )
            sys.stdout.write(f"{submission.job.id} {submission.duplicate}\n")


if __name__ == "__main__":
    command, address, folder = sys.argv[1:]
    commands = {"run": run, "wide": wide, "forking": forking, "ray": ray, "submit": submit}
    asyncio.run(commands[command](address, Path(folder)))
