"""A recipe's table made ready: joined and resampled, features computed, labels found, unusable rows set aside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from forecastle.features import limits, targets
from forecastle.features.frames import prepare
from forecastle.features.matrix import Column, FeatureMatrix
from forecastle.features.plan import FeaturePlan, States
from forecastle.features.targets import Target, TargetPlan, compute_target
from forecastle.training.arrays import Booleans, Floats, Integers
from forecastle.training.labels import Labels, read_labels
from forecastle.training.order import TableFacts
from forecastle.training.recipe import Recipe
from forecastle.training.samples import Clockwork, Samples
from forecastle.training.settle import plans, where_plan


@dataclass(frozen=True, slots=True)
class Study:
    """Everything the windows of one recipe are cut from."""

    recipe: Recipe
    plan: FeaturePlan
    target: TargetPlan
    frame: pl.DataFrame
    samples: Samples
    current: Floats
    """Of each sample, the value known at the row, in the target's own units; NaN where there is none."""
    matrix: FeatureMatrix
    """The features of every row of the frame, as far as nothing is learned: see `FeaturePlan.unlearned`."""
    warm_up: Integers
    """Times of the rows, ascending, that were set aside for want of history."""
    where: FeaturePlan | None = None
    """The condition that rows must meet to be trained on or tested."""

    def features(self, rows: Integers) -> tuple[States, FeatureMatrix]:
        """Features of the whole frame when fitted features learn from these frame rows only."""
        learned = self.plan.learned
        if not learned.columns:
            return {}, self.matrix
        states = learned.fit(self.frame, _mask(rows, self.frame.height))
        computed = map(Column.of, learned.compute(self.frame, states).iter_columns())
        places = map(self.plan.names.index, learned.names)
        return states, self.matrix.with_columns(dict(zip(places, computed, strict=True)))

    def meeting(self, positions: Integers) -> tuple[States, Booleans]:
        """Which samples meet the condition when what is fitted in it learns from the samples at `positions` only."""
        if self.where is None:
            return {}, np.ones(len(self.samples.rows), dtype=bool)
        states = self.where.fit(self.frame, _mask(self.samples.rows[positions], self.frame.height))
        met = self.where.compute(self.frame, states).to_series().fill_null(0.0).to_numpy() != 0
        return states, met[self.samples.rows]

    def in_units(self, values: Floats, positions: Integers) -> Floats:
        """Values of the target of some samples, turned back into the target's own units."""
        return targets.invert(values, self.current[positions], self.target.transform)


@dataclass(frozen=True, slots=True)
class Tables:
    """What a recipe is trained on."""

    frame: pl.DataFrame
    """The dataset's rows."""
    facts: TableFacts
    """Its time and key columns."""
    context: Mapping[str, pl.DataFrame]
    """The rows of the context series, by name."""


def prepare_table(recipe: Recipe, tables: Tables) -> pl.DataFrame:
    """Select keys, resample and join.

    Raises:
        BadInput: a key is unknown, a series cannot be joined, or too many rows are lost.
    """
    return prepare(
        tables.frame,
        time=tables.facts.time,
        keys=tables.facts.keys,
        timeframe=recipe.timeframe,
        context=tables.context,
        select_keys=recipe.keys,
    )


def compute_features(plan: FeaturePlan, frame: pl.DataFrame) -> FeatureMatrix:
    """The features of every row of a prepared table, as far as nothing is learned."""
    return FeatureMatrix.of(plan.unlearned.compute(frame, {}))


