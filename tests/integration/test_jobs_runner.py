"""The runner with real workers on real databases."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sample_kinds import FINISHED, KINDS
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.clock import SystemClock
from forecastle.db import Database
from forecastle.jobs import leases, queue
from forecastle.jobs.job import NO_TERMS, Job, Terms
from forecastle.jobs.kinds import JobKind
from forecastle.jobs.lifeline import Lifeline
from forecastle.jobs.pool import LocalPool
from forecastle.jobs.runner import Runner
from forecastle.settings import JobSettings
from forecastle.types import JsonObject

WORKERS = 2
clock = SystemClock()


class Bench:
    """A home with a database, where tests submit jobs and start runners."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self.home = home

    def runner(self, **settings: Any) -> Runner:
        pool = LocalPool(workers=WORKERS, recycle_after=10, folder=self.home / "jobs", modules=("sample_jobs",))
        return Runner(self.database, KINDS, JobSettings(**settings), self.home, clock, "memory://", executor=pool)

    @asynccontextmanager
    async def running(self, **settings: Any) -> AsyncIterator[Runner]:
        """A runner at work in the background."""
        stop = asyncio.Event()
        async with self.runner(**settings) as runner:
            task = asyncio.create_task(runner.run_forever(stop))
            try:
                yield runner
            finally:
                stop.set()
                await task

    async def submit(self, kind: str, *, terms: Terms = NO_TERMS, **payload: Any) -> str:
        async with self.database.write() as session:
            submission = await queue.submit(
                session, kind=kind, payload=payload, dedupe=None, owner=None, now=clock.now(), terms=terms
            )
        return submission.job.id

    async def get(self, job_id: str) -> Job:
        async with self.database.read() as session:
            return await queue.get(session, job_id)

    async def logs(self, job_id: str) -> list[str]:
        async with self.database.read() as session:
            return [line.text for line in await queue.logs(session, job_id)]

    async def ended(self, job_id: str) -> Job:
        return await self.until(job_id, lambda job: job.ended)

    async def until(self, job_id: str, condition: Callable[[Job], bool]) -> Job:
        async with asyncio.timeout(60):
            async for job in queue.watch(self.database, job_id, every_s=0.02):
                if condition(job):
                    break
        return job


@pytest.fixture
def bench(database: Database, tmp_path: Path) -> Bench:
    return Bench(database, tmp_path)


async def test_jobs_are_worked_off(bench: Bench) -> None:
    ids = [await bench.submit("echo", number=number) for number in range(8)]
    async with bench.runner() as runner:
        await runner.run_until_idle()

    for number, job_id in enumerate(ids):
        job = await bench.get(job_id)
        assert (job.status, job.progress, job.attempts, job.error) == ("completed", 1.0, 1, None)
        assert job.result is not None
        assert job.result["echo"] == {"number": number}
        assert await bench.logs(job_id) == ["echoing 1 fields", FINISHED]
    assert list((bench.home / "jobs").iterdir()) == []


async def test_every_way_to_go_wrong_marks_exactly_that_job(bench: Bench) -> None:
    bad = {
        "refuse": "the recipe asks for the impossible",
        "divide": "ZeroDivisionError: integer division or modulo by zero",
        "exhaust_memory": "it ran out of memory (MemoryError): it used ",
        "exit_hard": "its worker process ended with exit status 1",
        "kill_itself": "its worker process was killed by SIGKILL; the machine may have run out of memory",
        "hang": "it took longer than 2 s and was stopped",
        "return_lambda": "its result cannot be stored as JSON: Encoding objects of type function is unsupported",
        "missing_module": "ModuleNotFoundError: No module named 'no_such_module'",
        "refused_at_finish": "that name is taken",
        "stumbles_at_finish": "internal error: KeyError: 'no such key'",
    }
    failing = {kind: await bench.submit(kind, by=0, status=1) for kind in bad}
    fine = [await bench.submit("echo") for _ in bad]
    async with bench.runner(timeout_s=2) as runner:
        await runner.run_until_idle()

    for kind, job_id in failing.items():
        job = await bench.get(job_id)
        assert (job.status, job.result) == ("failed", None)
        assert (job.error or "").startswith(bad[kind]), kind
        assert FINISHED not in await bench.logs(job_id)
    assert [(await bench.get(job_id)).status for job_id in fine] == ["completed"] * len(fine)
    trace = await bench.logs(failing["divide"])
    assert trace[0] == "about to divide"
    assert any("in divide" in line for line in trace)


