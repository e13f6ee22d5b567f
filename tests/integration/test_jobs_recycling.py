"""The successor of a worker process starts while its last task runs, and nothing stays behind of either."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from forecastle.jobs.executor import Task
from forecastle.jobs.journal import Failed, News, Outcome, Report, Succeeded
from forecastle.jobs.pool import LocalPool
from forecastle.jobs.single import NeverStarted
from forecastle.jobs.slot import Slot

RECYCLE_AFTER = 2


class Bench:
    """A pool of one worker, whose tasks wait for a gate."""

    def __init__(self, pool: LocalPool, home: Path) -> None:
        self._pool = pool
        self._home = home
        self.gate = home / "gate"
        self.pid = 0
        """Of the worker that waits, or waited last."""

    async def run(self, name: str, **changes: Any) -> Outcome:
        payload = changes.pop("payload", {})
        limits = {"timeout_s": 60.0} | changes
        return await self._pool.run(
            Task("job", 1, f"sample_jobs:{name}", payload, self._home, "memory://", **limits), self._follow
        )

    async def echo(self) -> int:
        """The pid of the worker."""
        outcome = await self.run("echo")
        assert isinstance(outcome, Succeeded), outcome
        return int(outcome.result["pid"])

    async def begin(self, **changes: Any) -> "asyncio.Task[Outcome]":
        """Have the worker wait for the gate."""
        self.pid = 0
        waiting = asyncio.create_task(self.run("wait", payload={"until": str(self.gate)}, **changes))
        await _until(lambda: self.pid != 0)
        return waiting

    async def begin_last(self, **changes: Any) -> tuple["asyncio.Task[Outcome]", int]:
        """Have the worker do its last task, which waits; and the pid of the successor that there is by then."""
        for _ in range(RECYCLE_AFTER - 1):
            await self.echo()
        waiting = await self.begin(**changes)
        await _until(lambda: len(_workers()) == 2)
        (successor,) = _workers() - {self.pid}
        return waiting, successor

    def _follow(self, news: News) -> None:
        if isinstance(news, Report) and news.message.isdecimal():
            self.pid = int(news.message)


@pytest.fixture(params=["spawned", "forked"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with _open_bench(tmp_path, ("sample_jobs",) if request.param == "forked" else ()) as made:
        yield made


@asynccontextmanager
async def _open_bench(home: Path, shared: tuple[str, ...]) -> AsyncIterator[Bench]:
    async with LocalPool(
        workers=1, recycle_after=RECYCLE_AFTER, folder=home, modules=("sample_jobs",), shared=shared
    ) as pool:
        yield Bench(pool, home)
    assert _workers() == set()
    assert _threads() == []
    assert _files(home) == []


def _files(home: Path) -> list[Path]:
    return [*home.glob("*.jsonl"), *home.glob("*.out")]


def _workers() -> set[int]:
    """Worker processes lead their session; a nursery, which may be their parent, does not."""
    spawned = [child for child in psutil.Process().children() if _is_spawned(child)]
    family = [*spawned, *(forked for child in spawned for forked in _children(child))]
    return {process.pid for process in family if _leads_session(process.pid)}


def _children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return process.children()
    return []


def _is_spawned(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "spawn_main" in " ".join(process.cmdline())
    return False


def _leads_session(pid: int) -> bool:
    with suppress(ProcessLookupError):
        return os.getsid(pid) == pid
    return False


def _threads() -> list[str]:
    """Those of pools: Pebble's, which loop, and ours."""
    return [each.name for each in threading.enumerate() if "_loop" in each.name or "retiring" in each.name]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0.01)


async def test_the_successor_is_there_before_the_last_task_ends_and_does_the_next(bench: Bench) -> None:
    waiting, successor = await bench.begin_last()
    bench.gate.touch()
    assert isinstance(await waiting, Succeeded)
    assert await bench.echo() == successor
    await _until(lambda: bench.pid not in _workers())


async def test_no_successor_starts_before_the_last_task(bench: Bench) -> None:
    waiting = await bench.begin()
    assert _workers() == {bench.pid}
    bench.gate.touch()
    await waiting
    assert _workers() == {bench.pid}


