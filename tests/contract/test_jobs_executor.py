"""What every executor keeps: whatever happens to one task is its outcome alone."""

import asyncio
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog

from forecastle.jobs.executor import Executor, Lost, Task
from forecastle.jobs.journal import Failed, Line, News, Outcome, Report, Succeeded
from forecastle.jobs.memory import MB
from forecastle.jobs.pool import LocalPool, allowed_workers
from forecastle.jobs.ray import RayExecutor

WORKERS = 2
RECYCLE_AFTER = 3


@pytest.fixture(params=["spawned", "forked", "ray"])
async def executor(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Executor]:
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
        made: Executor = RayExecutor(
            address=None, workers=WORKERS, recycle_after=RECYCLE_AFTER, folder=tmp_path, modules=("sample_jobs",)
        )
    else:
        made = LocalPool(
            workers=WORKERS,
            recycle_after=RECYCLE_AFTER,
            folder=tmp_path,
            modules=("sample_jobs",),
            shared=("sample_jobs",) if request.param == "forked" else (),
        )
    async with made:
        yield made
    assert _workers() == []
    assert _files(tmp_path) == []


def _files(folder: Path) -> list[Path]:
    return [*folder.glob("*.jsonl"), *folder.glob("*.out"), *folder.glob("storage-*")]


def _workers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def _task(home: Path, name: str, job_id: str = "job", timeout_s: float = 60.0, **payload: Any) -> Task:
    return Task(job_id, 1, f"sample_jobs:{name}", payload, home, "memory://", timeout_s)


async def _run(executor: Executor, task: Task) -> tuple[Outcome | Lost, list[News]]:
    news: list[News] = []
    return await executor.run(task, news.append), news


async def test_a_task_gives_its_result_and_its_news(executor: Executor, tmp_path: Path) -> None:
    outcome, news = await _run(executor, _task(tmp_path, "echo", text="ü\0", numbers=[1, 2.5, None]))
    assert isinstance(outcome, Succeeded)
    assert outcome.result["echo"] == {"text": "ü\0", "numbers": [1, 2.5, None]}
    assert outcome.result["pid"] != os.getpid()
    report, line = news
    assert report == Report(0.5, "half-way", "training")
    assert isinstance(line, Line)
    assert line.text == "echoing 2 fields"


async def test_no_news_is_lost_however_fast_it_comes(executor: Executor, tmp_path: Path) -> None:
    _, news = await _run(executor, _task(tmp_path, "chatter", lines=5000))
    lines = [entry.text for entry in news if isinstance(entry, Line)]
    assert lines == [f"line {number}" for number in range(5000)]


@pytest.mark.parametrize(
    ("name", "payload", "error", "place"),
    [
        ("refuse", {}, "the recipe asks for the impossible", ""),
        ("fill_the_disk", {}, "no space is left in ", ""),
        ("divide", {"by": 0}, "ZeroDivisionError: integer division or modulo by zero", "in divide"),
        ("exhaust_memory", {}, "it ran out of memory (MemoryError)", "in exhaust_memory"),
        ("exit_python", {}, "it called sys.exit(3)", "in exit_python"),
        ("exit_hard", {"status": 7}, "its worker process ended with exit status 7", ""),
        ("exit_hard", {"status": 0}, "its worker process ended without a result", ""),
        ("kill_itself", {}, "its worker process was killed by SIGKILL; the machine may have run out of memory", ""),
        ("crash", {}, "its worker process was killed by SIGSEGV", ""),
        ("return_lambda", {}, "its result cannot be stored as JSON", ""),
        ("return_text", {}, "expected a JSON object as its result, found str", ""),
        ("raise_unpicklable", {}, "RuntimeError: cannot travel", "in raise_unpicklable"),
        ("report_backwards", {}, "expected preprocessing, then training", ""),
        ("nothing_here", {}, "AttributeError: module 'sample_jobs' has no attribute 'nothing_here'", ""),
    ],
)
async def test_a_task_that_goes_wrong_says_how_and_the_others_complete(
    executor: Executor, tmp_path: Path, name: str, payload: dict[str, Any], error: str, place: str
) -> None:
    bad = _run(executor, _task(tmp_path, name, "bad", **payload))
    good = [_run(executor, _task(tmp_path, "echo", f"good {number}")) for number in range(3)]
    (outcome, _), *others = await asyncio.gather(bad, *good)

    assert isinstance(outcome, Failed)
    assert outcome.error.startswith(error)
    assert place in outcome.traceback
    assert bool(outcome.traceback) == bool(place) or name == "nothing_here"
    assert [other for other, _ in others if not isinstance(other, Succeeded)] == []


