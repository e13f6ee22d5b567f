"""A batch: four models of one group, which predict a bar. Open and close at one timeframe, high and low at another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
from pydantic import Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.jobs import queue
from forecastle.jobs.job import NO_TERMS, Terms
from forecastle.registry import models
from forecastle.training import submit
from forecastle.training.documents import explain
from forecastle.training.errors import BadRecipe
from forecastle.training.fields import Part
from forecastle.training.order import Order
from forecastle.training.recipe import Recipe
from forecastle.training.submit import TrainingSubmission
from forecastle.types import new_id

PART = "batch"
TRANSFORM = "log_return"
PAIRS = {"open_close": ("open", "close"), "high_low": ("high", "low")}

Timeframe = Annotated[str, Field(min_length=1, max_length=20)]


class BatchPart(Part):
    """The part `batch` of a document: at which timeframes; by default the recipe's own."""

    open_close: Timeframe | None = None
    high_low: Timeframe | None = None


@dataclass(frozen=True, slots=True)
class BatchSubmission:
    """The group of the models, and what became of each recipe, in the order open, close, high, low."""

    group: str
    trainings: tuple[TrainingSubmission, ...]


def is_batch(document: Mapping[str, object]) -> bool:
    """Whether a document declares a batch."""
    return PART in document


def parse_batch(document: Mapping[str, Any]) -> tuple[Recipe, ...]:
    """The four recipes of a document, which is a recipe without `target.column`.

    Raises:
        BadRecipe: a field is unknown, missing or unusable; each is named.
    """
    base = {name: value for name, value in document.items() if name != PART}
    target = base.get("target") or {}
    if not isinstance(target, Mapping) or "column" in target:
        expected = "a table without column, as a batch predicts open, close, high and low"
        raise BadRecipe.at("target", expected=expected, found=target)
    try:
        part = BatchPart.model_validate(document.get(PART) or {})
    except ValidationError as error:
        fields = list(BatchPart.model_fields)
        raise BadRecipe(problems=explain(error, fields=lambda _: fields, under=PART)) from error
    return tuple(
        _recipe(base, column, target, getattr(part, pair)) for pair, columns in PAIRS.items() for column in columns
    )


def _recipe(base: Mapping[str, Any], column: str, target: Mapping[str, Any], timeframe: str | None) -> Recipe:
    name = base.get("name")
    own: dict[str, Any] = {"target": {"transform": TRANSFORM, **target, "column": column}}
    if isinstance(name, str):
        own["name"] = f"{name}-{column}"
    if timeframe is not None:
        own["timeframe"] = timeframe
    return Recipe.parse({**base, **own})


async def submit_batch(
    session: AsyncSession, recipes: Sequence[Recipe], *, owner: str | None, now: datetime, terms: Terms = NO_TERMS
) -> BatchSubmission:
    """Submit the recipes as one group. A batch that was submitted before completes the group it has.

    Raises:
        BadRecipe: a recipe does not fit its table; so BadExpression and BadTarget.
        DatasetNotFound: the table does not exist.
        ModelNotFound: the parent does not exist.
        BadInput: the jobs' terms cannot be kept.
    """
    tables = await submit.look_up(session, recipes)
    orders = [submit.place(recipe, tables, now=now) for recipe in recipes]
    group = await _known_group(session, orders) or new_id(now)
    grouped = [msgspec.structs.replace(order, group=group) for order in orders]
    return BatchSubmission(
        group, tuple(await submit.submit_orders(session, grouped, owner=owner, now=now, terms=terms))
    )


async def _known_group(session: AsyncSession, orders: Sequence[Order]) -> str | None:
    """The one group that those of the models have which exist or are being made."""
    fingerprints = [order.fingerprint for order in orders]
    known = await models.find_by_fingerprints(session, fingerprints)
    jobs = await queue.find_all(session, [each for each in fingerprints if each not in known])
    groups = {model.group for model in known.values()} | {Order.read(job.payload).group for job in jobs.values()}
    return groups.pop() if len(groups) == 1 else None
