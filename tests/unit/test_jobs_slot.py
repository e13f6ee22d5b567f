import os
import tracemalloc
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from forecastle.jobs.executor import Task
from forecastle.jobs.journal import Failed, Journal, Started
from forecastle.jobs.single import SinglePool
from forecastle.jobs.slot import Attempt, Slot, files, tidy_up
from forecastle.jobs.spawn import WorkerContext


def _task(folder: Path, job_id: str, attempt: int = 1) -> Task:
    return Task(job_id, attempt, "sample_jobs:echo", {}, folder, "memory://", 60.0)


def test_the_files_of_every_start_of_a_job_are_removed_and_no_others(tmp_path: Path) -> None:
    kept = ["job2-1.jsonl", "job-1.txt", "runner-job.lock", "another-job-1.out"]
    for name in ("job-1.jsonl", "job-1.out", "job-2.jsonl", *kept):
        (tmp_path / name).touch()
    tidy_up(tmp_path, _task(tmp_path, "job", attempt=3))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
    assert files(tmp_path, _task(tmp_path, "job", attempt=3)) == tmp_path / "job-3"


def test_thousands_of_jobs_leave_nothing_in_memory(tmp_path: Path) -> None:
    tidy_up(tmp_path, _task(tmp_path, "first"))
    tracemalloc.start()
    for number in range(200):
        tidy_up(tmp_path, _task(tmp_path, f"job{number}"))
    kept, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 20_000


@pytest.mark.parametrize(("status", "reason"), [(7, "with exit status 7"), (0, "without a result")])
def test_an_end_that_pebble_hears_of_before_the_beginning_is_told_as_it_was(
    tmp_path: Path, status: int, reason: str
) -> None:
    context = WorkerContext()
    process = context.Process(target=os._exit, args=(status,))
    process.start()
    process.join()
    assert process.pid is not None
    journal = Journal(tmp_path / "job-1.jsonl")
    journal.write(Started(process.pid))
    journal.close()
    future: Future[None] = Future()
    future.set_exception(BrokenProcessPool("All workers expired"))

    attempt = Attempt(Slot(1, ()), SinglePool(1, (), context), _task(tmp_path, "job"), tmp_path / "job-1", future)
    attempt.look()
    assert attempt.outcome() == Failed(f"its worker process ended {reason}")
