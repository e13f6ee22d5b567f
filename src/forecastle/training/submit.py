"""Submitting trainings: what is known already is answered, what is new becomes a job.

Many are submitted like one: each table is looked up once, and all fingerprints with one query.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.data import catalogue as datasets
from forecastle.data.dataset import Dataset
from forecastle.data.storage import TableStore
from forecastle.db import Database
from forecastle.jobs import queue
from forecastle.jobs.job import NO_TERMS, Job, Terms
from forecastle.registry import models
from forecastle.registry.models import Model
from forecastle.training import trials
from forecastle.training.coverage import check_rows
from forecastle.training.fingerprint import canonical, fingerprint
from forecastle.training.order import Order, TableFacts
from forecastle.training.recipe import Recipe
from forecastle.training.settle import Settled, settle
from forecastle.types import new_id

KIND = "train"
SHARED = ("forecastle.training.algorithms.lightgbm",)
"""What a worker may load before it is forked: not Polars and ONNX Runtime, which start threads."""


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
    model: Model | None = None
    """The model, if it is there already."""


async def check(database: Database, store: TableStore, recipes: Sequence[Recipe]) -> None:
    """Refuse recipes that do not fit the columns of their tables, or that their rows cannot bear.

    To be awaited before the transaction that submits them, for it reads the tables. Their rows are looked at only for
    recipes that are new.

    Raises:
        BadInput: a recipe does not fit its tables: BadRecipe, BadExpression, BadTarget, BadFrame.
        DatasetNotFound: a table does not exist.
        ModelNotFound: the parent does not exist.
    """
    async with database.read() as session:
        tables = await look_up(session, recipes)
    marks = await asyncio.to_thread(lambda: [_settle(recipe, tables)[1] for recipe in recipes])
    async with database.read() as session:
        known = {*await models.find_by_fingerprints(session, marks), *await queue.find_all(session, marks)}
    for recipe, mark in zip(recipes, marks, strict=True):
        if mark not in known:
            await asyncio.to_thread(check_rows, recipe, tables, store)


def _settle(recipe: Recipe, tables: Mapping[str, Dataset]) -> tuple[Settled, str]:
    """The recipe with nothing left open, and its fingerprint."""
    dataset, context = tables[recipe.dataset], {name: tables[name] for name in recipe.context}
    settled = settle(recipe, dataset, context)
    hashes = {name: series.sha256 for name, series in context.items()}
    return settled, fingerprint(canonical(settled.spelled, dataset.sha256, hashes))


async def submit_training(
    session: AsyncSession, recipe: Recipe, *, owner: str | None, now: datetime, terms: Terms = NO_TERMS
) -> TrainingSubmission:
    """Find the model of this recipe, or the job that is making it, or put a new job in the queue.

    Whether the rows of its tables can bear it, `check` finds out before.

    Raises:
        BadRecipe: the recipe does not fit its table; so BadExpression and BadTarget.
        DatasetNotFound: a table does not exist.
        ModelNotFound: the parent does not exist.
        BadInput: the job's terms cannot be kept.
    """
    order = place(recipe, await look_up(session, [recipe]), now=now)
    (made,) = await submit_orders(session, [order], owner=owner, now=now, terms=terms)
    return made


async def look_up(session: AsyncSession, recipes: Iterable[Recipe]) -> Mapping[str, Dataset]:
    """Every table that the recipes name, by its name.

    Raises:
        DatasetNotFound: a table does not exist.
        ModelNotFound: a parent does not exist.
    """
    recipes = list(recipes)
    names = dict.fromkeys(name for recipe in recipes for name in (recipe.dataset, *recipe.context))
    for parent in dict.fromkeys(recipe.parent for recipe in recipes):
        if parent is not None:
            await models.get(session, parent)
    return {name: await datasets.get(session, name) for name in names}


def place(
    recipe: Recipe,
    tables: Mapping[str, Dataset],
    *,
    now: datetime,
    cohort: str | None = None,
    group: str | None = None,
) -> Order:
    """The order for a recipe, checked against the columns of its tables, with an id for the model to be.

    Raises:
        BadInput: the recipe does not fit its tables: BadRecipe, BadExpression, BadTarget, BadFrame.
    """
    settled, mark = _settle(recipe, tables)
    return Order(
        model_id=new_id(now),
        fingerprint=mark,
        document=settled.recipe.as_json(),
        table=TableFacts.of(tables[recipe.dataset]),
        context={name: TableFacts.of(tables[name]) for name in recipe.context},
        cohort=cohort,
        group=group,
    )


async def submit_orders(
    session: AsyncSession, orders: Sequence[Order], *, owner: str | None, now: datetime, terms: Terms = NO_TERMS
) -> list[TrainingSubmission]:
    """Find or queue each of them, in one transaction; answers and jobs are in the order of the orders.

    Raises:
        BadInput: the jobs' terms cannot be kept.
    """
    terms.check()
    fingerprints = {order.fingerprint for order in orders}
    known = await models.find_by_fingerprints(session, fingerprints)
    jobs = await queue.find_all(session, fingerprints)
    await trials.mark_wanted(session, _joined(orders, known, jobs))
    made: dict[int, TrainingSubmission] = {}
    # in one order for all who submit at once, so that no two of them wait for each other
    for position, order in sorted(enumerate(orders), key=lambda each: each[1].fingerprint):
        model, job = known.get(order.fingerprint), jobs.get(order.fingerprint)
        if model is not None:
            found = _done(job, model)
        elif job is not None and not job.ended:
            found = _under_way(job, order, duplicate=True)
        else:
            moment = now + timedelta(microseconds=position)  # the queue runs the oldest first
            found = await _queue(session, order, owner=owner, now=moment, terms=terms)
        if found.job is not None:
            jobs[order.fingerprint] = found.job
        made[position] = found
    return [made[position] for position in range(len(orders))]


def _joined(orders: Sequence[Order], known: Collection[str], jobs: Mapping[str, Job]) -> list[str]:
    """The jobs under way that orders outside of any search wait for from now on."""
    wanted = {order.fingerprint for order in orders if order.cohort is None} - set(known)
    return [job.id for fingerprint, job in jobs.items() if fingerprint in wanted and not job.ended]


async def _queue(
    session: AsyncSession, order: Order, *, owner: str | None, now: datetime, terms: Terms
) -> TrainingSubmission:
    """A new job, or what somebody else has made of the same meanwhile."""
    while True:
        submission = await queue.submit(
            session,
            kind=KIND,
            payload=order.as_json(),
            dedupe=order.fingerprint,
            owner=owner,
            now=now,
            terms=terms,
        )
        job = submission.job
        if job.status != "completed":
            return _under_way(job, order, duplicate=submission.duplicate)
        model = await models.find_by_fingerprint(session, order.fingerprint)
        if model is not None:
            return _done(job, model)
        await queue.release_dedupe(session, order.fingerprint)  # its model was deleted since


def _under_way(job: Job, order: Order, *, duplicate: bool) -> TrainingSubmission:
    queued = Order.read(job.payload)
    name = str(queued.document["name"])
    return TrainingSubmission(job, queued.model_id, name, order.fingerprint, duplicate, job.status)


def _done(job: Job | None, model: Model) -> TrainingSubmission:
    return TrainingSubmission(job, model.id, model.name, model.fingerprint, True, "completed", model)
