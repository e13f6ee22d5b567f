"""Worker processes that are forked from one that has loaded what they share."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import pytest

from forecastle.jobs.executor import Task
from forecastle.jobs.forking import ForkedContext
from forecastle.jobs.journal import Failed, Succeeded
from forecastle.jobs.nursery import EVERY_WORKERS, Nursery
from forecastle.jobs.pool import LocalPool
from forecastle.training.submit import SHARED

RECYCLE_AFTER = 2


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[LocalPool]:
    modules = ("sample_jobs",)
    made = LocalPool(workers=1, recycle_after=RECYCLE_AFTER, folder=tmp_path, modules=modules, shared=modules)
    async with made:
        yield made
    assert _spawned() == []


def _spawned() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


async def _echo(pool: LocalPool, home: Path) -> int:
    """The pid of the worker."""
    outcome = await pool.run(Task("job", 1, "sample_jobs:echo", {}, home, "memory://", 60.0), lambda _: None)
    assert isinstance(outcome, Succeeded), outcome
    return int(outcome.result["pid"])


async def test_fresh_workers_come_from_one_process(pool: LocalPool, tmp_path: Path) -> None:
    first = await _echo(pool, tmp_path)
    (nursery,) = _spawned()
    assert psutil.Process(first).ppid() == nursery.pid
    pids = [await _echo(pool, tmp_path) for _ in range(3 * RECYCLE_AFTER)]
    assert len({first, *pids}) >= 3
    assert _spawned() == [nursery]


async def test_when_it_is_killed_another_takes_its_place(pool: LocalPool, tmp_path: Path) -> None:
    before = await _echo(pool, tmp_path)
    worker = psutil.Process(before)
    (nursery,) = _spawned()
    nursery.kill()
    await _until_gone(worker)
    after = await _echo(pool, tmp_path)
    assert after != before
    assert len(_spawned()) == 1
    assert _spawned() != [nursery]


async def test_a_worker_does_not_outlive_it(pool: LocalPool, tmp_path: Path) -> None:
    await _echo(pool, tmp_path)
    task = Task("job", 1, "sample_jobs:wait", {"until": str(tmp_path / "never")}, tmp_path, "memory://", 60.0)
    outcome = await pool.run(task, lambda _: os.kill(_spawned()[0].pid, signal.SIGKILL))
    assert isinstance(outcome, Failed)
    assert await _echo(pool, tmp_path)


async def _until_gone(process: psutil.Process) -> None:
    """Or a zombie, where nobody adopts orphans."""
    async with asyncio.timeout(10):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110 - another's end
            await asyncio.sleep(0.01)


def test_modules_that_start_a_thread_are_refused(capfd: pytest.CaptureFixture[str]) -> None:
    nursery = Nursery(("starts_a_thread",))
    with pytest.raises(OSError, match="has ended"):
        nursery.get_ready()
    assert "expected modules that start no thread, found 2 threads" in capfd.readouterr().err
    assert not nursery.is_ready


def test_whoever_comes_late_finds_it_stopped() -> None:
    nursery = Nursery(())
    nursery.get_ready()
    nursery.stop()
    with pytest.raises(OSError, match="has ended"):
        nursery.get_ready()
    assert _spawned() == []


def test_all_threads_that_ask_are_told_how_a_worker_ended() -> None:
    nursery = Nursery(())
    nursery.get_ready()
    try:
        with ThreadPoolExecutor(8) as threads:
            for _ in range(20):
                process = ForkedContext(nursery).Process(target=os._exit, args=(7,))
                process.start()
                assert list(threads.map(lambda _, each=process: _exit_code(each), range(8))) == [7] * 8
    finally:
        nursery.stop()


def _exit_code(process: BaseProcess) -> int:
    while (code := process.exitcode) is None:
        pass
    return code


async def test_a_task_fails_whose_worker_cannot_be_forked(tmp_path: Path) -> None:
    async with LocalPool(workers=1, recycle_after=1, folder=tmp_path, shared=("starts_a_thread",)) as pool:
        outcome = await pool.run(Task("job", 1, "sample_jobs:echo", {}, tmp_path, "memory://", 60.0), lambda _: None)
    assert outcome == Failed("no worker process could be started for it (3 tries)")


def test_what_trainings_share_starts_no_thread() -> None:
    loads = "; ".join(f"import {module}" for module in (*EVERY_WORKERS, *SHARED))
    code = f"{loads}; import os; print(len(os.listdir('/proc/self/task')))"
    caps = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | caps, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"


async def test_a_forked_worker_has_what_is_shared_and_one_thread_for_each_library(tmp_path: Path) -> None:
    async with LocalPool(workers=1, recycle_after=10, folder=tmp_path, modules=("sample_jobs",), shared=SHARED) as pool:
        task = Task("job", 1, "sample_jobs:describe_worker", {}, tmp_path, "memory://", 60.0)
        outcome = await pool.run(task, lambda _: None)
    assert isinstance(outcome, Succeeded), outcome
    assert (outcome.result["polars_threads"], outcome.result["omp"]) == (1, "1")
    assert "lightgbm" in outcome.result["loaded"]
    assert {"sqlalchemy", "structlog", "pytest"}.isdisjoint(outcome.result["loaded"])