async def test_a_job_is_held_to_its_own_limits_and_to_no_wider_ones_than_the_settings(bench: Bench) -> None:
    hasty = await bench.submit("hang", terms=Terms(timeout_s=0.5))
    wide = await bench.submit("hang", terms=Terms(timeout_s=3600))
    small = await bench.submit("devour", terms=Terms(memory_mb=150))
    big = await bench.submit("devour", terms=Terms(memory_mb=100_000))
    async with bench.runner(timeout_s=3, memory_mb=200) as runner:
        await runner.run_until_idle()
    errors = [(await bench.get(job_id)).error or "" for job_id in (hasty, wide, small, big)]
    expected = ["longer than 0.5 s", "longer than 3 s", "its limit of 150 MB", "its limit of 200 MB"]
    assert [part in error for part, error in zip(expected, errors, strict=True)] == [True] * 4, errors


async def test_a_log_is_kept_up_to_its_limits_and_the_traceback_after_it(bench: Bench) -> None:
    lines = await bench.submit("chatter", lines=100)
    letters = await bench.submit("write_long_lines_and_fail", letters=1000)
    async with bench.runner(max_log_lines=10, max_log_bytes=2500) as runner:
        await runner.run_until_idle()
    full = "… the log is full; further lines are not kept"
    assert await bench.logs(lines) == [*(f"line {number}" for number in range(9)), full, FINISHED]
    kept = await bench.logs(letters)
    assert kept[:3] == ["x" * 1000, "x" * 1000, full]
    assert "ValueError: enough" in kept[-1]


async def test_a_job_of_a_higher_priority_runs_first(bench: Bench) -> None:
    order = bench.home / "order"
    for priority in (0, -5, 7, 0):
        await bench.submit("count_run", terms=Terms(priority=priority), file=str(order), name=str(priority))
    async with Runner(bench.database, KINDS, JobSettings(workers=1), bench.home, clock, "memory://") as runner:
        await runner.run_until_idle()
    ran = [line.split()[0] for line in order.read_text().splitlines()]
    assert [(await bench.get(job_id)).priority for job_id in ran] == [7, 0, 0, -5]
    assert ran[1] < ran[2], "of equals the oldest first"


async def test_a_worker_gets_its_next_job_before_the_outcome_of_its_last_one_is_stored(bench: Bench) -> None:
    order = bench.home / "order"

    async def finish_after_the_next_one_ran(_session: AsyncSession, _job: Job, result: JsonObject) -> JsonObject:
        async with asyncio.timeout(30):
            while not order.exists():  # noqa: ASYNC110 - another process makes it true
                await asyncio.sleep(0.01)
        return result

    kinds = {**KINDS, "patient": JobKind("sample_jobs:echo", finish_after_the_next_one_ran)}
    first = await bench.submit("patient")
    second = await bench.submit("count_run", file=str(order))
    async with Runner(bench.database, kinds, JobSettings(workers=1), bench.home, clock, "memory://") as runner:
        await runner.run_until_idle()
    assert [(await bench.get(job_id)).status for job_id in (first, second)] == ["completed"] * 2


async def test_what_finish_wrote_goes_with_the_job_it_failed(bench: Bench) -> None:
    job_id = await bench.submit("refused_at_finish")
    async with bench.runner() as runner:
        await runner.run_until_idle()
    assert (await bench.get(job_id)).status == "failed"
    assert await bench.logs(job_id) == ["echoing 0 fields"]


async def test_progress_shows_while_the_job_runs(bench: Bench) -> None:
    gate = bench.home / "gate"
    job_id = await bench.submit("wait", until=str(gate))
    async with bench.running():
        job = await bench.until(job_id, lambda job: job.progress > 0)
        assert (job.status, job.progress) == ("training", 0.25)
        gate.touch()
        assert (await bench.ended(job_id)).status == "completed"


async def test_cancelling_a_running_job_kills_its_worker_and_frees_its_place(bench: Bench) -> None:
    ids = [await bench.submit("wait", until=str(bench.home / "never")) for _ in range(WORKERS)]
    async with bench.running():
        for job_id in ids:
            await bench.until(job_id, lambda job: job.status == "training")
        async with bench.database.write() as session:
            await queue.cancel(session, ids[0], now=clock.now())
        after = await bench.submit("echo")
        assert (await bench.ended(after)).status == "completed"
        assert (await bench.get(ids[0])).status == "cancelled"
        assert (await bench.get(ids[1])).status == "training"


