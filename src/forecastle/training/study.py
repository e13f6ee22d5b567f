"""A recipe's table made ready: features computed, labels found, unusable rows set aside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from forecastle.features import limits, targets
from forecastle.features.frames import prepare
from forecastle.features.plan import FeaturePlan, States
from forecastle.features.targets import Target, TargetPlan, compute_target
from forecastle.training.arrays import Booleans, Floats, Integers
from forecastle.training.labels import Labels, read_labels
from forecastle.training.order import TableFacts
from forecastle.training.recipe import Recipe
from forecastle.training.samples import Clockwork, Samples
from forecastle.training.settle import plans


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
    states: States
    """What fitted features learned from all labelled rows."""
    columns: pl.DataFrame
    """The features of every row of the frame, computed with these states."""

    def features(self, rows: Integers) -> tuple[States, pl.DataFrame]:
        """Features of the whole frame when fitted features learn from these frame rows only."""
        if not self.states:
            return {}, self.columns
        states = self.plan.fit(self.frame, _mask(rows, self.frame.height))
        return states, self.plan.compute(self.frame, states)

    def in_units(self, values: Floats, positions: Integers) -> Floats:
        """Values of the target of some samples, turned back into the target's own units."""
        return targets.invert(values, self.current[positions], self.target.transform)


def prepare_study(
    recipe: Recipe, frame: pl.DataFrame, *, facts: TableFacts, context: Mapping[str, pl.DataFrame]
) -> Study:
    """Join, resample, compute and label.

    Args:
        recipe: with its open choices settled.
        frame: the dataset's rows.
        facts: its time and key columns.
        context: the rows of the context series, by name.

    Raises:
        BadInput: too many rows are lost to missing values, or too few have a label.
    """
    frame = prepare(
        frame,
        time=facts.time,
        keys=facts.keys,
        timeframe=recipe.timeframe,
        context=context,
        select_keys=recipe.keys,
    )
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
    labelled = ~np.isnan(labels.values)
    states = plan.fit(frame, labelled)
    columns = plan.compute(frame, states)
    complete = _complete(columns, frame, facts) if recipe.missing == "drop" else True
    rows = np.flatnonzero(labelled & complete)
    samples = _samples(rows, labels, _groups(frame, facts.keys)[rows], _clockwork(rows, frame, facts, target))
    return Study(recipe, plan, target_plan, frame, samples, labels.current[rows], states, columns)


def _complete(columns: pl.DataFrame, frame: pl.DataFrame, facts: TableFacts) -> Booleans:
    """Which rows have every number; a missing category is a category of its own."""
    numbers = columns.select(pl.all().exclude(pl.String))
    return limits.check_features(numbers, frame, time=facts.time, keys=facts.keys)


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
    if facts.time is None or target.label_times is None:
        return None
    times = frame[facts.time].cast(pl.Int64).to_numpy()[rows]
    return Clockwork(times, target.label_times[rows].astype(np.int64))


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
