"""Submitting recipes: what is known is recognised, on both databases, also by two at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from forecastle.data import catalogue as datasets
from forecastle.data.options import ImportOptions
from forecastle.data.storage import TableStore
from forecastle.db import Database
from forecastle.errors import BadInput, NotFound
from forecastle.features.errors import BadExpression
from forecastle.jobs import leases, queue
from forecastle.jobs.context import JobContext
from forecastle.jobs.job import NO_TERMS, Job, Terms
from forecastle.jobs.journal import Journal
from forecastle.registry import models, removal
from forecastle.training import worker
from forecastle.training.errors import BadRecipe
from forecastle.training.finish import publish_model
from forecastle.training.order import Order
from forecastle.training.recipe import Recipe
from forecastle.training.submit import TrainingSubmission, check, submit_training

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RECIPE: dict[str, Any] = {
    "name": "sums",
    "dataset": "numbers",
    "features": ["a", "b"],
    "algorithm": "ridge",
    "target": "total",
    "tags": ["test"],
}


class Desk:
    """A database and a home, where recipes are submitted and jobs worked off one by one."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self.home = home

    async def add(self, name: str, *, factor: int = 1, rows: int = 60) -> None:
        path = self.home / f"{name}.csv"
        lines = (f"{row},{row * row % 7},{factor * row + row * row % 7}" for row in range(rows))
        path.write_text("\n".join(["a,b,total", *lines]))
        store, options = TableStore(self.home / "datasets"), ImportOptions(time="none")
        await datasets.import_file(self.database, store, path, options, name=name, now=NOW)

    async def submit(self, *, terms: Terms = NO_TERMS, **changes: Any) -> TrainingSubmission:
        recipe, tables = Recipe.parse(RECIPE | changes), TableStore(self.home / "datasets")
        await check(self.database, tables, [recipe])
        async with self.database.write() as session:
            return await submit_training(session, recipe, owner=None, now=NOW, terms=terms)

    async def work_off(self) -> Job:
        """Claim the job that waits, run it, and publish its model in the transaction that completes it."""
        async with self.database.write() as session:
            await leases.renew(session, "runner", until=NOW + timedelta(days=1))
            (job,) = await leases.claim(session, "runner", kinds=["train"], limit=1, now=NOW)
        context = JobContext(job.id, self.home, (self.home / "artifacts").as_uri(), Journal(self.home / job.id))
        result = await asyncio.to_thread(worker.run, job.payload, context)
        async with self.database.write() as session:
            completed = await leases.complete(session, "runner", job, now=NOW)
            assert completed is not None
            await leases.keep_result(session, completed, await publish_model(session, completed, result))
        async with self.database.read() as session:
            return await queue.get(session, job.id)


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> Desk:
    made = Desk(database, tmp_path)
    await made.add("numbers")
    return made


async def test_a_new_recipe_becomes_a_job_that_carries_everything(desk: Desk) -> None:
    made = await desk.submit()
    assert (made.duplicate, made.status) == (False, "pending")
    assert made.job is not None
    assert made.job.kind == "train"
    assert made.job.dedupe == made.fingerprint
    order = Order.read(made.job.payload)
    assert order.model_id == made.model_id
    assert order.recipe.target.task == "regression"
    assert order.recipe.as_json()["split"] == {"kind": "random"}


async def test_the_job_ends_with_a_published_model(desk: Desk) -> None:
    made = await desk.submit()
    job = await desk.work_off()
    assert job.result is not None
    assert job.result["model_id"] == made.model_id
    async with desk.database.read() as session:
        model = await models.get(session, made.model_id)
    assert (model.name, model.version, model.tags) == ("sums", 1, ("test",))
    assert model.fingerprint == made.fingerprint
    assert model.metrics["rmse"] < model.baselines["mean"]["rmse"]


