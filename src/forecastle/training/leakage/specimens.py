"""Trainings that leak on purpose, each by one faulty step: what the proof is for, and how it is shown to work.

None of them can be written as a recipe. Each stands for a mistake that has been made in earnest.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from forecastle.features.matrix import Column, FeatureMatrix
from forecastle.features.plan import FeaturePlan
from forecastle.training import steps
from forecastle.training.arrays import Integers
from forecastle.training.fitting import FittedRows
from forecastle.training.leakage.findings import Finding, Proof, Step
from forecastle.training.leakage.proof import prove
from forecastle.training.learn import Method
from forecastle.training.order import TableFacts
from forecastle.training.recipe import Recipe
from forecastle.training.samples import Clockwork
from forecastle.training.splits import Window
from forecastle.training.steps import TRAINING, Steps
from forecastle.training.study import Study, Tables, compute_features, find_samples, prepare_table
from forecastle.types import Progress, no_progress


@dataclass(frozen=True, slots=True)
class Specimen:
    """A faulty training, and what the proof has to say of it first."""

    name: str
    fault: str
    faulty: Steps
    step: Step
    part: str
    """The name in that finding."""
    document: Mapping[str, Any]
    rows: Callable[[], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the proof said of a specimen, and of the real training on the same recipe and rows."""

    specimen: Specimen
    faulty: Proof
    honest: Proof

    @property
    def caught(self) -> Finding | None:
        """The finding that names the fault."""
        wanted = (self.specimen.step, self.specimen.part)
        return next((found for found in self.faulty.findings if (found.step, found.name) == wanted), None)

    @property
    def passed(self) -> bool:
        """Whether the fault was named, before any other, and the real training was not blamed."""
        first = self.faulty.findings[:1]
        return self.honest.status == "proven" and self.caught is not None and first == (self.caught,)


def examine(specimen: Specimen) -> Verdict:
    """Try to prove a specimen, and the real training beside it."""
    recipe = Recipe.parse({"name": "specimen", "dataset": "specimen", **specimen.document})
    rows = specimen.rows()
    tables = Tables(rows, TableFacts("", "time", ()), {})
    return Verdict(specimen, prove(recipe, tables, steps=specimen.faulty), prove(recipe, tables))


def examine_all(progress: Progress = no_progress) -> tuple[Verdict, ...]:
    """Every specimen."""
    verdicts = []
    for number, specimen in enumerate(SPECIMENS):
        progress(number / len(SPECIMENS), specimen.name)
        verdicts.append(examine(specimen))
    return tuple(verdicts)


# --- faulty steps ----------------------------------------------------------------------------------------------------


def centred_windows(plan: FeaturePlan, frame: pl.DataFrame) -> FeatureMatrix:
    """Every feature as its mean over two rows on either side."""
    columns = compute_features(plan, frame).frame(plan.names)
    return FeatureMatrix.of(columns.select(pl.all().rolling_mean(5, center=True, min_samples=1)))


def answers_as_features(plan: FeaturePlan, frame: pl.DataFrame) -> FeatureMatrix:
    """The first feature is what happened in the row itself."""
    (answer,) = plan.table.hidden
    return compute_features(plan, frame).with_columns({0: Column.of(frame[answer])})


def bars_by_their_start(recipe: Recipe, tables: Tables) -> pl.DataFrame:
    """An hour's bar is there when the hour begins."""
    return prepare_table(recipe, tables).with_columns(pl.col("time").dt.offset_by(f"-{recipe.timeframe}"))


def gaps_filled_backwards(recipe: Recipe, tables: Tables) -> pl.DataFrame:
    """What is missing is taken from the next row."""
    return prepare_table(recipe, tables).with_columns(pl.exclude("time").backward_fill())


def outliers_of_all_rows(*table: Any, **facts: Any) -> Study:
    """Rows whose label is more than two deviations from the mean of all of them are set aside."""
    study = find_samples(*table, **facts)
    target = study.samples.target
    usual = np.abs(target - target.mean()) <= 2 * target.std()
    return replace(study, samples=_some(study, usual), current=study.current[usual])


def windows_without_purge(study: Study) -> tuple[Window, ...]:
    """Training rows stay though their label lies in the test stretch."""
    samples = study.samples
    if samples.clockwork is None:
        raise TypeError("a table without time has nothing to purge")
    blind = replace(samples, clockwork=Clockwork(samples.clockwork.times, samples.clockwork.times))
    return steps.windows(replace(study, samples=blind))


def scaled_by_all_rows(study: Study, method: Method, positions: Integers) -> FittedRows:
    """Means and deviations of the whole table."""
    fitted, everything = _fit(study, method, positions)
    learned = replace(fitted.learned, preprocessor=everything.learned.preprocessor)
    return replace(fitted, learned=learned)


def regimes_of_all_rows(study: Study, method: Method, positions: Integers) -> FittedRows:
    """Fitted features that have seen the whole table."""
    fitted, everything = _fit(study, method, positions)
    return replace(fitted, inputs=everything.inputs)


