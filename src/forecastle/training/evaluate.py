"""One window: fit on its training rows, predict its test rows, and measure against naive forecasts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from forecastle.features.plan import States
from forecastle.registry.manifest import Fold
from forecastle.training import baselines, importances, metrics
from forecastle.training.arrays import Floats, Integers
from forecastle.training.errors import TrainingFailed
from forecastle.training.learn import Learned, Method, learn
from forecastle.training.metrics import Metrics
from forecastle.training.preprocess import Categories, encode, learn_categories
from forecastle.training.recipe import Recipe
from forecastle.training.samples import Samples
from forecastle.training.splits import Window
from forecastle.training.study import Study

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FittedRows:
    """A model that has seen nothing but some samples, and how their features were computed and encoded."""

    learned: Learned
    states: States
    columns: pl.DataFrame
    """Features of every row of the frame."""
    categories: tuple[Categories | None, ...]
    recipe: Recipe

    def matrix(self, rows: Integers) -> Floats:
        """The input matrix [N, F] of some frame rows.

        Raises:
            TrainingFailed: a feature is missing although the recipe drops rows with missing features.
        """
        return _matrix(self.columns, self.categories, rows, self.recipe)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured in a window, with its model and the matrix [N, F] of its test rows."""

    fold: Fold
    learned: Learned
    matrix: Floats
    window: Window


def fit_rows(study: Study, method: Method, positions: Integers) -> FittedRows:
    """Fit everything that is fitted, features included, on these samples alone."""
    rows = study.samples.rows[positions]
    states, columns = study.features(rows)
    categories = learn_categories(columns, rows)
    matrix = _matrix(columns, categories, rows, study.recipe)
    learned = learn(method, matrix, study.samples.target[positions], categories)
    return FittedRows(learned, states, columns, categories, study.recipe)


def _matrix(columns: pl.DataFrame, categories: tuple[Categories | None, ...], rows: Integers, recipe: Recipe) -> Floats:
    matrix = encode(columns[rows], categories)
    if recipe.missing == "drop" and np.isnan(matrix).any():
        name = columns.columns[int(np.isnan(matrix).any(axis=0).argmax())]
        raise TrainingFailed(
            f"feature {name} has no value where its inputs have: the training rows of a window teach it nothing"
        )
    return matrix


def evaluate(study: Study, method: Method, window: Window) -> Evaluation:
    """Fit on the window's training rows and measure on its test rows."""
    fitted = fit_rows(study, method, window.train)
    matrix = fitted.matrix(study.samples.rows[window.test])
    predicted = fitted.learned.predict(matrix)
    if not np.isfinite(predicted).all():
        raise TrainingFailed("the model predicts numbers that are not finite")
    fold = _classes(study, window, predicted) if method.classes else _values(study, window, predicted)
    return Evaluation(fold, fitted.learned, matrix, window)


def permutation(study: Study, evaluation: Evaluation, *, seed: int) -> dict[str, float]:
    """Permutation importances on an evaluation's test rows."""
    truth = study.samples.target[evaluation.window.test]
    return importances.permutation(
        evaluation.matrix, study.plan.names, loss=_loss(evaluation.learned, truth), seed=seed
    )


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