async def test_the_same_again_is_recognised_waiting_and_done(desk: Desk) -> None:
    made = await desk.submit()
    waiting = await desk.submit(name="another-name", tags=[], features=["b", "a"])
    assert (waiting.duplicate, waiting.status) == (True, "pending")
    assert (waiting.model_id, waiting.name) == (made.model_id, "sums")
    await desk.work_off()
    done = await desk.submit(name="a-third", target={"column": " total ", "transform": "none"})
    assert (done.duplicate, done.status) == (True, "completed")
    assert (done.model_id, done.name) == (made.model_id, "sums")
    assert done.job is not None
    assert made.job is not None
    assert done.job.id == made.job.id


async def test_two_at_once_make_one_job(desk: Desk) -> None:
    both = await asyncio.gather(*(desk.submit() for _ in range(8)))
    assert sorted(each.duplicate for each in both) == [False] + [True] * 7
    assert len({each.model_id for each in both}) == 1
    assert len({each.job.id for each in both if each.job}) == 1


@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_a_failed_or_cancelled_model_does_not_block_retries(desk: Desk, end: str) -> None:
    made = await desk.submit()
    assert made.job is not None
    async with desk.database.write() as session:
        if end == "cancelled":
            await queue.cancel(session, made.job.id, now=NOW)
        else:
            await leases.renew(session, "runner", until=NOW + timedelta(days=1))
            (job,) = await leases.claim(session, "runner", kinds=["train"], limit=1, now=NOW)
            await leases.fail(session, "runner", job, error="out of memory", now=NOW)
    again = await desk.submit()
    assert not again.duplicate
    assert again.fingerprint == made.fingerprint
    assert again.job is not None
    assert again.job.id != made.job.id
    assert (await desk.work_off()).status == "completed"


async def test_a_deleted_model_may_be_trained_again(desk: Desk) -> None:
    made = await desk.submit()
    await desk.work_off()
    async with desk.database.write() as session:
        await removal.forget(session, (made.model_id,))
    again = await desk.submit()
    assert not again.duplicate
    assert again.model_id != made.model_id
    await desk.work_off()
    assert (await desk.submit()).model_id == again.model_id


async def test_other_content_under_another_name_is_another_model(desk: Desk) -> None:
    await desk.add("copy")
    await desk.add("other", factor=2)
    made = await desk.submit()
    assert (await desk.submit(dataset="copy")).duplicate
    assert (await desk.submit(dataset="other")).fingerprint != made.fingerprint


async def test_a_name_as_the_table_spells_it_and_as_one_types_it_is_the_same(desk: Desk) -> None:
    made = await desk.submit(features=["a", "x = b"])
    assert (await desk.submit(features=["x = B", "a"])).fingerprint == made.fingerprint


async def test_what_cannot_be_trained_makes_no_job(desk: Desk) -> None:
    with pytest.raises(BadExpression, match="did you mean"):
        await desk.submit(features=["totl_"])
    with pytest.raises(BadRecipe, match="split"):
        await desk.submit(split={"kind": "walk_forward", "train": 10, "test": 5})
    await desk.add("few", rows=10)
    with pytest.raises(BadRecipe, match="dataset: expected at least 11 rows to train and test on, found 10"):
        await desk.submit(dataset="few")
    with pytest.raises(NotFound):
        await desk.submit(dataset="nowhere")
    with pytest.raises(NotFound):
        await desk.submit(parent="0" * 26)
    async with desk.database.read() as session:
        assert not (await queue.list_jobs(session)).items


async def test_a_known_recipe_is_answered_without_a_look_at_the_rows(desk: Desk) -> None:
    first = await desk.submit()
    for table in (desk.home / "datasets").glob("*.parquet"):
        table.unlink()
    again = await desk.submit(name="other")
    assert (again.model_id, again.duplicate) == (first.model_id, True)


async def test_terms_that_cannot_be_kept_are_refused_whether_the_recipe_is_new_waits_or_is_known(desk: Desk) -> None:
    for prepare in (None, desk.submit, desk.work_off):
        if prepare is not None:
            await prepare()
        with pytest.raises(BadInput, match=r"^priority: expected a whole number from -100 to 100, found 101"):
            await desk.submit(terms=Terms(priority=101))
        with pytest.raises(BadInput, match=r"^memory_mb: expected megabytes"):
            await desk.submit(terms=Terms(memory_mb=1))
