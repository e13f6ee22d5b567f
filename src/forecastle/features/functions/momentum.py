"""Momentum measured against the noise it came with."""

import math

import numpy as np

from forecastle.features.functions import runs, windows
from forecastle.features.functions.declare import Count, Series, Values, window


@window("momentum(close, 20)", x=Series("close"), window=Count(20, least=2))
def momentum(x: Values, window: int) -> Values:
    """Return over `window` rows divided by the standard deviation of its one-row returns times sqrt(window)."""

    def kernel(x: Values) -> Values:
        deviation = runs.mean_and_deviation(log_returns(x), window)[1]
        return (x[window:] / x[:-window] - 1.0) / (deviation * math.sqrt(window))

    return windows.in_blocks(kernel, window + 1, x)


@window("volatility(close, 20)", x=Series("close"), window=Count(20, least=2))
def volatility(x: Values, window: int) -> Values:
    """Standard deviation (n - 1) of the last `window` logarithmic one-row returns."""
    return windows.in_blocks(lambda x: runs.mean_and_deviation(log_returns(x), window)[1], window + 1, x)


@window("efficiency(close, 10)", x=Series("close"), window=Count(10))
def efficiency(x: Values, window: int) -> Values:
    """Efficiency ratio of Kaufman (0-1): net change over `window` rows divided by the sum of absolute changes."""

    def kernel(x: Values) -> Values:
        path = runs.sums(np.abs(np.diff(x)), window)
        net: Values = np.abs(x[window:] - x[:-window])
        return net / path

    return windows.in_blocks(kernel, window + 1, x)


def log_returns(x: Values) -> Values:
    """Logarithmic changes from each value to the next, one fewer than values; NaN where a value is not positive."""
    return np.diff(np.log(np.where(x > 0, x, np.nan)))
