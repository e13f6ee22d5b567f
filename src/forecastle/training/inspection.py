"""A closer look at a training: what its folds predicted beside the truth, and what it learned from fewer rows."""

from collections.abc import Sequence

import numpy as np

from forecastle.registry.diagnostics import Diagnostics, LearningPoint, Trace
from forecastle.registry.measures import HEADLINES
from forecastle.training import diagnostics, metrics
from forecastle.training.arrays import Floats, Integers
from forecastle.training.errors import TooFewRows, TrainingFailed
from forecastle.training.evaluate import Evaluation, bound
from forecastle.training.fitting import fit_rows
from forecastle.training.learn import Method
from forecastle.training.study import Study

PARTS = (16, 4)
"""The learning curve fits on the window's rows divided by these: together less than a third of one more fit."""
MIN_ROWS = 50
TRACED = 200


def inspect(study: Study, method: Method, evaluations: Sequence[Evaluation]) -> Diagnostics:
    """Everything that the report of the model draws."""
    curve = learning_curve(study, method, evaluations[-1])
    folds = [(study.samples.target[each.window.test], each.predicted) for each in evaluations]
    if method.classes:
        codes = [(truth.astype(np.int64), predicted) for truth, predicted in folds]
        return Diagnostics(reliability=diagnostics.reliability(codes, study.samples.classes), learning=curve)
    return Diagnostics(residuals=diagnostics.residuals(folds), trace=trace(study, evaluations[-1]), learning=curve)


def learning_curve(study: Study, method: Method, last: Evaluation) -> tuple[LearningPoint, ...]:
    """The headline measure in the last window after learning from parts of its training rows, and from all of them.

    With time, a part is the rows nearest to the test stretch; without, a seeded draw. A part from which nothing can be
    learned is left out.
    """
    train, test = last.window.train, last.window.test
    measure = HEADLINES["classification" if method.classes else "regression"]
    points = []
    for size in (len(train) // part for part in PARTS):
        if size < MIN_ROWS:
            continue
        try:
            fitted = fit_rows(study, method, _nearest(study, train, size))
            predicted = fitted.learned.predict(fitted.matrix(study.samples.rows[test]))
        except (TooFewRows, TrainingFailed):
            continue
        value = _headline(study.samples.target[test], predicted)
        if np.isfinite(value):
            points.append(LearningPoint(size, value))
    return (*points, LearningPoint(len(train), last.fold.metrics[measure])) if points else ()


def trace(study: Study, last: Evaluation) -> Trace | None:
    """Truth and prediction side by side at the end of the last window, of the series with most rows there."""
    samples, test = study.samples, last.window.test
    if samples.clockwork is None:
        return None
    groups = samples.groups[test]
    shown = np.flatnonzero(groups == np.bincount(groups).argmax())[-TRACED:]
    return Trace(
        times=tuple(bound(samples, position) for position in test[shown]),
        predicted=diagnostics.short(last.predicted[shown]),
        observed=diagnostics.short(samples.target[test[shown]]),
    )


def _nearest(study: Study, train: Integers, size: int) -> Integers:
    if study.samples.clockwork is not None:
        return train[-size:]
    return np.sort(np.random.default_rng(study.recipe.seed).permutation(train)[:size])


def _headline(truth: Floats, predicted: Floats) -> float:
    if predicted.ndim > 1:
        return metrics.log_loss(truth.astype(np.int64), predicted)
    return float(np.sqrt(metrics.mean_squared_error(truth, predicted)))
