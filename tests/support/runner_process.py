"""A runner in a process of its own, and a submitter: `python -m runner_process run|submit DATABASE_URL HOME`."""

import asyncio
import signal
import sys
from pathlib import Path

from sample_kinds import KINDS

from forecastle.clock import SystemClock
from forecastle.db import open_database
from forecastle.jobs import queue
from forecastle.jobs.runner import Runner
from forecastle.settings import DatabaseSettings, JobSettings

SUBMISSIONS = 20


async def run(url: str, home: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with (
        open_database(DatabaseSettings(url=url), home=home) as database,
        Runner(database, KINDS, JobSettings(), home, SystemClock(), "memory://") as runner,
    ):
        await runner.run_forever(stop)


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
    asyncio.run({"run": run, "submit": submit}[command](address, Path(folder)))