async def test_each_process_does_its_number_of_tasks_one_after_the_other(bench: Bench) -> None:
    pids = [await bench.echo() for _ in range(5 * RECYCLE_AFTER)]
    assert pids == [pid for pid in _unique(pids) for _ in range(RECYCLE_AFTER)]
    assert len(_unique(pids)) == 5


def _unique(pids: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(pids))


async def test_generations_of_processes_leave_no_file_descriptor_open(bench: Bench) -> None:
    async def open_files() -> int:
        for _ in range(3 * RECYCLE_AFTER):
            await bench.echo()
        await _until(lambda: len(_workers()) == 1 and "retiring-worker" not in _threads())
        return psutil.Process().num_fds()

    await open_files()
    before = await open_files()
    assert await open_files() <= before


@pytest.mark.parametrize("name", ["kill_itself", "crash", "exit_hard", "divide"])
async def test_a_last_task_that_goes_wrong_fails_alone_and_the_successor_goes_on(bench: Bench, name: str) -> None:
    await bench.echo()
    outcome = await bench.run(name, payload={"by": 0, "status": 0})
    assert isinstance(outcome, Failed)
    assert await bench.echo() == await bench.echo()


async def test_a_worker_killed_in_its_last_task_does_not_take_the_successor_along(bench: Bench) -> None:
    waiting, successor = await bench.begin_last()
    os.kill(bench.pid, signal.SIGKILL)
    outcome = await waiting
    assert isinstance(outcome, Failed)
    assert "killed by SIGKILL" in outcome.error
    assert [await bench.echo() for _ in range(RECYCLE_AFTER)] == [successor] * RECYCLE_AFTER


async def test_a_last_task_over_its_time_limit_does_not_take_the_successor_along(bench: Bench) -> None:
    waiting, successor = await bench.begin_last(timeout_s=2.0)
    assert await waiting == Failed("it took longer than 2 s and was stopped")
    assert await bench.echo() == successor


async def test_a_last_task_that_is_cancelled_does_not_take_the_successor_along(bench: Bench) -> None:
    waiting, successor = await bench.begin_last()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert bench.pid not in _workers()
    assert await bench.echo() == successor


async def test_a_successor_that_is_killed_costs_no_task(bench: Bench) -> None:
    waiting, successor = await bench.begin_last()
    os.kill(successor, signal.SIGKILL)
    bench.gate.touch()
    assert isinstance(await waiting, Succeeded)
    assert await bench.echo() not in {successor, bench.pid}


@pytest.mark.parametrize("shared", [(), ("sample_jobs",)], ids=["spawned", "forked"])
async def test_closing_ends_the_successor_too(tmp_path: Path, shared: tuple[str, ...]) -> None:
    async with _open_bench(tmp_path, shared) as bench:
        waiting, _ = await bench.begin_last()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


@pytest.mark.parametrize("shared", [(), ("sample_jobs",)], ids=["spawned", "forked"])
def test_closing_while_the_successor_starts_leaves_nothing(tmp_path: Path, shared: tuple[str, ...]) -> None:
    task = Task("job", 1, "sample_jobs:wait", {"until": str(tmp_path / "never")}, tmp_path, "memory://", 60.0)
    for _ in range(5):
        slot = Slot(1, ("sample_jobs",), shared)
        slot.get_ready()
        slot.start(task, tmp_path / "job-1")
        assert slot.needs_successor
        starting = threading.Thread(target=slot.prepare_successor)
        starting.start()
        slot.close()
        starting.join()
        assert (_workers(), _threads()) == (set(), [])
        with pytest.raises(NeverStarted):
            slot.start(task, tmp_path / "job-2")


async def test_when_no_successor_can_be_forked_the_last_task_completes_and_the_process_is_replaced_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbidden = tmp_path / "forbidden"
    monkeypatch.setenv("FORECASTLE_TEST_NO_FORKS", str(forbidden))
    async with _open_bench(tmp_path, ("forks_in_vain", "sample_jobs")) as bench:
        first = await bench.echo()
        forbidden.touch()
        waiting = await bench.begin()
        await _until(lambda: forbidden.read_text() == "asked for")
        assert _workers() == {bench.pid} == {first}
        forbidden.unlink()
        bench.gate.touch()
        assert isinstance(await waiting, Succeeded)
        assert await bench.echo() != first
