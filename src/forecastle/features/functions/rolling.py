"""Statistics of the last `window` observed values, this row included."""

import numpy as np
import polars as pl

from forecastle.features.functions import runs, windows
from forecastle.features.functions.declare import Count, Real, Series, Values, window

_LEAST = Count(0, least=0, optional=True)


@window("mean(close, 20)", x=Series(), window=Count(20), least=_LEAST)
def mean(x: Values, window: int, least: int) -> Values:
    """Mean of the last `window` values; with `least`, early rows use what there is once that many are there."""
    head = np.cumsum(x[: window - 1]) / np.arange(1, len(x[: window - 1]) + 1)
    return _with_head(windows.means(x, window), head, least)


@window("sum(volume, 20)", x=Series(), window=Count(20), least=_LEAST)
def sum_(x: Values, window: int, least: int) -> Values:
    """Sum of the last `window` values; with `least`, early rows use what there is once that many are there."""
    return _with_head(windows.sums(x, window), np.cumsum(x[: window - 1]), least)


@window("std(close, 20)", x=Series(), window=Count(20, least=2))
def std(x: Values, window: int) -> Values:
    """Standard deviation (n - 1) of the last `window` values."""
    return windows.deviations(x, window)


@window("zscore(close, 20)", x=Series(), window=Count(20, least=2))
def zscore(x: Values, window: int) -> Values:
    """How many standard deviations (n - 1) the value is above the mean of the last `window` values."""
    return windows.standardised(x, window)


@window("lowest(low, 20)", x=Series(), window=Count(20))
def lowest(x: Values, window: int) -> Values:
    """Least of the last `window` values."""
    return windows.lowest(x, window)


@window("highest(high, 20)", x=Series(), window=Count(20))
def highest(x: Values, window: int) -> Values:
    """Greatest of the last `window` values."""
    return windows.highest(x, window)


@window("position_in_range(close, 20)", x=Series(), window=Count(20, least=2))
def position_in_range(x: Values, window: int) -> Values:
    """Where the value stands between the least (0) and the greatest (1) of the last `window` values."""

    def kernel(x: Values) -> Values:
        low = runs.lowest(x, window)
        return (x[window - 1 :] - low) / (runs.highest(x, window) - low)

    return windows.in_blocks(kernel, window, x)


@window("median(close, 20)", x=Series(), window=Count(20))
def median(x: Values, window: int) -> Values:
    """Median of the last `window` values."""
    return windows.per_window(lambda view: np.median(view, axis=1), x, window)


@window("quantile(close, 0.9, 60)", x=Series(), share=Real(0.5, least=0, most=1), window=Count(20))
def quantile(x: Values, share: float, window: int) -> Values:
    """The quantile `share` of the last `window` values, interpolated linearly."""
    return windows.per_window(lambda view: np.quantile(view, share, axis=1), x, window)


@window("rank(close, 60)", x=Series(), window=Count(20, least=2))
def rank(x: Values, window: int) -> Values:
    """Share of the other `window` - 1 values that are below this one, ties counted half."""

    def place(view: Values) -> Values:
        newest = view[:, -1:]
        below = (view < newest).sum(axis=1) + 0.5 * ((view == newest).sum(axis=1) - 1)
        return np.asarray(below / (window - 1), dtype=np.float64)

    return windows.per_window(place, x, window)


@window("skew(close, 60)", x=Series(), window=Count(60, least=3))
def skew(x: Values, window: int) -> Values:
    """Skewness of the last `window` values: third central moment over the cubed standard deviation (n)."""
    return _standard_moment(x, window, 3)


@window("kurtosis(close, 60)", x=Series(), window=Count(60, least=4))
def kurtosis(x: Values, window: int) -> Values:
    """Excess kurtosis of the last `window` values: fourth central moment over the squared variance (n), less 3."""
    return _standard_moment(x, window, 4) - 3.0


@window("slope(close, 20)", x=Series(), window=Count(20, least=2))
def slope(x: Values, window: int) -> Values:
    """Slope per row of the least-squares line through the last `window` values."""
    centre, scale = (window - 1) / 2, window * (window * window - 1.0) / 12.0

    def kernel(x: Values) -> Values:
        newest = x[window - 1 :]
        return runs.accumulate(lambda values, place: (place - centre) * (values - newest), x, window) / scale

    return windows.in_blocks(kernel, window, x)


@window("corr(close, volume, 60)", x=Series(), y=Series(), window=Count(60, least=2))
def corr(x: Values, y: Values, window: int) -> Values:
    """Pearson correlation of x and y over the last `window` rows where both are known."""

    def kernel(x: Values, y: Values) -> Values:
        xx, yy, xy = runs.co_moments(x, y, window)
        correlation: Values = np.clip(xy / (np.sqrt(xx) * np.sqrt(yy)), -1.0, 1.0)
        return correlation

    return windows.in_blocks(kernel, window, x, y)


@window("cov(close, volume, 60)", x=Series(), y=Series(), window=Count(60, least=2))
def cov(x: Values, y: Values, window: int) -> Values:
    """Covariance (n - 1) of x and y over the last `window` rows where both are known."""
    return windows.in_blocks(lambda x, y: runs.co_moments(x, y, window)[2] / (window - 1), window, x, y)


@window("ewm(close, 5)", x=Series(), span=Count(20))
def ewm(x: Values, span: int) -> Values:
    """Exponentially weighted mean with weight 2 / (span + 1), from the first value on (no warm-up)."""
    return pl.Series(x).ewm_mean(span=span, adjust=False).to_numpy()


@window("count(close)", x=Series())
def count(x: Values) -> Values:
    """How many values were observed so far, this row included."""
    return np.arange(1.0, len(x) + 1.0)


@window("cumulative(volume)", x=Series())
def cumulative(x: Values) -> Values:
    """Sum of every value observed so far, this row included."""
    return np.cumsum(x)


@window("streak(close > lag(close, 1))", x=Series())
def streak(x: Values) -> Values:
    """How many observed values in a row, this one included, are not 0."""
    at = np.arange(1, len(x) + 1)
    return (at - np.maximum.accumulate(np.where(x == 0, at, 0))).astype(np.float64)


def _with_head(values: Values, head: Values, least: int) -> Values:
    if least:
        values[least - 1 : len(head)] = head[least - 1 :]
    return values


def _standard_moment(x: Values, window: int, power: int) -> Values:
    def kernel(x: Values) -> Values:
        average, spread = runs.mean_and_deviation(x, window, ddof=0)
        total = runs.accumulate(lambda values, _: (values - average) ** power, x, window)
        return total / window / spread**power

    return windows.in_blocks(kernel, window, x)
