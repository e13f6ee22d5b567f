"""The traps that earlier training services fell into, each by its name.

Two more are told where their fixtures are: the check-then-insert race in test_training_once.py, and the classifier that
compared a return with a price in test_training_worker.py.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_desk
from sample_jobs import open_files
from search_desk import NOW, RECIPE, RUNNER, Desk
from training_desk import QUICK, days, prices

from forecastle.db import Database
from forecastle.jobs import leases, queue
from forecastle.jobs.executor import Task
from forecastle.jobs.journal import Succeeded
from forecastle.jobs.pool import LocalPool
from forecastle.training.algorithms.catalogue import ALGORITHMS
from forecastle.training.errors import BadRecipe
from forecastle.training.recipe import Recipe

WORKERS = 2
RETURNS: dict[str, Any] = {
    "features": ["ret(close, 1)", "lag(ret(close, 1), 1)"],
    "algorithm": "elastic_net",
    "target": {"column": "close", "transform": "log_return"},
}


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> Desk:
    made = Desk(database, tmp_path)
    await made.add()
    return made


@pytest.fixture
def trainer(tmp_path: Path) -> training_desk.Desk:
    return training_desk.Desk(tmp_path)


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[LocalPool]:
    async with LocalPool(workers=WORKERS, recycle_after=10, folder=tmp_path) as pool:
        yield pool


def task(home: Path, run: str, job_id: str = "job", **payload: Any) -> Task:
    return Task(job_id, 1, run, payload, home, (home / "artifacts").as_uri(), 60.0)


async def result_of(pool: LocalPool, given: Task) -> dict[str, Any]:
    outcome = await pool.run(given, lambda _: None)
    assert isinstance(outcome, Succeeded), outcome
    return dict(outcome.result)


async def test_a_failed_model_blocking_retries(desk: Desk) -> None:
    first = await desk.submit()
    job = await desk.claim()
    assert job is not None
    async with desk.database.write() as session:
        await leases.fail(session, RUNNER, job, error="its worker process was killed by SIGKILL", now=NOW)
    again = await desk.submit()
    assert (again.duplicate, again.fingerprint) == (False, first.fingerprint)
    assert again.job is not None
    assert again.job.id != job.id
    assert await desk.work_off() == 1
    known = await desk.submit()
    assert (known.duplicate, known.status, known.model_id) == (True, "completed", again.model_id)


async def test_jobs_lost_on_restart(desk: Desk) -> None:
    """One was running and one waited when the runner went; both become the models that were promised."""
    promised = [(await desk.submit(seed=seed)).model_id for seed in (1, 2)]
    running = await desk.claim()
    assert running is not None
    later = Desk(desk.database, desk.home)
    async with later.database.write() as session:
        await leases.recover(session, gone=[RUNNER], now=NOW)
    assert await later.work_off() == 2
    known = [await later.submit(seed=seed) for seed in (1, 2)]
    assert [(each.status, each.model_id) for each in known] == [("completed", model_id) for model_id in promised]
    assert (await later.job(running.id)).attempts == 2


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_n_jobs_of_minus_one_inside_every_worker(
    pool: LocalPool, trainer: training_desk.Desk, algorithm: str
) -> None:
    """A training adds no thread to its worker, and a recipe cannot ask for one."""
    known = ALGORITHMS[algorithm]
    dataset = trainer.add("prices", prices())
    first = trainer.order(dataset, RETURNS | {"algorithm": "ridge"})
    quick = QUICK if "n_estimators" in {entry.name for entry in known.hyperparameters} else {}
    target = {"column": "close", "transform": "log_return" if "regression" in known.tasks else "up"}
    order = trainer.order(dataset, RETURNS | {"algorithm": algorithm, "hyperparameters": quick, "target": target})
    counted = await result_of(
        pool, task(trainer.home, "thread_counting:train", first=first.as_json(), order=order.as_json())
    )
    assert counted["most"] == counted["before"]
    for name in ("n_jobs", "num_threads", "nthread"):
        with pytest.raises(BadRecipe, match=f"hyperparameters.{name}: expected"):
            Recipe.parse(RECIPE | {"algorithm": algorithm, "hyperparameters": {name: -1}})


async def test_a_crashed_pool_never_rebuilt(pool: LocalPool, tmp_path: Path) -> None:
    for attempt in range(3):
        crashes = [task(tmp_path, "sample_jobs:crash", f"crash-{attempt}-{number}") for number in range(WORKERS)]
        for outcome in await asyncio.gather(*(pool.run(each, lambda _: None) for each in crashes)):
            assert not isinstance(outcome, Succeeded)
        echoes = [task(tmp_path, "sample_jobs:echo", f"echo-{attempt}-{number}") for number in range(WORKERS)]
        workers = {(await result_of(pool, each))["pid"] for each in echoes}
        for worker in workers:  # idle ones
            os.kill(worker, signal.SIGKILL)
    assert (await result_of(pool, task(tmp_path, "sample_jobs:echo")))["pid"] != os.getpid()


async def test_pools_shared_across_fork(database: Database, pool: LocalPool, tmp_path: Path) -> None:
    """A worker has none of the connections and database files that its parent holds open."""
    async with database.read() as session:
        await queue.list_jobs(session)
        held = {place for place in open_files() if place.startswith(("socket:", str(tmp_path)))}
        found = await result_of(pool, task(tmp_path, "sample_jobs:list_open_files"))
    assert held
    assert held.isdisjoint(found["files"])


def test_zero_coefficient_models(trainer: training_desk.Desk) -> None:
    """A penalty in the target's own units silences every column of tiny returns; ours is in units of their spread."""
    dataset = trainer.add("calm", calm_prices())
    learned = trainer.train(trainer.order(dataset, RETURNS)).manifest
    assert learned.importances["coefficient"]["ret(close, 1)"] != 0
    assert learned.metrics["r2"] > 0.3

    silenced = trainer.train(trainer.order(dataset, RETURNS | {"hyperparameters": {"alpha": 1000.0}}))
    assert not any(silenced.manifest.importances["coefficient"].values())
    assert "no feature matters to this model: it predicts the same for every row" in silenced.lines


def calm_prices() -> dict[str, list[Any]]:
    """Returns of a few millionths, four fifths of each handed on to the next day's."""
    noise = np.random.default_rng(0).normal(0, 1e-6, training_desk.DAYS)
    returns = np.zeros(training_desk.DAYS)
    for day in range(1, training_desk.DAYS):
        returns[day] = 0.8 * returns[day - 1] + noise[day]
    return {"date": days(), "close": (100 * np.exp(np.cumsum(returns))).tolist()}