async def test_a_runner_that_stops_puts_its_jobs_back_for_the_next(bench: Bench) -> None:
    gate = bench.home / "gate"
    ids = [await bench.submit("wait", until=str(gate)) for _ in range(WORKERS + 1)]
    async with bench.running():
        await bench.until(ids[0], lambda job: job.status == "training")
    assert Counter([(job := await bench.get(job_id)).status for job_id in ids]) == {"pending": len(ids)}
    assert job.attempts == 0
    gate.touch()
    async with bench.runner() as runner:
        await runner.run_until_idle()
    for job_id in ids:
        assert (await bench.logs(job_id)).count(FINISHED) == 1


async def test_a_job_of_an_unknown_kind_waits_for_a_runner_that_knows_it(bench: Bench) -> None:
    job_id = await bench.submit("from_the_future")
    async with bench.runner() as runner:
        await runner.run_until_idle()
    assert (await bench.get(job_id)).status == "pending"


async def test_a_wake_up_call_starts_a_job_at_once(bench: Bench) -> None:
    async with bench.running() as runner:
        job_id = await bench.submit("echo")
        runner.wake()
        assert (await bench.ended(job_id)).status == "completed"


async def test_a_job_of_a_runner_elsewhere_is_taken_over_when_its_lease_runs_out_and_not_before(bench: Bench) -> None:
    job_id = await bench.submit("echo")
    async with bench.database.write() as session:
        await leases.renew(session, "elsewhere", until=clock.now().replace(year=9000))
        await leases.claim(session, "elsewhere", kinds=KINDS, limit=1, now=clock.now())
    async with bench.runner() as runner:
        await runner.run_until_idle()
    assert (await bench.get(job_id)).status == "preprocessing"

    async with bench.database.write() as session:
        await leases.renew(session, "elsewhere", until=clock.now())
    async with bench.runner() as runner:
        await runner.run_until_idle()
    job = await bench.get(job_id)
    assert (job.status, job.attempts) == ("completed", 2)


async def test_a_living_runner_of_the_same_home_keeps_its_jobs(bench: Bench) -> None:
    job_id = await bench.submit("echo")
    (bench.home / "jobs").mkdir()
    alive = Lifeline(bench.home / "jobs", "alive")
    async with bench.database.write() as session:
        await leases.renew(session, "alive", until=clock.now().replace(year=9000))
        await leases.claim(session, "alive", kinds=KINDS, limit=1, now=clock.now())
    async with bench.runner() as runner:
        await runner.run_until_idle()
    assert (await bench.get(job_id)).status == "preprocessing"
    alive.cut()


async def test_a_job_that_was_taken_without_the_runner_hearing_of_it_is_put_back_and_run(bench: Bench) -> None:
    job_id = await bench.submit("echo")
    async with bench.runner() as runner:
        async with bench.database.write() as session:
            await leases.renew(session, runner.id, until=clock.now().replace(year=9000))
            await leases.claim(session, runner.id, kinds=KINDS, limit=1, now=clock.now())
        await runner.run_until_idle()
        while not (await bench.get(job_id)).ended:
            await runner.run_until_idle()
    assert (await bench.logs(job_id)).count(FINISHED) == 1


async def test_a_job_that_another_runner_took_over_is_dropped(bench: Bench) -> None:
    job_id = await bench.submit("wait", until=str(bench.home / "never"))
    async with bench.running():
        await bench.until(job_id, lambda job: job.status == "training")
        async with bench.database.write() as session:
            await leases.renew(session, "another", until=clock.now().replace(year=9000))
            await session.execute(text("UPDATE jobs SET runner = 'another', attempts = attempts + 1"))
        after = [await bench.submit("echo") for _ in range(WORKERS)]
        assert [(await bench.ended(job_id)).status for job_id in after] == ["completed"] * WORKERS
        assert (await bench.get(job_id)).status == "training"


async def test_while_the_database_is_away_the_runner_waits_and_loses_nothing(bench: Bench) -> None:
    gate = bench.home / "gate"
    running = await bench.submit("wait", until=str(gate))
    waiting = await bench.submit("echo")
    async with bench.running():
        await bench.until(running, lambda job: job.status == "training")
        await _without_tables(bench.database, gate.touch)
        assert (await bench.ended(running)).status == "completed"
        assert (await bench.ended(waiting)).status == "completed"
    assert (await bench.logs(running)).count(FINISHED) == 1
    assert (await bench.get(running)).attempts == 1


async def _without_tables(database: Database, meanwhile: Callable[[], None]) -> None:
    """Take the jobs away for two seconds: to the runner, no different from a database that is down."""
    await _execute(database, "ALTER TABLE jobs RENAME TO jobs_away")
    meanwhile()
    await asyncio.sleep(2)
    await _execute(database, "ALTER TABLE jobs_away RENAME TO jobs")


async def _execute(database: Database, statement: str) -> None:
    async with database.write() as session:
        await session.execute(text(statement))
