"""Momentum measured against the noise it came with."""

import math

import numpy as np

from forecastle.features.functions.declare import Count, Series, Values, local
from forecastle.features.functions.runs import Runs
from forecastle.features.functions.windows import Local


@local("momentum(close, 20)", x=Series("close"), window=Count(20, least=2))
def momentum(window: int) -> Local:
    """Return over `window` rows divided by the standard deviation of its one-row returns times sqrt(window)."""

    def formula(x: Runs) -> Values:
        change = x.values[window:] / x.values[:-window] - 1.0
        return change / (x.of(log_returns).deviations(window) * math.sqrt(window))

    return Local(window + 1, formula)


@local("volatility(close, 20)", x=Series("close"), window=Count(20, least=2))
def volatility(window: int) -> Local:
    """Standard deviation (n - 1) of the last `window` logarithmic one-row returns."""
    return Local(window + 1, lambda x: x.of(log_returns).deviations(window))


@local("efficiency(close, 10)", x=Series("close"), window=Count(10))
def efficiency(window: int) -> Local:
    """Efficiency ratio of Kaufman (0-1): net change over `window` rows divided by the sum of absolute changes."""

    def formula(x: Runs) -> Values:
        net: Values = np.abs(x.values[window:] - x.values[:-window])
        return net / x.of(_steps).sums(window)

    return Local(window + 1, formula)


def log_returns(x: Values) -> Values:
    """Logarithmic changes from each value to the next, one fewer than values; NaN where a value is not positive."""
    return np.diff(np.log(np.where(x > 0, x, np.nan)))


def _steps(x: Values) -> Values:
    return np.abs(np.diff(x))
