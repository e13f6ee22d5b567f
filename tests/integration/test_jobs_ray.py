"""What only a cluster can do to jobs, and what is said of one that cannot be used."""

import asyncio
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ray_cluster import CPUS_A_NODE, RayCluster
from sample_kinds import FINISHED, KINDS

from forecastle.clock import SystemClock
from forecastle.db import Database
from forecastle.errors import SettingsError
from forecastle.jobs import queue
from forecastle.jobs.executor import Task
from forecastle.jobs.job import Job
from forecastle.jobs.journal import Failed
from forecastle.jobs.ray import RayExecutor
from forecastle.jobs.runner import Runner
from forecastle.settings import JobSettings

MODULES = ("sample_jobs",)
EVERY_CPU = 2 * CPUS_A_NODE + 1
"""Of the two nodes and of another."""
clock = SystemClock()


def _executor(folder: Path, **options: Any) -> RayExecutor:
    return RayExecutor(
        **{"address": None, "workers": 0, "recycle_after": 10, "folder": folder, "modules": MODULES} | options
    )


def _task(home: Path, name: str, job_id: str = "job", **payload: Any) -> Task:
    return Task(job_id, 1, f"sample_jobs:{name}", payload, home, "memory://", 60.0)


@pytest.mark.parametrize("database_settings", ["sqlite"], indirect=True)
async def test_a_node_that_dies_costs_its_own_jobs_a_second_start_and_no_other(
    ray_cluster: RayCluster, database: Database, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    ids = [await _submit(database, "wait", until=str(gate)) for _ in range(EVERY_CPU)]
    stop = asyncio.Event()
    with ray_cluster.another_node() as node:
        executor = _executor(tmp_path / "jobs")
        async with Runner(database, KINDS, JobSettings(), tmp_path, clock, "memory://", executor=executor) as runner:
            working = asyncio.create_task(runner.run_forever(stop))
            await _statuses(database, ids, {"training": EVERY_CPU})
            ray_cluster.kill(node)
            await _until(lambda: ray_cluster.knows_of(2))
            await _until(lambda: executor.workers == EVERY_CPU - 1)
            gate.touch()
            await _statuses(database, ids, {"completed": EVERY_CPU})
            stop.set()
            await working
    jobs = [await _get(database, job_id) for job_id in ids]
    assert Counter(job.attempts for job in jobs) == {1: EVERY_CPU - 1, 2: 1}
    for job_id in ids:
        async with database.read() as session:
            assert [line.text for line in await queue.logs(session, job_id)].count(FINISHED) == 1


@pytest.mark.usefixtures("ray_cluster")
async def test_a_home_that_the_nodes_do_not_share_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    elsewhere = Path("/proc/self/cwd")  # the same path on every node, and another folder
    with pytest.raises(SettingsError, match=r"FORECASTLE_HOME: expected a folder that every node .* shares, but node"):
        await _executor(elsewhere).__aenter__()
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


@pytest.mark.usefixtures("ray_cluster")
async def test_a_node_that_lost_sight_of_the_home_says_so(tmp_path: Path) -> None:
    async with _executor(tmp_path) as executor:
        (mark,) = tmp_path.iterdir()  # noqa: ASYNC240
        mark.unlink()
        outcome = await executor.run(_task(tmp_path, "echo"), lambda _: None)
    assert isinstance(outcome, Failed)
    assert f"does not share the folder {tmp_path}" in outcome.error


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1:1", "cannot reach 127.0.0.1:1: Connection refused"),
        ("ray://127.0.0.1", "expected host:port of the cluster's head"),
        ("head", "expected host:port of the cluster's head, found 'head'"),
        ("head:99999", "expected host:port"),
    ],
)
async def test_an_address_where_no_cluster_is_is_named(tmp_path: Path, address: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=f"FORECASTLE_JOBS__RAY_ADDRESS: {reason}"):
        await _executor(tmp_path, address=address).__aenter__()


async def test_without_ray_the_way_to_get_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SettingsError, match=r"Ray is not installed here: pip install 'forecastle\[ray\]'"):
        await _executor(tmp_path).__aenter__()


async def test_a_runner_whose_cluster_cannot_be_used_leaves_nothing_behind(database: Database, tmp_path: Path) -> None:
    executor = _executor(tmp_path / "jobs", address="127.0.0.1:1")
    runner = Runner(database, KINDS, JobSettings(), tmp_path, clock, "memory://", executor=executor)
    with pytest.raises(SettingsError):
        await runner.__aenter__()
    assert list((tmp_path / "jobs").iterdir()) == []


async def _submit(database: Database, kind: str, **payload: Any) -> str:
    async with database.write() as session:
        made = await queue.submit(session, kind=kind, payload=payload, dedupe=None, owner=None, now=clock.now())
    return made.job.id


async def _get(database: Database, job_id: str) -> Job:
    async with database.read() as session:
        return await queue.get(session, job_id)


async def _statuses(database: Database, ids: list[str], expected: dict[str, int]) -> None:
    async with asyncio.timeout(60):
        while Counter([(await _get(database, job_id)).status for job_id in ids]) != expected:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0.01)
