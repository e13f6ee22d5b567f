"""What running many jobs costs, and how fast the bad ones are dealt with.

    ./run bench jobs [--jobs 100] [--warm-up 200] [--listed 30000] [--json]

`memory`: jobs one after the other through a runner that has warmed up; the slope of the runner's memory with a 95 %
confidence interval, which has to include zero or end below 1 kB a job, and how many jobs each worker process did.
`limits`: of eight jobs one is killed, one hangs, one eats memory, one raises; how long after its limit the hung one has
failed. `listing`: a page of a long list, first and deep, on both databases.
"""

import argparse
import asyncio
import gc
import json
import math
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
import numpy as np
import postgresql
import psutil
from sample_kinds import KINDS
from sqlalchemy import insert, update

from forecastle.clock import SystemClock
from forecastle.db import Database, migrate, open_database
from forecastle.jobs import queue
from forecastle.jobs.executor import Executor
from forecastle.jobs.job import NO_TERMS, Terms
from forecastle.jobs.runner import Runner
from forecastle.jobs.tables import JobRow
from forecastle.settings import DatabaseSettings, JobSettings, LogSettings
from forecastle.telemetry.logs import configure_logs
from forecastle.types import new_id

RECYCLE_AFTER = 10
PAGE_MS = 100.0
LATE_S = 1.0
FLAT_KB = 1.0
"""A page of memory in four jobs: the heap's fragments still settling."""
MB = 1024 * 1024
clock = SystemClock()


def main() -> None:
    arguments = _arguments()
    configure_logs(LogSettings(level="error"))
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "memory": asyncio.run(measure_memory(Path(folder, "memory"), arguments.jobs, arguments.warm_up)),
            "limits": asyncio.run(try_limits(Path(folder, "limits"))),
            "listing": _listing(Path(folder, "listing"), arguments.listed),
        }
    print(json.dumps(found, indent=2) if arguments.json else _told(found))
    if not all(part["met"] for part in found.values()):
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100, help="run for the slope of memory")
    parser.add_argument("--warm-up", type=int, default=200, help="run before them, while caches fill")
    parser.add_argument("--listed", type=int, default=30_000, help="in the list whose pages are timed")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _told(found: dict[str, Any]) -> str:
    memory, limits, listing = found["memory"], found["limits"], found["listing"]
    low, high = memory["interval_kb"]
    verdict = {True: "met", False: "NOT MET"}
    lines = [
        f"memory   {memory['jobs']} jobs: {memory['slope_kb']:+.2f} kB a job, 95 % interval {low:+.2f} to {high:+.2f}",
        f"memory   {memory['rss_mb']:.0f} MB, {memory['workers']} workers, {memory['most_jobs']} jobs at most in one",
        f"memory   {verdict[memory['met']]}",
        f"limits   the hung job failed {limits['late_s']:.2f} s after its limit",
        f"limits   {limits['failed']} failed, {limits['completed']} completed   {verdict[limits['met']]}",
        *(f"listing  {name}: {ms:.1f} ms" for name, ms in listing["p95_ms"].items()),
        f"listing  {listing['jobs']:,} jobs, 95th percentiles of a page of 50   {verdict[listing['met']]}",
    ]
    return "\n".join(lines)


# --- memory ------------------------------------------------------------------------------------------------------


async def measure_memory(home: Path, jobs: int, warm_up: int) -> dict[str, Any]:
    async with _database(home) as database:
        settings = JobSettings(workers=1, recycle_after=RECYCLE_AFTER)
        me = psutil.Process()
        sizes, pids = [], Counter[int]()
        async with Runner(database, KINDS, settings, home, clock, "memory://") as runner:
            for number in range(warm_up + jobs):
                job_id = await _submit(database, "echo", number=number, text="x" * 10_000)
                await runner.run_until_idle()
                async with database.read() as session:
                    job = await queue.get(session, job_id)
                assert job.result is not None, job.error
                pids[int(job.result["pid"])] += 1
                gc.collect()  # what is garbage says nothing of what is kept
                sizes.append(me.memory_info().rss / 1024)
    slope, half_width = _slope(sizes[warm_up:])
    return {
        "jobs": jobs,
        "slope_kb": slope,
        "interval_kb": [slope - half_width, slope + half_width],
        "rss_mb": sizes[-1] / 1024,
        "workers": len(pids),
        "most_jobs": max(pids.values()),
        "met": (slope - half_width <= 0 or slope + half_width < FLAT_KB) and max(pids.values()) <= RECYCLE_AFTER,
    }


def _slope(values: Sequence[float]) -> tuple[float, float]:
    """Of a line through the values, by least squares, and half of its 95 % confidence interval.

    Memory moves in steps and remembers, so the interval uses the effective number of values for their first-order
    autocorrelation: n (1 - r) / (1 + r).
    """
    x = np.arange(len(values), dtype=float)
    slope, start = np.polyfit(x, values, 1)
    rest = np.asarray(values) - slope * x - start
    spread = float(rest @ rest)
    if spread == 0:
        return float(slope), 0.0
    correlation = max(0.0, float(rest[1:] @ rest[:-1]) / spread)
    effective = max(3.0, len(values) * (1 - correlation) / (1 + correlation))
    error = math.sqrt(spread / (effective - 2) / float(((x - x.mean()) ** 2).sum()) * (len(values) / effective))
    return float(slope), 1.96 * error


