"""Sums, moments and extremes of every run of `window` neighbours, each exact on its own.

A running sum that adds the new and subtracts the old value drifts: what it says today depends on every value it ever
held. Here the sum of a run is put together from sums of 1, 2, 4, 8, … neighbours (as in exponentiation by squaring),
so a result depends on the values of its run and on nothing else, bit for bit, at O(log window) array operations.
Moments are merged with the pairwise update of Chan, Golub and LeVeque (1979), which keeps the precision of the
two-pass formula.

All functions take float64 arrays of n values and return arrays of n - window + 1, one for each complete run.
"""

import math
from collections.abc import Callable

import numpy as np

from forecastle.features.functions.declare import Values

_ROUNDING = 8 * np.finfo(np.float64).eps


def sums(x: Values, window: int) -> Values:
    """Sum of each run."""
    count, covered, length = len(x) - window + 1, 0, 1
    run, total = x, None
    while True:
        if window & length:
            part = run[covered : covered + count]
            total = part if total is None else total + part
            covered += length
        if covered == window and total is not None:
            return total if window > 1 else total.copy()
        run = run[:-length] + run[length:]
        length *= 2


def means(x: Values, window: int) -> Values:
    """Mean of each run."""
    total = sums(x, window)
    total /= window
    return total


def lowest(x: Values, window: int) -> Values:
    """Least value of each run."""
    return _extremes(np.minimum, x, window)


def highest(x: Values, window: int) -> Values:
    """Greatest value of each run."""
    return _extremes(np.maximum, x, window)


def mean_and_deviation(x: Values, window: int, ddof: int = 1) -> tuple[Values, Values]:
    """Mean and standard deviation of each run; a deviation below the rounding of its mean is 0."""
    mean, deviation = _moments(x, window)
    mean /= window
    deviation /= max(window - ddof, 1)
    np.sqrt(deviation, out=deviation)
    noise = np.abs(mean)
    noise *= _ROUNDING
    deviation *= deviation > noise
    return mean, deviation


def co_moments(x: Values, y: Values, window: int) -> tuple[Values, Values, Values]:
    """Centred sums of squares of x and of y, and of their products, of each run."""
    count, covered, length = len(x) - window + 1, 0, 1
    run = [x, y, np.zeros(len(x)), np.zeros(len(x)), np.zeros(len(x))]
    total = [np.zeros(count) for _ in run]
    while True:
        if window & length:
            total = _merge(total, covered, [values[covered : covered + count] for values in run], length)
            covered += length
        if covered == window:
            return total[2], total[3], total[4]
        run = _merge([values[:-length] for values in run], length, [values[length:] for values in run], length)
        length *= 2


def accumulate(term: Callable[[Values, int], Values], x: Values, window: int) -> Values:
    """Sum over each run, oldest value first, of `term(values, place)`, where `values` has one value of every run."""
    count = len(x) - window + 1
    total = np.zeros(count)
    for place in range(window):
        total += term(x[place : place + count], place)
    return total


def _extremes(choose: np.ufunc, run: Values, window: int) -> Values:
    """A value may be looked at twice, so two overlapping runs of a power of two cover any other."""
    length = 1
    while 2 * length <= window:
        run = choose(run[:-length], run[length:])
        length *= 2
    rest = window - length
    widest: Values = choose(run[: len(run) - rest], run[rest:]) if rest else run
    return widest


def _moments(x: Values, window: int) -> tuple[Values, Values]:
    """Sum and centred sum of squares of each run."""
    count, covered, length = len(x) - window + 1, 0, 1
    run, run_squares = x, np.zeros(len(x))
    total, squares = np.zeros(count), np.zeros(count)
    while True:
        if window & length:
            part = run[covered : covered + count]
            if covered:
                between = _between(total, covered, part, length)
                between *= between
                squares += between
            squares += run_squares[covered : covered + count]
            total += part
            covered += length
        if covered == window:
            return total, squares
        step = run[length:] - run[:-length]
        step *= step
        step *= 0.5 / length
        if length > 1:
            step += run_squares[:-length]
            step += run_squares[length:]
        run, run_squares = run[:-length] + run[length:], step
        length *= 2


def _merge(a: list[Values], count_a: int, b: list[Values], count_b: int) -> list[Values]:
    """Sums of x and y, centred squares of x and y, and centred products, of two parts together."""
    merged = [left + right for left, right in zip(a, b, strict=True)]
    if count_a:
        dx = _between(a[0], count_a, b[0], count_b)
        dy = _between(a[1], count_a, b[1], count_b)
        merged[2] += dx * dx
        merged[3] += dy * dy
        merged[4] += dx * dy
    return merged


def _between(sum_a: Values, count_a: int, sum_b: Values, count_b: int) -> Values:
    """Difference of two means, scaled so that products of it are the sum of squares between the two parts."""
    scale = math.sqrt(count_a * count_b / (count_a + count_b))
    difference: Values = sum_b * (scale / count_b)
    difference -= sum_a * (scale / count_a)
    return difference
