"""One window: fit on its training rows, predict its test rows, and measure against naive forecasts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from forecastle.registry.manifest import Fold
from forecastle.training import baselines, importances, metrics
from forecastle.training.algorithms import catalogue
from forecastle.training.arrays import Floats, Integers
from forecastle.training.errors import TrainingFailed
from forecastle.training.fitting import fit_rows
from forecastle.training.intervals import Residuals
from forecastle.training.learn import Learned, Method
from forecastle.training.metrics import Metrics
from forecastle.training.samples import Clockwork, Samples
from forecastle.training.splits import Window
from forecastle.training.study import Study

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured in a window, with its model, the matrix [N, F] of its test rows and what it predicted there."""

    fold: Fold
    learned: Learned
    matrix: Floats
    window: Window
    predicted: Floats


def evaluate(study: Study, method: Method, window: Window) -> Evaluation:
    """Fit on the window's training rows and measure on its test rows."""
    fitted = fit_rows(study, method, window.train)
    learned = fitted.learned
    matrix = fitted.matrix(study.samples.rows[window.test])
    predicted = learned.predict(matrix)
    if not np.isfinite(predicted).all():
        raise TrainingFailed("the model predicts numbers that are not finite")
    fold = _classes(study, window, predicted) if method.classes else _values(study, window, predicted)
    before = _before(study, window, learned.uncalibrated.predict(matrix)) if learned.calibrator else {}
    fold = msgspec.structs.replace(fold, metrics=fold.metrics | before, rounds=fitted.rounds)
    return Evaluation(fold, learned, matrix, window, predicted)


def permutation(study: Study, evaluation: Evaluation, *, seed: int) -> dict[str, float]:
    """Permutation importances on an evaluation's test rows."""
    truth = study.samples.target[evaluation.window.test]
    budget = catalogue.find(study.recipe.algorithm).permuted_rows
    loss = _loss(evaluation.learned, truth)
    return importances.permutation(evaluation.matrix, study.plan.names, loss=loss, seed=seed, budget=budget)


def residuals(study: Study, evaluation: Evaluation) -> Residuals:
    """Truth less prediction on an evaluation's test rows."""
    test, clock = evaluation.window.test, study.samples.clockwork
    when = None if clock is None else Clockwork(clock.times[test], clock.known[test])
    return Residuals(study.samples.target[test] - evaluation.predicted, when)


def _loss(learned: Learned, truth: Floats) -> Callable[[Floats, Integers], float]:
    def loss(matrix: Floats, rows: Integers) -> float:
        predicted = learned.predict(matrix)
        if learned.classes:
            return metrics.log_loss(truth[rows].astype(np.int64), predicted)
        return metrics.mean_squared_error(truth[rows], predicted)

    return loss


def _values(study: Study, window: Window, predicted: Floats) -> Fold:
    def measure(forecast: Floats) -> Metrics:
        truth = study.samples.target[window.test]
        measured = metrics.regression(truth, forecast)
        real, guessed = study.in_units(truth, window.test), study.in_units(forecast, window.test)
        return measured | metrics.in_target_units(real, guessed)

    naive = baselines.values(study.samples, window)
    return _fold(study.samples, window, measure(predicted), {name: measure(each) for name, each in naive.items()})


def _classes(study: Study, window: Window, predicted: Floats) -> Fold:
    samples = study.samples
    truth = samples.codes[window.test]
    naive = {
        name: metrics.classification(truth, each) for name, each in baselines.probabilities(samples, window).items()
    }
    for name, each in baselines.labels(samples, window).items():
        naive[name] = metrics.decisions(truth, each, classes=len(samples.classes))
    table = metrics.confusion(truth, predicted.argmax(axis=1), classes=len(samples.classes))
    return _fold(samples, window, metrics.classification(truth, predicted), naive, confusion=table)


def _before(study: Study, window: Window, uncalibrated: Floats) -> Metrics:
    """What calibration is there to improve, as it was without."""
    measured = metrics.classification(study.samples.codes[window.test], uncalibrated)
    return {f"{name}_uncalibrated": measured[name] for name in metrics.OF_PROBABILITIES if name in measured}


def _fold(
    samples: Samples, window: Window, measured: Metrics, naive: dict[str, Metrics], confusion: Integers | None = None
) -> Fold:
    return Fold(
        train_rows=len(window.train),
        test_rows=len(window.test),
        dropped_rows=window.dropped,
        embargoed_rows=window.embargoed,
        outside_rows=window.outside,
        warm_up_rows=window.warm_up,
        train_start=bound(samples, window.train[0]),
        train_end=bound(samples, window.train[-1]),
        test_start=bound(samples, window.test[0]),
        test_end=bound(samples, window.test[-1]),
        metrics=measured,
        baselines=naive,
        confusion=() if confusion is None else tuple(map(tuple, confusion.tolist())),
    )


def bound(samples: Samples, position: int) -> str:
    """When a sample happened, in ISO format; without time its row number."""
    if samples.clockwork is None:
        return str(samples.rows[position])
    return (EPOCH + timedelta(microseconds=int(samples.clockwork.times[position]))).isoformat()
