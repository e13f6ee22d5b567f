"""How well predictions meet the truth. Pure NumPy; a measure that is undefined on these rows is left out."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from forecastle.training.arrays import Floats, Integers

LEAST_PROBABILITY = 1e-15
CALIBRATION_BINS = 10
OF_PROBABILITIES = ("log_loss", "brier", "calibration_error")
"""Measures that calibration is there to improve."""

Metrics = dict[str, float]


def regression(truth: Floats, predicted: Floats) -> Metrics:
    """`mse`, `mae`, `rmse`, and `r2` = 1 - residual / total sum of squares, unless the truth is constant."""
    squared = mean_squared_error(truth, predicted)
    spread = mean_squared_error(truth, np.full_like(truth, truth.mean()))
    measured = {"mse": squared, "mae": float(np.mean(np.abs(predicted - truth))), "rmse": math.sqrt(squared)}
    if truth.min() < truth.max() and spread > 0:
        measured["r2"] = 1.0 - squared / spread
    return _finite(measured)


def mean_squared_error(truth: Floats, predicted: Floats) -> float:
    """Mean of the squared differences; infinite if they are too large to square."""
    with np.errstate(over="ignore"):
        return float(np.mean((predicted - truth) ** 2))


def in_target_units(truth: Floats, predicted: Floats) -> Metrics:
    """`rmse_target_units`, over the rows that can be turned back into the target's units."""
    both = np.isfinite(truth) & np.isfinite(predicted)
    if not both.any():
        return {}
    return _finite({"rmse_target_units": math.sqrt(mean_squared_error(truth[both], predicted[both]))})


def log_loss(truth: Integers, probabilities: Floats) -> float:
    """Mean of -ln of the probability given to the true class, which counts as 1e-15 at least."""
    of_truth = probabilities[np.arange(len(truth)), truth]
    return -float(np.mean(np.log(np.maximum(of_truth, LEAST_PROBABILITY))))


def classification(truth: Integers, probabilities: Floats) -> Metrics:
    """`log_loss` (natural logarithm), `brier`, `calibration_error`, `roc_auc` for two classes; with `decisions`."""
    measured = decisions(truth, probabilities.argmax(axis=1), classes=probabilities.shape[1])
    measured["log_loss"] = log_loss(truth, probabilities)
    measured["brier"] = brier(truth, probabilities)
    measured["calibration_error"] = calibration_error(truth, probabilities)
    if probabilities.shape[1] == 2 and len(np.unique(truth)) == 2:
        measured["roc_auc"] = roc_auc(truth == 1, probabilities[:, 1])
    return _finite(measured)


def brier(truth: Integers, probabilities: Floats) -> float:
    """Mean squared difference between probability and outcome; for more than two classes added up over them (1950)."""
    if probabilities.shape[1] == 2:
        return float(np.mean((probabilities[:, 1] - truth) ** 2))
    outcomes = np.eye(probabilities.shape[1])[truth]
    return float(np.mean(((probabilities - outcomes) ** 2).sum(axis=1)))


def calibration_error(truth: Integers, probabilities: Floats) -> float:
    """How far, on average, a probability is from the share of cases in which it came true (expected calibration error).

    In ten bins of equal width: of two classes over the probability of the second, of more over that of the likeliest
    (Guo et al., 2017).
    """
    if probabilities.shape[1] == 2:
        said, came_true = probabilities[:, 1], truth == 1
    else:
        said, came_true = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    bins = np.minimum((said * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, said - came_true, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(truth))


def decisions(truth: Integers, predicted: Integers, *, classes: int) -> Metrics:
    """`accuracy`, `precision`, `recall` and `f1`.

    Of two classes the second is the positive one; of more, each measure is the mean over the classes that occur
    (macro). A class never predicted has precision 0.
    """
    table = confusion(truth, predicted, classes=classes).astype(np.float64)
    right, predicted_as, actual = np.diag(table), table.sum(axis=0), table.sum(axis=1)
    precision = _ratio(right, predicted_as)
    recall = _ratio(right, actual)
    f1 = _ratio(2 * right, predicted_as + actual)
    over = np.array([1]) if classes == 2 else np.flatnonzero(predicted_as + actual)
    return {
        "accuracy": float(right.sum() / len(truth)),
        "precision": float(precision[over].mean()),
        "recall": float(recall[over].mean()),
        "f1": float(f1[over].mean()),
    }


def confusion(truth: Integers, predicted: Integers, *, classes: int) -> Integers:
    """Counts [K, K]: rows by true class, columns by predicted class."""
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def roc_auc(positive: np.ndarray[tuple[int], np.dtype[np.bool_]], score: Floats) -> float:
    """Share of (positive, negative) pairs that the score puts in the right order; ties count half (Mann-Whitney U)."""
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    positives = int(positive.sum())
    negatives = len(positive) - positives
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def average(folds: Sequence[Metrics]) -> Metrics:
    """The mean over folds of each measure that every fold has."""
    shared = [name for name in folds[0] if all(name in fold for fold in folds)]
    return {name: float(np.mean([fold[name] for fold in folds])) for name in shared}


def average_each(folds: Sequence[Mapping[str, Metrics]]) -> dict[str, Metrics]:
    """`average` for each name that every fold has."""
    return {name: average([fold[name] for fold in folds]) for name in folds[0] if all(name in fold for fold in folds)}


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _finite(measured: Metrics) -> Metrics:
    return {name: value for name, value in measured.items() if math.isfinite(value)}