async def test_a_task_that_hangs_is_killed_at_its_time_limit_and_the_others_complete(
    executor: Executor, tmp_path: Path
) -> None:
    hanging = _run(executor, _task(tmp_path, "hang", "bad", timeout_s=0.5))
    good = [_run(executor, _task(tmp_path, "echo", f"good {number}")) for number in range(3)]
    (outcome, _), *others = await asyncio.gather(hanging, *good)
    assert outcome == Failed("it took longer than 0.5 s and was stopped")
    assert [other for other, _ in others if not isinstance(other, Succeeded)] == []


@pytest.mark.parametrize("children", [0, 2])
async def test_a_task_that_uses_too_much_memory_is_killed_and_the_others_complete(
    executor: Executor, tmp_path: Path, children: int
) -> None:
    limited = replace(_task(tmp_path, "devour", "bad", children=children), memory_bytes=200 * MB)
    good = [_run(executor, _task(tmp_path, "echo", f"good {number}")) for number in range(3)]
    (outcome, _), *others = await asyncio.gather(_run(executor, limited), *good)
    assert isinstance(outcome, Failed)
    used = re.fullmatch(r"it used (\d+) MB of memory, more than its limit of 200 MB, and was stopped", outcome.error)
    assert used is not None, outcome.error
    assert int(used[1]) >= 200
    assert [other for other, _ in others if not isinstance(other, Succeeded)] == []
    assert _devouring() == []


def _devouring() -> list[psutil.Process]:
    """Forked children are copies of the worker: the same command line, another parent."""
    me = psutil.Process()
    return [
        process
        for process in psutil.process_iter()
        if process.ppid() == 1
        and process.status() != psutil.STATUS_ZOMBIE
        and "spawn_main" in _command(process)
        and process.create_time() > me.create_time()
    ]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


async def test_an_absurd_demand_for_memory_is_refused_where_it_is_made(executor: Executor, tmp_path: Path) -> None:
    outcome, _ = await _run(executor, replace(_task(tmp_path, "demand", gb=16), memory_bytes=200 * MB))
    assert isinstance(outcome, Failed)
    assert re.fullmatch(r"it ran out of memory \(MemoryError\): it used \d+ MB, its limit is 200 MB", outcome.error), (
        outcome.error
    )
    assert "in demand" in outcome.traceback


async def test_mapped_files_and_pages_shared_by_forks_do_not_count_as_memory_used(
    executor: Executor, tmp_path: Path
) -> None:
    file = tmp_path / "mapped"
    file.write_bytes(bytes(150 * MB))
    task = _task(tmp_path, "hold", mb=100, file=str(file), children=3)
    outcome, _ = await _run(executor, replace(task, memory_bytes=200 * MB))
    assert isinstance(outcome, Succeeded), outcome


async def test_what_earlier_tasks_left_in_a_process_is_not_held_against_the_next(
    executor: Executor, tmp_path: Path
) -> None:
    first, _ = await _run(executor, replace(_task(tmp_path, "leave_behind", mb=150), memory_bytes=200 * MB))
    second, _ = await _run(executor, replace(_task(tmp_path, "leave_behind", mb=150), memory_bytes=200 * MB))
    assert isinstance(first, Succeeded)
    assert isinstance(second, Succeeded)
    assert first.result["pid"] != second.result["pid"]


async def test_of_eight_tasks_four_that_go_wrong_fail_in_time_and_four_complete(
    executor: Executor, tmp_path: Path
) -> None:
    tasks = [
        _task(tmp_path, "kill_itself", "killed"),
        _task(tmp_path, "hang", "hung", timeout_s=1.0),
        replace(_task(tmp_path, "devour", "huge"), memory_bytes=200 * MB),
        _task(tmp_path, "divide", "raising", by=0),
        *(_task(tmp_path, "echo", f"good {number}") for number in range(4)),
    ]
    ran = await asyncio.gather(*(_run(executor, task) for task in tasks))
    assert [type(outcome) for outcome, _ in ran] == [Failed] * 4 + [Succeeded] * 4
    reasons = [outcome.error for outcome, _ in ran if isinstance(outcome, Failed)]
    expected = ("killed by SIGKILL", "longer than 1 s", "more than its limit of 200 MB", "ZeroDivisionError")
    assert [part in reason for part, reason in zip(expected, reasons, strict=True)] == [True] * 4, reasons
    outcome, _ = await _run(executor, _task(tmp_path, "echo"))
    assert isinstance(outcome, Succeeded)


