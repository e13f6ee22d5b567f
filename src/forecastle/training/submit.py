"""Submitting a training: what is known already is answered, what is new becomes a job."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.data import catalogue as datasets
from forecastle.data.storage import TableStore
from forecastle.db import Database
from forecastle.jobs import queue
from forecastle.jobs.job import Job
from forecastle.registry import models
from forecastle.training.coverage import check_rows
from forecastle.training.fingerprint import canonical, fingerprint
from forecastle.training.order import Order, TableFacts
from forecastle.training.recipe import Recipe
from forecastle.training.settle import settle
from forecastle.types import new_id

KIND = "train"


@dataclass(frozen=True, slots=True)
class TrainingSubmission:
    """The answer to a recipe. `duplicate`: its model exists or is being made already."""

    job: Job | None
    """None when the model is there and the job that made it is not."""
    model_id: str
    """Of the model, which exists once the job has completed."""
    name: str
    """Under which the model is known, or will be: of a duplicate, the name in the recipe that came first."""
    fingerprint: str
    duplicate: bool
    status: str


async def place(database: Database, tables: TableStore, recipe: Recipe, *, now: datetime) -> Order:
    """The order for a recipe, checked against its tables, with an id for the model to be.

    The tables' rows are looked at only for a recipe that is new.

    Raises:
        BadInput: the recipe does not fit its tables: BadRecipe, BadExpression, BadTarget, BadFrame.
        DatasetNotFound: a table does not exist.
        ModelNotFound: the parent does not exist.
    """
    async with database.read() as session:
        dataset = await datasets.get(session, recipe.dataset)
        context = {name: await datasets.get(session, name) for name in recipe.context}
        if recipe.parent is not None:
            await models.get(session, recipe.parent)
    settled = settle(recipe, dataset, context)
    hashes = {name: series.sha256 for name, series in context.items()}
    mark = fingerprint(canonical(settled.spelled, dataset.sha256, hashes))
    if not await _is_known(database, mark):
        await asyncio.to_thread(check_rows, settled.recipe, dataset, context, tables)
    return Order(
        model_id=new_id(now),
        fingerprint=mark,
        document=settled.recipe.as_json(),
        table=TableFacts.of(dataset),
        context={name: TableFacts.of(series) for name, series in context.items()},
    )


async def _is_known(database: Database, mark: str) -> bool:
    async with database.read() as session:
        return bool(await models.find_by_fingerprint(session, mark) or await queue.find(session, mark))


async def submit_training(
    session: AsyncSession, order: Order, *, owner: str | None, now: datetime
) -> TrainingSubmission:
    """Find the model of this order's recipe, or the job that is making it, or put a new job in the queue."""
    known = await models.find_by_fingerprint(session, order.fingerprint)
    if known is None:
        submission = await _submit(session, order, owner=owner, now=now)
        if submission is not None:
            return submission
        known = await models.find_by_fingerprint(session, order.fingerprint)
    if known is None:  # the job completed once, and its model was deleted since
        await queue.release_dedupe(session, order.fingerprint)
        return await submit_training(session, order, owner=owner, now=now)
    job = await queue.find(session, order.fingerprint)
    return TrainingSubmission(job, known.id, known.name, known.fingerprint, duplicate=True, status="completed")


async def _submit(
    session: AsyncSession, order: Order, *, owner: str | None, now: datetime
) -> TrainingSubmission | None:
    """The job, new or under way; None if it has completed."""
    submission = await queue.submit(
        session, kind=KIND, payload=order.as_json(), dedupe=order.fingerprint, owner=owner, now=now
    )
    job = submission.job
    if submission.duplicate and job.status == "completed":
        return None
    queued = Order.read(job.payload)
    name = str(queued.document["name"])
    return TrainingSubmission(job, queued.model_id, name, order.fingerprint, submission.duplicate, job.status)
