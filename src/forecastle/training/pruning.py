"""Leaving out features that say nothing of the target by themselves, judged on the rows of a training window only."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from forecastle.training.arrays import Floats
from forecastle.training.preprocess import Categories


def prune(
    matrix: Floats,
    target: Floats,
    categories: Sequence[Categories | None],
    *,
    order: Sequence[int],
    threshold: float,
    classes: bool,
) -> list[int]:
    """The features, by column of the matrix, whose univariate F-test has p < threshold; the best one at least.

    A number is tested by the correlation with the values, or by the analysis of variance between classes. A category is
    tested level by level, as a 0/1 column; its p is the least of these times their number (Bonferroni).

    Args:
        matrix: [N, F] input matrix; missing numbers, NaN, are left out of their test.
        target: [N] values or class codes.
        categories: of each column, None for a number.
        order: columns to choose from; the answer keeps it.
        threshold: least p that leaves a feature out.
        classes: whether the target is of classes.
    """
    chances = {column: _chance(matrix[:, column], target, categories[column], classes=classes) for column in order}
    kept = [column for column in order if chances[column] < threshold]
    return kept or [min(order, key=chances.__getitem__)]


def _chance(values: Floats, target: Floats, levels: Categories | None, *, classes: bool) -> float:
    """The probability of so strong a relation where there is none; infinity for a category without levels."""
    test = _between_classes if classes else _along_values
    tested = [test(column[there], target[there]) for column, there in _columns(values, levels)]
    return min(1.0, min(tested) * len(tested)) if tested else math.inf


def _columns(values: Floats, levels: Categories | None) -> Iterator[tuple[Floats, Floats]]:
    """Numbers, or a 0/1 column for each level, with the rows where there is a value."""
    if levels is None:
        yield values, np.isfinite(values)
        return
    for code in range(len(levels)):
        yield (values == code).astype(np.float64), np.ones(len(values), dtype=bool)


def _along_values(values: Floats, target: Floats) -> float:
    """F = r² (n - 2) / (1 - r²), r the correlation."""
    rows = len(values)
    if rows < 3 or _is_constant(values) or _is_constant(target):
        return 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        one, other = _centred(values), _centred(target)
        share = float((one * other).sum() ** 2 / ((one * one).sum() * (other * other).sum()))
    return _survival(share, 1, rows - 2)


def _between_classes(values: Floats, target: Floats) -> float:
    """F of the variance between the means of classes over that within them (Fisher, 1925)."""
    codes = np.unique(target, return_inverse=True)[1]
    counts = np.bincount(codes)
    rows, groups = len(values), len(counts)
    if groups < 2 or rows <= groups or _is_constant(values):
        return 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        centred = _centred(values)
        between = float((np.bincount(codes, centred) ** 2 / counts).sum())
        share = between / float((centred * centred).sum())
    return _survival(share, groups - 1, rows - groups)


def _survival(share: float, over: int, under: int) -> float:
    """P(F > f) of what explains a share of the variance: the regularised incomplete beta function of what is left."""
    from scipy.special import betainc  # noqa: PLC0415 - loaded by trainings that prune, not by every worker

    if not np.isfinite(share):
        return 1.0
    return float(betainc(under / 2, over / 2, min(max(1.0 - share, 0.0), 1.0)))


def _centred(values: Floats) -> Floats:
    centred: Floats = values - values.mean()
    centred /= np.abs(centred).max()
    return centred


def _is_constant(values: Floats) -> bool:
    return bool(values.min() == values.max())