async def test_a_worker_killed_from_outside_fails_its_task_only(executor: Executor, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    pids: dict[str, int] = {}

    async def run(job_id: str) -> Outcome | Lost:
        def follow(news: News) -> None:
            if isinstance(news, Report):
                pids[job_id] = int(news.message)

        return await executor.run(_task(tmp_path, "wait", job_id, until=str(gate)), follow)

    tasks = [asyncio.create_task(run(job_id)) for job_id in ("killed", "other")]
    await _until(lambda: len(pids) == 2)
    os.kill(pids["killed"], signal.SIGKILL)
    killed = await tasks[0]
    gate.touch()
    assert isinstance(killed, Failed)
    assert "SIGKILL" in killed.error
    assert isinstance(await tasks[1], Succeeded)


async def test_an_idle_worker_that_is_killed_costs_no_task(executor: Executor, tmp_path: Path) -> None:
    for number in range(3):
        outcome, _ = await _run(executor, _task(tmp_path, "echo", str(number)))
        assert isinstance(outcome, Succeeded)
        os.kill(outcome.result["pid"], signal.SIGKILL)


async def test_cancelling_a_task_kills_its_worker_before_it_returns(executor: Executor, tmp_path: Path) -> None:
    pids: list[int] = []

    def follow(news: News) -> None:
        if isinstance(news, Report):
            pids.append(int(news.message))

    running = asyncio.create_task(executor.run(_task(tmp_path, "wait", until=str(tmp_path / "never")), follow))
    await _until(lambda: bool(pids))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not psutil.pid_exists(pids[0])
    assert isinstance((await _run(executor, _task(tmp_path, "echo")))[0], Succeeded)


async def test_a_worker_is_used_again_and_replaced_after_its_number_of_tasks(
    executor: Executor, tmp_path: Path
) -> None:
    pids = []
    for number in range(4 * RECYCLE_AFTER):
        outcome, _ = await _run(executor, _task(tmp_path, "echo", str(number)))
        assert isinstance(outcome, Succeeded)
        pids.append(outcome.result["pid"])
    assert len(set(pids)) < len(pids)
    assert max(Counter(pids).values()) <= RECYCLE_AFTER


async def test_a_worker_starts_bare_and_with_one_thread(executor: Executor, tmp_path: Path) -> None:
    outcome, _ = await _run(executor, _task(tmp_path, "describe_worker"))
    assert isinstance(outcome, Succeeded)
    found = outcome.result
    assert (found["polars_threads"], found["omp"]) == (1, "1")
    assert {"numpy", "polars", "sqlalchemy", "structlog", "pytest"}.isdisjoint(found["loaded"])


async def test_what_a_task_prints_goes_to_its_log(
    executor: Executor, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _, news = await _run(executor, _task(tmp_path, "talk"))
    lines = [entry.text for entry in news if isinstance(entry, Line)]
    assert {"printed", "native \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"} <= set(lines)
    assert any("UserWarning: a warning" in line for line in lines)
    assert capfd.readouterr() == ("", "")


async def test_where_native_code_crashed_is_in_the_log(executor: Executor, tmp_path: Path) -> None:
    _, news = await _run(executor, _task(tmp_path, "crash"))
    assert any("in crash" in entry.text for entry in news if isinstance(entry, Line))


async def test_a_journal_left_behind_by_an_earlier_start_is_not_believed(executor: Executor, tmp_path: Path) -> None:
    (tmp_path / "job-1.jsonl").write_text('{"type":"succeeded","result":{"stale":true}}\n')
    outcome, _ = await _run(executor, replace(_task(tmp_path, "echo")))
    assert isinstance(outcome, Succeeded)
    assert "stale" not in outcome.result


def test_more_workers_than_cores_are_capped_with_a_warning() -> None:
    cores = len(os.sched_getaffinity(0))
    with structlog.testing.capture_logs() as logs:
        assert allowed_workers(cores + 1) == cores
    assert [(entry["log_level"], entry["asked"], entry["cores"]) for entry in logs] == [("warning", cores + 1, cores)]
    assert allowed_workers(0) == cores
    assert allowed_workers(1) == 1


async def _until(condition: Any, timeout_s: float = 30.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0.01)
