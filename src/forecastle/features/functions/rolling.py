"""Statistics of the last `window` observed values, this row included."""

from collections.abc import Callable

import numpy as np
import polars as pl

from forecastle.features.functions.declare import Count, Real, Series, Values, local, window
from forecastle.features.functions.runs import Runs, accumulate, co_moments
from forecastle.features.functions.windows import Local, evaluate, per_window, standardised

_LEAST = Count(0, least=0, optional=True)


@window("mean(close, 20)", x=Series(), window=Count(20), least=_LEAST)
def mean(x: Values, window: int, least: int) -> Values:
    """Mean of the last `window` values; with `least`, early rows use what there is once that many are there."""
    head = np.cumsum(x[: window - 1]) / np.arange(1, len(x[: window - 1]) + 1)
    return _with_head(Local.plain(Runs.means, window), x, head, least)


@window("sum(volume, 20)", x=Series(), window=Count(20), least=_LEAST)
def sum_(x: Values, window: int, least: int) -> Values:
    """Sum of the last `window` values; with `least`, early rows use what there is once that many are there."""
    return _with_head(Local(window, lambda x: x.sums(window)), x, np.cumsum(x[: window - 1]), least)


@local("std(close, 20)", x=Series(), window=Count(20, least=2))
def std(window: int) -> Local:
    """Standard deviation (n - 1) of the last `window` values."""
    return Local.plain(Runs.deviations, window)


@local("zscore(close, 20)", x=Series(), window=Count(20, least=2))
def zscore(window: int) -> Local:
    """How many standard deviations (n - 1) the value is above the mean of the last `window` values."""
    return standardised(window)


@local("lowest(low, 20)", x=Series(), window=Count(20))
def lowest(window: int) -> Local:
    """Least of the last `window` values."""
    return Local.plain(Runs.lowest, window)


@local("highest(high, 20)", x=Series(), window=Count(20))
def highest(window: int) -> Local:
    """Greatest of the last `window` values."""
    return Local.plain(Runs.highest, window)


@local("position_in_range(close, 20)", x=Series(), window=Count(20, least=2))
def position_in_range(window: int) -> Local:
    """Where the value stands between the least (0) and the greatest (1) of the last `window` values."""

    def formula(x: Runs) -> Values:
        low = x.lowest(window)
        return (x.values[window - 1 :] - low) / (x.highest(window) - low)

    return Local(window, formula)


@window("median(close, 20)", x=Series(), window=Count(20))
def median(x: Values, window: int) -> Values:
    """Median of the last `window` values."""
    return per_window(lambda view: np.median(view, axis=1), x, window)


@window("quantile(close, 0.9, 60)", x=Series(), share=Real(0.5, least=0, most=1), window=Count(20))
def quantile(x: Values, share: float, window: int) -> Values:
    """The quantile `share` of the last `window` values, interpolated linearly."""
    return per_window(lambda view: np.quantile(view, share, axis=1), x, window)


@window("rank(close, 60)", x=Series(), window=Count(20, least=2))
def rank(x: Values, window: int) -> Values:
    """Share of the other `window` - 1 values that are below this one, ties counted half."""

    def place(view: Values) -> Values:
        newest = view[:, -1:]
        below = (view < newest).sum(axis=1) + 0.5 * ((view == newest).sum(axis=1) - 1)
        return np.asarray(below / (window - 1), dtype=np.float64)

    return per_window(place, x, window)


@local("skew(close, 60)", x=Series(), window=Count(60, least=3))
def skew(window: int) -> Local:
    """Skewness of the last `window` values: third central moment over the cubed standard deviation (n)."""
    return Local(window, _standard_moment(window, 3))


@local("kurtosis(close, 60)", x=Series(), window=Count(60, least=4))
def kurtosis(window: int) -> Local:
    """Excess kurtosis of the last `window` values: fourth central moment over the squared variance (n), less 3."""
    moment = _standard_moment(window, 4)
    return Local(window, lambda x: moment(x) - 3.0)


@local("slope(close, 20)", x=Series(), window=Count(20, least=2))
def slope(window: int) -> Local:
    """Slope per row of the least-squares line through the last `window` values."""
    centre, scale = (window - 1) / 2, window * (window * window - 1.0) / 12.0

    def formula(x: Runs) -> Values:
        newest = x.values[window - 1 :]
        return accumulate(lambda values, place: (place - centre) * (values - newest), x.values, window) / scale

    return Local(window, formula)


@local("corr(close, volume, 60)", x=Series(), y=Series(), window=Count(60, least=2))
def corr(window: int) -> Local:
    """Pearson correlation of x and y over the last `window` rows where both are known."""

    def formula(x: Runs, y: Runs) -> Values:
        xx, yy, xy = co_moments(x.values, y.values, window)
        correlation: Values = np.clip(xy / (np.sqrt(xx) * np.sqrt(yy)), -1.0, 1.0)
        return correlation

    return Local(window, formula)


@local("cov(close, volume, 60)", x=Series(), y=Series(), window=Count(60, least=2))
def cov(window: int) -> Local:
    """Covariance (n - 1) of x and y over the last `window` rows where both are known."""
    return Local(window, lambda x, y: co_moments(x.values, y.values, window)[2] / (window - 1))


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


def _with_head(formula: Local, x: Values, head: Values, least: int) -> Values:
    values = evaluate([formula], [x])[0][0]
    if least:
        values[least - 1 : len(head)] = head[least - 1 :]
    return values


def _standard_moment(window: int, power: int) -> Callable[[Runs], Values]:
    def formula(x: Runs) -> Values:
        average, spread = x.means(window), x.deviations(window, ddof=0)
        total = accumulate(lambda values, _: (values - average) ** power, x.values, window)
        return total / window / spread**power

    return formula