def pruned_by_all_rows(study: Study, method: Method, positions: Integers) -> FittedRows:
    """Features chosen by their relation to the target in the whole table, before it is split."""
    _, everything = _fit(study, method, positions)
    kept = set(everything.learned.preprocessor.sources.tolist())
    chosen = [column for column in method.order if column in kept]
    return TRAINING.fit(study, replace(method, order=chosen, prune=None), positions)


def _fit(study: Study, method: Method, positions: Integers) -> tuple[FittedRows, FittedRows]:
    everything = np.arange(len(study.samples.rows))
    return TRAINING.fit(study, method, positions), TRAINING.fit(study, method, everything)


def _some(study: Study, chosen: Any) -> Any:
    samples, clockwork = study.samples, study.samples.clockwork
    return replace(
        samples,
        rows=samples.rows[chosen],
        target=samples.target[chosen],
        groups=samples.groups[chosen],
        unchanged=None,
        clockwork=clockwork and Clockwork(clockwork.times[chosen], clockwork.known[chosen]),
    )


# --- what they are shown on ------------------------------------------------------------------------------------------

START = datetime(2020, 1, 1, tzinfo=UTC)


def _prices(count: int, step: timedelta, *, gaps: float = 0.0) -> pl.DataFrame:
    random = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, count)))
    times = pl.Series("time", [START + step * number for number in range(count)], dtype=pl.Datetime("us", "UTC"))
    missing = pl.Series(random.random(count) < gaps)
    volume = pl.Series("volume", random.uniform(100, 900, count))
    goals = pl.Series("goals", random.integers(0, 5, count).astype(np.float64))
    frame = pl.DataFrame([times, pl.Series("close", close), volume, goals])
    return frame.with_columns(pl.when(~missing).then(pl.col("volume")).alias("volume"))


def daily() -> pl.DataFrame:
    """300 days of prices."""
    return _prices(300, timedelta(days=1))


def with_gaps() -> pl.DataFrame:
    """The same with missing volumes."""
    return _prices(300, timedelta(days=1), gaps=0.1)


def every_ten_minutes() -> pl.DataFrame:
    """Two weeks of prices, six to the hour."""
    return _prices(2_000, timedelta(minutes=10))


PRICES: dict[str, Any] = {
    "features": ["ret(close, 1)", "trend = close / sma(close, 10)"],
    "algorithm": "ridge",
    "target": {"column": "close", "transform": "log_return", "horizon": 5, "task": "regression"},
    "split": {"kind": "walk_forward", "train": 120, "test": 60},
}
GOALS: dict[str, Any] = PRICES | {
    "features": ["form = lag(mean(goals, 5), 1)", "close"],
    "target": {"column": "goals", "horizon": 0, "task": "regression"},
}

SPECIMENS = (
    Specimen(
        "centred window",
        "features averaged over rows on either side",
        replace(TRAINING, features=centred_windows),
        "features",
        "ret(close, 1)",
        PRICES,
        daily,
    ),
    Specimen(
        "scaler fitted on all rows",
        "means and deviations of the whole table",
        replace(TRAINING, fit=scaled_by_all_rows),
        "fit",
        "centre of trend",
        PRICES,
        daily,
    ),
    Specimen(
        "label overlap",
        "training rows kept whose label lies in the test stretch",
        replace(TRAINING, windows=windows_without_purge),
        "windows",
        "label of a row that window 1 is trained on",
        PRICES,
        daily,
    ),
    Specimen(
        "bucket labelled by its start",
        "an hour's close shown when the hour begins",
        replace(TRAINING, prepare=bars_by_their_start),
        "prepare",
        "close",
        PRICES | {"timeframe": "1h"},
        every_ten_minutes,
    ),
    Specimen(
        "regime fitted on all rows",
        "a mixture that has seen the whole table",
        replace(TRAINING, fit=regimes_of_all_rows),
        "fit",
        "mixture(close): weight",
        PRICES | {"features": ["mixture(close)", "ret(close, 1)"]},
        daily,
    ),
    Specimen(
        "pruning before the split",
        "features chosen by their relation to the target in the whole table",
        replace(TRAINING, fit=pruned_by_all_rows),
        "fit",
        "features kept",
        PRICES | {"features": [f"ret(close, {rows})" for rows in range(1, 8)], "prune": 0.05},
        daily,
    ),
    Specimen(
        "answer among the features",
        "the result of a match read in its own row",
        replace(TRAINING, features=answers_as_features),
        "features",
        "form",
        GOALS,
        daily,
    ),
    Specimen(
        "gaps filled backwards",
        "a missing value taken from the next row",
        replace(TRAINING, prepare=gaps_filled_backwards),
        "prepare",
        "volume",
        PRICES | {"features": ["volume", "ret(close, 1)"], "missing": "median"},
        with_gaps,
    ),
    Specimen(
        "outliers of all rows",
        "rows set aside by a mean of the whole table",
        replace(TRAINING, samples=outliers_of_all_rows),
        "samples",
        "selection",
        PRICES,
        daily,
    ),
)
"""One for each way in which the future gets into a training."""
