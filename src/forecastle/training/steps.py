"""The steps of a training as values, so that the proof against leakage can run the very ones that training runs.

prepare → features → samples → windows → confine → fit → predict
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from forecastle.features.matrix import FeatureMatrix
from forecastle.features.plan import FeaturePlan
from forecastle.training.algorithms.fitted import Options
from forecastle.training.arrays import Floats, Integers
from forecastle.training.errors import BadRecipe, TooFewRows
from forecastle.training.fields import CalibrationKind
from forecastle.training.fitting import FittedRows, fit_rows
from forecastle.training.learn import Method
from forecastle.training.recipe import Recipe
from forecastle.training.schemes import Split
from forecastle.training.settle import default_split, plans
from forecastle.training.splits import MIN_ROWS, Window, split
from forecastle.training.study import Study, Tables, blamed, compute_features, find_samples, prepare_table


@dataclass(frozen=True, slots=True)
class Steps:
    """What a training does, one after the other."""

    prepare: Callable[[Recipe, Tables], pl.DataFrame]
    """The table that features are computed over."""
    features: Callable[[FeaturePlan, pl.DataFrame], FeatureMatrix]
    """A row for each row of that table; see `FeaturePlan.unlearned`."""
    samples: Callable[..., Study]
    """Labels found and unusable rows set aside; see `find_samples`."""
    windows: Callable[[Study], tuple[Window, ...]]
    confine: Callable[[Study, Window], Window]
    """The window without the rows that do not meet the recipe's condition."""
    fit: Callable[[Study, Method, Integers], FittedRows]
    """Everything that is learned, from the samples at these positions."""
    predict: Callable[[FittedRows, Integers], Floats]
    """Predictions for these rows of the table."""

    def study(self, recipe: Recipe, tables: Tables, *, limit: float | None = None) -> Study:
        """The recipe's tables made ready to cut windows from.

        Args:
            recipe: with its open choices settled.
            tables: what it is trained on.
            limit: share of rows that may lack a feature after the warm-up, in place of the usual one.

        Raises:
            BadInput: too many rows are lost to missing values, or too few have a label.
        """
        frame, matrix = self.featured(recipe, tables)
        return self.samples(recipe, frame, matrix, facts=tables.facts, limit=limit)

    def featured(self, recipe: Recipe, tables: Tables) -> tuple[pl.DataFrame, FeatureMatrix]:
        """The prepared table and its features."""
        facts = tables.facts
        frame = self.prepare(recipe, tables)
        _, plan = plans(recipe, schema=frame.schema, time=facts.time, keys=facts.keys)
        return frame, self.features(plan, frame)

    def divide(self, study: Study) -> tuple[Window, ...]:
        """The windows of a study, confined to the rows that meet the recipe's condition.

        Raises:
            TooFewRows: a window is left without enough rows.
        """
        confined = (self.confine(study, window) for window in self.windows(study))
        how = _split(study)
        return tuple(window.checked(number, how) for number, window in enumerate(confined, start=1))


def windows(study: Study) -> tuple[Window, ...]:
    """The recipe's train and test windows over the study's samples, whether or not they meet its condition.

    Raises:
        TooFewRows: a window is left without enough rows.
    """
    samples = study.samples
    if len(samples.rows) < MIN_ROWS:
        field, reason = blamed(study)
        raise TooFewRows(field, found=len(samples.rows), needed=MIN_ROWS, what=f"usable rows{reason}")
    return split(
        _split(study),
        rows=len(samples.rows),
        clockwork=samples.clockwork,
        classes=samples.codes if samples.classes else None,
        seed=study.recipe.seed,
    )


def _split(study: Study) -> Split:
    return study.recipe.split or default_split(timed=study.samples.clockwork is not None)


def confine(study: Study, window: Window) -> Window:
    """The window without the rows that do not meet the recipe's `where`, which is fitted on its training rows."""
    _, met = study.meeting(window.train)
    train, test = window.train[met[window.train]], window.test[met[window.test]]
    outside = len(window.train) + len(window.test) - len(train) - len(test)
    return replace(window, train=train, test=test, outside=outside, warm_up=_warm_up(study, window))


def _warm_up(study: Study, window: Window) -> int:
    """Rows without history from the window's first row, or the table's if that is its first, to its last."""
    if study.samples.clockwork is None:
        return 0
    positions = np.concatenate([window.train, window.test])
    start, end = np.searchsorted(study.warm_up, study.samples.clockwork.times[[positions.min(), positions.max()]])
    return int(end - (start if positions.min() else 0))


def method(study: Study) -> Method:
    """How the recipe says each window is learned from.

    Raises:
        BadRecipe: its calibration does not fit the number of classes.
    """
    recipe, columns = study.recipe, study.plan.columns
    return Method(
        algorithm=recipe.algorithm,
        options=Options(
            "classification" if study.samples.classes else "regression", recipe.hyperparameters, recipe.seed
        ),
        order=sorted(range(len(columns)), key=lambda position: (columns[position].expression, columns[position].name)),
        names=study.plan.names,
        fills_missing=recipe.missing == "median",
        classes=len(study.samples.classes),
        calibration=_calibration(recipe, len(study.samples.classes)),
        prune=recipe.prune,
    )


def _calibration(recipe: Recipe, classes: int) -> CalibrationKind | None:
    if recipe.calibration == "isotonic" and classes != 2:
        raise BadRecipe.at("calibration", expected=f"sigmoid for {classes} classes", found="isotonic")
    return recipe.calibration


def predict(fitted: FittedRows, rows: Integers) -> Floats:
    """Predictions [N], or probabilities [N, K], for some rows of the table."""
    return fitted.learned.predict(fitted.matrix(rows))


TRAINING = Steps(
    prepare=prepare_table,
    features=compute_features,
    samples=find_samples,
    windows=windows,
    confine=confine,
    fit=fit_rows,
    predict=predict,
)
"""What a training does in earnest."""
