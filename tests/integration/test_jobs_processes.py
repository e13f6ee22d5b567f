"""Runners and submitters in processes of their own, and what is left when they are killed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray_cluster import CPUS_A_NODE, RayCluster
from runner_process import SUBMISSIONS
from sample_kinds import FINISHED, KINDS
from sqlalchemy import URL, func, select, text, update

from forecastle.clock import SystemClock
from forecastle.db import Database, open_database
from forecastle.jobs import queue
from forecastle.jobs.job import Job
from forecastle.jobs.runner import Runner
from forecastle.jobs.tables import RunnerRow
from forecastle.settings import DatabaseSettings, JobSettings

SUPPORT = Path(__file__).parents[1] / "support"
clock = SystemClock()


class Site:
    """A home with a database, and processes that work there."""

    def __init__(self, database: Database, url: str, home: Path) -> None:
        self.database = database
        self.home = home
        self._url = url

    @asynccontextmanager
    async def process(self, command: str) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-m", "runner_process", command, self._url, str(self.home)),
            env={**os.environ, "PYTHONPATH": str(SUPPORT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def submit(self, kind: str, **payload: Any) -> str:
        async with self.database.write() as session:
            submission = await queue.submit(
                session, kind=kind, payload=payload, dedupe=None, owner=None, now=clock.now()
            )
        return submission.job.id

    async def jobs(self) -> tuple[Job, ...]:
        async with self.database.read() as session:
            return (await queue.list_jobs(session, limit=1000)).items

    async def until(self, condition: Callable[[tuple[Job, ...]], bool]) -> tuple[Job, ...]:
        async with asyncio.timeout(60):
            while not condition(jobs := await self.jobs()):  # noqa: ASYNC110 - another process makes it true
                await asyncio.sleep(0.05)
        return jobs

    async def finishes(self, job_id: str) -> int:
        async with self.database.read() as session:
            return [line.text for line in await queue.logs(session, job_id)].count(FINISHED)


@pytest.fixture
def site(database: Database, database_settings: DatabaseSettings, tmp_path: Path) -> Site:
    return Site(database, str(database_settings.url), tmp_path)


def _all_ended(jobs: tuple[Job, ...]) -> bool:
    return all(job.ended for job in jobs)


def _all_run(jobs: tuple[Job, ...]) -> bool:
    return all(job.status == "training" for job in jobs)


def _some_run(jobs: tuple[Job, ...]) -> bool:
    return any(job.status == "training" for job in jobs)


async def test_processes_that_submit_the_same_at_once_make_each_job_once(site: Site) -> None:
    async with AsyncExitStack() as stack:
        submitters = [await stack.enter_async_context(site.process("submit")) for _ in range(2)]
        outputs = await asyncio.gather(*(submitter.communicate(b"go\n") for submitter in submitters))
    answers = [line.split() for out, _ in outputs for line in out.decode().splitlines()]
    assert len(answers) == 2 * SUBMISSIONS, outputs
    assert Counter(duplicate for _, duplicate in answers) == {"False": SUBMISSIONS, "True": SUBMISSIONS}
    assert {job_id for job_id, _ in answers} == {job.id for job in await site.jobs()}


@pytest.mark.parametrize("command", ["wide", "forking"])
async def test_six_running_jobs_of_a_runner_that_was_killed_are_run_again_and_finished_once(
    site: Site, command: str
) -> None:
    gate = site.home / "gate"
    for _ in range(6):
        await site.submit("wait", until=str(gate))
    async with site.process(command) as runner:
        await site.until(_all_run)
        workers = psutil.Process(runner.pid).children(recursive=True)
        runner.kill()
        await runner.wait()
    assert psutil.wait_procs(workers, timeout=10)[1] == []
    assert _all_run(await site.jobs())
    gate.touch()
    await _finish_what_was_left(site)
    assert sorted(path.name for path in (site.home / "jobs").iterdir()) == []


@pytest.mark.parametrize("database_settings", ["sqlite"], indirect=True)
async def test_the_same_on_a_cluster(site: Site, ray_cluster: RayCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", ray_cluster.address)
    gate = site.home / "gate"
    for _ in range(2 * CPUS_A_NODE):
        await site.submit("wait", until=str(gate))
    async with site.process("ray") as runner:
        await site.until(_all_run)
        pids = {int(job.message) for job in await site.jobs()}
        runner.kill()
        await runner.wait()
    async with asyncio.timeout(30):
        while any(map(psutil.pid_exists, pids)):  # noqa: ASYNC110 - Ray ends what a lost program has left
            await asyncio.sleep(0.05)
    gate.touch()
    await _finish_what_was_left(site)


async def _finish_what_was_left(site: Site) -> None:
    async with Runner(site.database, KINDS, JobSettings(), site.home, clock, "memory://") as successor:
        await successor.run_until_idle()
    jobs = await site.jobs()
    assert {(job.status, job.attempts) for job in jobs} == {("completed", 2)}
    assert [await site.finishes(job.id) for job in jobs] == [1] * len(jobs)


async def test_runners_that_share_a_database_never_run_a_job_twice(site: Site) -> None:
    record = site.home / "record"
    for _ in range(40):
        await site.submit("count_run", file=str(record), seconds=0.01)
    async with site.process("run"), site.process("run"):
        await site.until(_all_ended)
    ran = [line.split() for line in record.read_text().splitlines()]
    assert sorted(job_id for job_id, _ in ran) == sorted(job.id for job in await site.jobs())
    assert [job.attempts for job in await site.jobs()] == [1] * 40


@pytest.mark.parametrize("command", ["run", "forking"])
async def test_a_runner_that_is_told_to_end_leaves_nothing_behind(site: Site, command: str) -> None:
    await site.submit("wait", until=str(site.home / "never"))
    async with site.process(command) as runner:
        await site.until(_some_run)
        children = psutil.Process(runner.pid).children(recursive=True)
        runner.send_signal(signal.SIGTERM)
        out, err = await runner.communicate()
    assert runner.returncode == 0
    assert (out, b"Traceback" in err) == (b"", False), err
    assert psutil.wait_procs(children, timeout=10)[1] == []
    (job,) = await site.jobs()
    assert (job.status, job.attempts) == ("pending", 0)
    async with site.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(RunnerRow)) == 0
    assert list((site.home / "jobs").iterdir()) == []


async def test_a_runner_that_was_stopped_too_long_does_not_finish_what_another_took_over(site: Site) -> None:
    gate = site.home / "gate"
    job_id = await site.submit("wait", until=str(gate))
    async with site.process("run") as sleeper:
        await site.until(_some_run)
        sleeper.send_signal(signal.SIGSTOP)
        async with site.database.write() as session:
            await session.execute(update(RunnerRow).values(leased_until=clock.now()))
        gate.touch()
        async with Runner(site.database, KINDS, JobSettings(), site.home, clock, "memory://") as successor:
            await successor.run_until_idle()
        sleeper.send_signal(signal.SIGCONT)
        probe = await site.submit("echo")
        await site.until(lambda jobs: all(job.ended for job in jobs if job.id == probe))
    assert await site.finishes(job_id) == 1


async def test_a_runner_outlives_a_postgresql_server_that_throws_everyone_out(
    postgresql_server: URL, site: Site
) -> None:
    if site.database.dialect == "sqlite":  # has no server: a locked file is its outage
        async with site.process("run"):
            await _lock_sqlite(site)
            await site.submit("echo")
            await site.until(_all_ended)
        return
    admin = DatabaseSettings(url=postgresql_server.render_as_string(hide_password=False))
    gate = site.home / "gate"
    await site.submit("wait", until=str(gate))
    await site.submit("echo")
    name = site.database.url.database
    async with site.process("run"), open_database(admin, home=site.home) as server:
        await site.until(_some_run)
        await site.database.engine.dispose()
        await _rename(server, str(name), f"{name}_away")
        gate.touch()
        await asyncio.sleep(2)
        await _rename(server, f"{name}_away", str(name))
        jobs = await site.until(_all_ended)
    assert [(job.status, job.attempts) for job in jobs] == [("completed", 1)] * 2
    assert [await site.finishes(job.id) for job in jobs] == [1, 1]


async def _rename(server: Database, old: str, new: str) -> None:
    """Throw everyone out of a database and rename it, so that nobody finds it."""
    async with asyncio.timeout(30), server.engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        while True:
            await autocommit.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": old}
            )
            try:
                await autocommit.execute(text(f'ALTER DATABASE "{old}" RENAME TO "{new}"'))
            except Exception:  # noqa: BLE001, S112 - somebody came back in between
                continue
            return


async def _lock_sqlite(site: Site) -> None:
    async with site.database.write():
        await asyncio.sleep(1)
