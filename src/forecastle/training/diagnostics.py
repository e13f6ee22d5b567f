"""What predictions look like beside the truth, from arrays to a few numbers. Pure NumPy."""

from collections.abc import Iterable, Sequence

import numpy as np

from forecastle.registry.diagnostics import QUANTILES, Band, Histogram, Reliability, Residuals
from forecastle.training.arrays import Floats, Integers

BINS = 31
TAIL = 0.005
"""Share of the residuals on either side that the histogram puts into its outermost bins."""
BANDS = 10
SCATTER = 300
MAX_FOLDS = 200
DIGITS = 9
TOO_LARGE = 1e300
"""What adds up to more is not averaged."""
POSITIVE = 1
"""Code of the class that a model of two classes is about."""


def residuals(folds: Sequence[tuple[Floats, Floats]]) -> Residuals | None:
    """Of a regression, from the truth and the predictions [N] of each fold's test rows; None if they are too large."""
    truth, predicted = (np.concatenate(parts) for parts in zip(*folds, strict=True))
    if max(np.abs(truth).max(), np.abs(predicted).max()) > TOO_LARGE / len(truth):
        return None
    each = [observed - forecast for observed, forecast in folds]
    return Residuals(
        quantiles=_quantiles(np.concatenate(each)),
        folds=tuple(_quantiles(found) for found in each[-MAX_FOLDS:]),
        histogram=histogram(np.concatenate(each)),
        bands=_bands(np.array_split(np.argsort(predicted, kind="stable"), BANDS), predicted, truth),
        scatter=_scatter(predicted, truth),
    )


def reliability(folds: Sequence[tuple[Integers, Floats]], classes: Sequence[str]) -> Reliability:
    """Of a classification, from the class codes [N] and probabilities [N, K] of each fold's test rows.

    Of two classes it is the probability of the second; of more, that of the class predicted.
    """
    codes, probabilities = (np.concatenate(parts) for parts in zip(*folds, strict=True))
    said = np.full(len(codes), POSITIVE) if len(classes) == 2 else probabilities.argmax(axis=1)
    probability = probabilities[np.arange(len(codes)), said]
    tenth = np.minimum((probability * BANDS).astype(np.int64), BANDS - 1)
    groups = [np.flatnonzero(tenth == band) for band in range(BANDS)]
    bands = _bands(groups, probability, (codes == said).astype(np.float64))
    return Reliability(classes[POSITIVE] if len(classes) == 2 else None, bands)


def histogram(values: Floats) -> Histogram:
    """Of values [N], in bins of one width; one bin if they are all the same."""
    low, high = np.quantile(values, [TAIL, 1.0 - TAIL])
    if not high > low:
        low, high = values.min(), values.max()
    if not high > low:
        return Histogram((_short(low), _short(low)), (len(values),))
    edges = np.linspace(low, high, BINS + 1)
    counts, _ = np.histogram(np.clip(values, low, high), edges)
    return Histogram(short(edges), tuple(counts.tolist()))


def short(values: Iterable[float]) -> tuple[float, ...]:
    """The numbers with as many digits as a picture can show."""
    return tuple(map(_short, values))


def _quantiles(values: Floats) -> tuple[float, ...]:
    return short(np.quantile(values, QUANTILES))


def _bands(groups: Iterable[Integers], predicted: Floats, observed: Floats) -> tuple[Band, ...]:
    return tuple(
        Band(_short(predicted[rows].mean()), _short(observed[rows].mean()), len(rows)) for rows in groups if len(rows)
    )


def _scatter(predicted: Floats, truth: Floats) -> tuple[tuple[float, float], ...]:
    rows = np.unique(np.linspace(0, len(truth) - 1, SCATTER).astype(np.int64))
    return tuple(zip(short(predicted[rows]), short(truth[rows]), strict=True))


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