def find_samples(
    recipe: Recipe,
    frame: pl.DataFrame,
    matrix: FeatureMatrix,
    *,
    facts: TableFacts,
    limit: float | None = None,
) -> Study:
    """Label the rows of a prepared table and set aside those that cannot be used.

    Args:
        recipe: with its open choices settled.
        frame: the prepared table.
        matrix: its features, as far as nothing is learned.
        facts: its time and key columns.
        limit: share of rows that may lack a feature after the warm-up, in place of the usual one.

    Raises:
        BadInput: too many rows are lost to missing values, or there are too few classes or too many.
    """
    target_plan, plan = plans(recipe, schema=frame.schema, time=facts.time, keys=facts.keys)
    target = compute_target(
        frame,
        expression=target_plan.expression,
        transform=target_plan.transform,
        horizon=target_plan.horizon,
        time=facts.time,
        keys=facts.keys,
    )
    labels = read_labels(target, target_plan.transform, as_classes=recipe.target.task == "classification")
    usable = ~np.isnan(labels.values)
    warm_up: Integers = np.empty(0, dtype=np.int64)
    if recipe.missing == "drop":
        missing = _missing_numbers(plan, matrix)
        complete = limits.check_features(missing, frame, time=facts.time, keys=facts.keys, limit=limit)
        usable &= complete.usable
        warm_up = _times(frame, facts)[~complete.warm]
    rows = np.flatnonzero(usable)
    samples = _samples(rows, labels, _groups(frame, facts.keys)[rows], _clockwork(rows, frame, facts, target))
    where = where_plan(recipe, plan.table)
    return Study(recipe, plan, target_plan, frame, samples, labels.current[rows], matrix, warm_up, where)


def blamed(study: Study) -> tuple[str, str]:
    """Of a study with hardly a usable row: the field of the recipe that took them, and how, to end a sentence with."""
    height = study.frame.height
    missing = _missing_numbers(study.plan, study.matrix) if study.recipe.missing == "drop" else {}
    lacking = np.logical_or.reduce([*missing.values(), np.zeros(height, dtype=np.bool_)])
    if not lacking.any() or lacking.sum() < height / 2:
        return "target", f" of {height:,}, in which the label is known"
    worst = max(missing, key=lambda name: int(missing[name].sum()))
    return "features", f" of {height:,}, of which {missing[worst].sum():,} lack {worst}"


def _missing_numbers(plan: FeaturePlan, matrix: FeatureMatrix) -> dict[str, Booleans]:
    """Where each feature is missing; a missing category is a category of its own."""
    columns = zip(plan.names, map(matrix.column, range(matrix.width)), strict=True)
    return {name: np.isnan(column.values) for name, column in columns if column.vocabulary is None}


def _times(frame: pl.DataFrame, facts: TableFacts) -> Integers:
    """Times of the rows in microseconds; row numbers without a time column."""
    if facts.time is None:
        return np.arange(frame.height)
    return frame[facts.time].cast(pl.Int64).to_numpy()


def _samples(rows: Integers, labels: Labels, groups: Integers, clockwork: Clockwork | None) -> Samples:
    follows = clockwork is not None and _is_series(groups, clockwork.times)
    return Samples(
        rows=rows,
        target=labels.values[rows],
        classes=labels.classes,
        groups=groups,
        clockwork=clockwork,
        unchanged=labels.unchanged[rows] if labels.unchanged is not None and follows else None,
    )


def _clockwork(rows: Integers, frame: pl.DataFrame, facts: TableFacts, target: Target) -> Clockwork | None:
    if target.label_times is None:
        return None
    return Clockwork(_times(frame, facts)[rows], target.label_times[rows].astype(np.int64))


def _groups(frame: pl.DataFrame, keys: Sequence[str]) -> Integers:
    groups = np.zeros(frame.height, dtype=np.int64)
    for key in keys:
        _, codes = np.unique(frame[key].cast(pl.String).fill_null("").to_numpy(), return_inverse=True)
        groups = groups * (int(codes.max(initial=0)) + 1) + codes
    return np.unique(groups, return_inverse=True)[1]


def _is_series(groups: Integers, times: Integers) -> bool:
    """Whether no two rows of a group share a time."""
    order = np.lexsort((times, groups))
    return not ((np.diff(times[order]) == 0) & (np.diff(groups[order]) == 0)).any()


def _mask(rows: Integers, height: int) -> Booleans:
    mask: Booleans = np.zeros(height, dtype=bool)
    mask[rows] = True
    return mask
