"""What a kind of job hears of its jobs while they run, and what it starts when they have ended."""
# ruff: noqa: ARG001 - hooks take what the runner hands them

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sample_kinds import KINDS
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.clock import SystemClock
from forecastle.db import Database
from forecastle.jobs import queue
from forecastle.jobs.job import Job
from forecastle.jobs.journal import Measured
from forecastle.jobs.kinds import JobKind
from forecastle.jobs.runner import Runner
from forecastle.settings import JobSettings

clock = SystemClock()


class Bench:
    """A home where jobs of kinds with hooks are worked off."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self.home = home

    async def submit(self, kind: str, **payload: Any) -> str:
        async with self.database.write() as session:
            made = await queue.submit(session, kind=kind, payload=payload, dedupe=None, owner=None, now=clock.now())
        return made.job.id

    async def work_off(self, **kinds: JobKind) -> None:
        async with Runner(self.database, kinds, JobSettings(workers=1), self.home, clock, "memory://") as runner:
            await runner.run_until_idle()

    async def get(self, job_id: str) -> Job:
        async with self.database.read() as session:
            return await queue.get(session, job_id)


@pytest.fixture
def bench(database: Database, tmp_path: Path) -> Bench:
    return Bench(database, tmp_path)


async def test_what_a_job_measures_is_heard_in_order(bench: Bench) -> None:
    heard: list[Measured] = []

    async def hear(session: AsyncSession, job: Job, measured: Sequence[Measured], now: datetime) -> None:
        heard.extend(measured)

    job_id = await bench.submit("measure", values=[1.0, 2.5], until=str(bench.home))
    await bench.work_off(measure=replace(KINDS["measure"], measured=hear))
    assert heard == [Measured(0, 2, {"loss": 1.0}), Measured(1, 2, {"loss": 2.5})]
    assert (await bench.get(job_id)).status == "completed"


async def test_a_job_may_be_stopped_over_what_it_measured(bench: Bench) -> None:
    async def stop(session: AsyncSession, job: Job, measured: Sequence[Measured], now: datetime) -> None:
        await queue.cancel(session, job.id, now=now)

    job_id = await bench.submit("measure", values=[9.0], until=str(bench.home / "never"))
    await bench.work_off(measure=replace(KINDS["measure"], measured=stop))
    assert (await bench.get(job_id)).status == "cancelled"


async def test_a_bug_in_the_hearing_costs_neither_the_job_nor_its_log(bench: Bench) -> None:
    async def stumble(session: AsyncSession, job: Job, measured: Sequence[Measured], now: datetime) -> None:
        await session.execute(text("INSERT INTO jobs SELECT * FROM jobs"))

    job_id = await bench.submit("measure", values=[1.0], until=str(bench.home))
    await bench.work_off(measure=replace(KINDS["measure"], measured=stumble))
    assert (await bench.get(job_id)).status == "completed"
    async with bench.database.read() as session:
        assert "measured 1 values" in [line.text for line in await queue.logs(session, job_id)]


async def test_steering_starts_what_follows_until_there_is_nothing_more(bench: Bench) -> None:
    seen: list[int] = []

    async def steer() -> None:
        async with bench.database.read() as session:
            seen.append((await queue.count_by_status(session))["completed"])
        if seen[-1] < 3:
            await bench.submit("echo")

    await bench.work_off(echo=replace(KINDS["echo"], steer=steer))
    async with bench.database.read() as session:
        counts = await queue.count_by_status(session)
    assert counts["completed"] >= 3
    assert counts["pending"] == 0
    assert seen[0] == 0


async def test_a_bug_in_the_steering_does_not_stop_the_jobs(bench: Bench) -> None:
    async def stumble() -> None:
        raise KeyError("nothing here")

    jobs = [await bench.submit("echo") for _ in range(2)]
    await bench.work_off(echo=replace(KINDS["echo"], steer=stumble))
    assert [(await bench.get(job_id)).status for job_id in jobs] == ["completed"] * 2
