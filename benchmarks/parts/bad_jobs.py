"""Of eight jobs four go wrong, in a pool of this machine and on a Ray cluster; and what that does to a plain pool."""

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import jobs
import ray_cluster
from pairing import Row, within

from forecastle.jobs.ray import RayExecutor

ROUNDS = 3
EXPECTED = {
    "killed": "killed by SIGKILL",
    "hung": "longer than 2 s",
    "out of memory": "more than its limit of 200 MB",
    "raising": "ZeroDivisionError",
}


def run(folder: Path) -> tuple[list[Row], dict[str, str]]:
    """The rows of a second over how late the hung job has failed."""
    rows, facts = [], {}
    here = [_try(folder / f"local{number}") for number in range(ROUNDS)]
    with ray_cluster.open_cluster():
        there = [_try(folder / f"ray{number}", _on_ray) for number in range(ROUNDS)]
    for name, late in (("this machine", here), ("Ray", there)):
        rows.append(within(jobs.LATE_S, late, f"1 s over lateness of a hung job's end, {name}"))
        told = ", ".join(f"{each:.2f}" for each in late)
        facts[f"8 jobs, 4 of them bad, on {name}"] = (
            f"those 4 failed, 4 completed; the hung one {told} s past its limit"
        )
    facts["the same kill in the standard library's pool"] = _plain()
    return rows, facts


def _try(home: Path, make: Callable[[Path], RayExecutor] | None = None) -> float:
    home.mkdir()
    found = asyncio.run(jobs.try_limits(home, make(home) if make else None))
    assert (found["failed"], found["completed"]) == (4, 4), found
    for name, part in EXPECTED.items():
        assert part in found["reasons"][name], found["reasons"]
    return float(found["late_s"])


def _on_ray(home: Path) -> RayExecutor:
    return RayExecutor(address=None, workers=2, recycle_after=10, folder=home / "jobs", modules=("sample_jobs",))


def _plain() -> str:
    """One worker of the standard library's pool is killed while eight tasks wait in it."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        tasks = [pool.submit(os.kill, os.getpid(), 0) for _ in range(2)]
        assert [task.result() for task in tasks] == [None, None]
        tasks = [pool.submit(signal.raise_signal, signal.SIGKILL), *(pool.submit(time.sleep, 0.5) for _ in range(7))]
        failed = sum(isinstance(task.exception(), BrokenProcessPool) for task in tasks)
    return f"{failed} of 8 tasks failed, and the pool takes no more"