# --- limits ------------------------------------------------------------------------------------------------------


async def try_limits(home: Path, executor: Executor | None = None) -> dict[str, Any]:
    """On this machine unless told otherwise. When a job has failed is read from the database, as anybody would."""
    bad = {
        "killed": ("kill_itself", NO_TERMS, {}),
        "hung": ("hang", Terms(timeout_s=2.0, priority=1), {}),
        "out of memory": ("devour", Terms(memory_mb=200), {}),
        "raising": ("divide", NO_TERMS, {"by": 0}),
    }
    async with _database(home) as database:
        async with Runner(database, KINDS, JobSettings(workers=2), home, clock, "memory://", executor) as runner:
            for _ in range(2):
                await _submit(database, "echo")
            await runner.run_until_idle()  # so that a worker's start is not taken for lateness
            ids = {
                name: await _submit(database, kind, terms, **payload) for name, (kind, terms, payload) in bad.items()
            }
            good = [await _submit(database, "echo") for _ in range(4)]
            await runner.run_until_idle()
        async with database.read() as session:
            failed = {name: await queue.get(session, job_id) for name, job_id in ids.items()}
            completed = [await queue.get(session, job_id) for job_id in good]
    hung = failed["hung"]
    assert hung.started_at is not None
    assert hung.finished_at is not None
    late = (hung.finished_at - hung.started_at).total_seconds() - 2.0
    counts = Counter(job.status for job in (*failed.values(), *completed))
    return {
        "late_s": late,
        "reasons": {name: job.error for name, job in failed.items()},
        "failed": counts["failed"],
        "completed": counts["completed"],
        "met": late <= LATE_S and counts == {"failed": 4, "completed": 4},
    }


# --- listing -----------------------------------------------------------------------------------------------------


def _listing(home: Path, jobs: int) -> dict[str, Any]:
    taken = asyncio.run(_pages("sqlite", DatabaseSettings(), home, jobs))
    with postgresql.server() as server, postgresql.database(server) as url:
        settings = DatabaseSettings(url=url.render_as_string(hide_password=False))
        taken |= asyncio.run(_pages("postgresql", settings, home, jobs))
    return {"jobs": jobs, "p95_ms": taken, "met": max(taken.values()) < PAGE_MS}


async def _pages(kind: str, settings: DatabaseSettings, home: Path, jobs: int) -> dict[str, float]:
    async with _database(home, settings) as database:
        await _fill(database, jobs)
        return await _time_pages(kind, database, jobs)


async def _fill(database: Database, jobs: int) -> None:
    """Every second one cancelled."""
    began = clock.now()
    for start in range(0, jobs, 1000):
        rows = [
            {
                "id": new_id(began + timedelta(seconds=number)),
                "kind": "train" if number % 10 else "search",
                "payload": {"document": {"name": f"model {number}", "features": ["close", "volume"] * 10}},
                "owner": "alice" if number % 3 else "bob",
                "status": "pending",
                "progress": 0.0,
                "message": "",
                "created_at": began + timedelta(seconds=number),
                "attempts": 0,
            }
            for number in range(start, min(start + 1000, jobs))
        ]
        async with database.write() as session:
            await session.execute(insert(JobRow), rows)
            cancelled = [row["id"] for row in rows[::2]]
            await session.execute(update(JobRow).where(JobRow.id.in_(cancelled)).values(status="cancelled"))


async def _time_pages(kind: str, database: Database, jobs: int) -> dict[str, float]:
    views: dict[str, dict[str, str]] = {
        "all": {},
        "pending": {"status": "pending"},
        "cancelled": {"status": "cancelled"},
        "search": {"kind": "search"},
        "bob's": {"owner": "bob"},
    }
    taken = {}
    for name, filters in views.items():
        cursor, middle = None, None
        for _ in range(max(1, jobs // 2000)):
            async with database.read() as session:
                page = await queue.list_jobs(session, limit=1000, cursor=cursor, **filters)
            middle, cursor = cursor, page.next
            if cursor is None:
                break
        taken[f"{kind} {name}, first"] = await _page_ms(database, None, filters)
        taken[f"{kind} {name}, deep"] = await _page_ms(database, middle, filters)
    return taken


async def _page_ms(database: Database, cursor: str | None, filters: dict[str, str]) -> float:
    times = []
    for _ in range(20):
        began = time.perf_counter()
        async with database.read() as session:
            await queue.list_jobs(session, limit=50, cursor=cursor, **filters)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.quantiles(times, n=20)[-1]


# --- what all need -----------------------------------------------------------------------------------------------


@asynccontextmanager
async def _database(home: Path, settings: DatabaseSettings | None = None) -> AsyncIterator[Database]:
    async with open_database(settings or DatabaseSettings(), home=home) as database:
        await migrate.upgrade(database)
        yield database


async def _submit(database: Database, kind: str, terms: Terms = NO_TERMS, **payload: Any) -> str:
    async with database.write() as session:
        made = await queue.submit(
            session, kind=kind, payload=payload, dedupe=None, owner=None, now=clock.now(), terms=terms
        )
    return made.job.id


if __name__ == "__main__":
    main()
