"""The range of a bar."""

import math

import numpy as np

from forecastle.features.functions.declare import Count, Rows, Series, Values, local, position, row
from forecastle.features.functions.runs import Runs
from forecastle.features.functions.windows import Local

_OPEN, _HIGH, _LOW, _CLOSE = Series("open"), Series("high"), Series("low"), Series("close")


@row("ibs()", high=_HIGH, low=_LOW, close=_CLOSE)
def ibs(high: Values, low: Values, close: Values) -> Values:
    """Internal bar strength: where the close stands between the low (0) and the high (1) of its row."""
    return (close - low) / (high - low)


@position("true_range()", high=_HIGH, low=_LOW, close=_CLOSE)
def true_range(context: Rows, high: Values, low: Values, close: Values) -> Values:
    """Greatest of high - low, |high - previous close| and |low - previous close|, in units of the price."""
    earlier = context.back(close, 1)
    return np.maximum(high, earlier) - np.minimum(low, earlier)


@row("range_share()", high=_HIGH, low=_LOW, close=_CLOSE)
def range_share(high: Values, low: Values, close: Values) -> Values:
    """High less low as a share of the close."""
    return (high - low) / close


@row("body_share()", open=_OPEN, high=_HIGH, low=_LOW, close=_CLOSE)
def body_share(open: Values, high: Values, low: Values, close: Values) -> Values:  # noqa: A002 the column's name
    """Close less open as a share of high less low (-1 to 1)."""
    return (close - open) / (high - low)


@local("parkinson(20)", window=Count(20), high=_HIGH, low=_LOW)
def parkinson(window: int) -> Local:
    """Volatility per row of Parkinson (1980): sqrt(mean(ln(high / low)²) / (4 ln 2)) of the last `window` rows."""
    scale = 4.0 * math.log(2.0)

    def formula(high: Runs, low: Runs) -> Values:
        return np.sqrt(Runs(np.log(high.values / low.values) ** 2).means(window) / scale)

    return Local(window, formula)


@local("garman_klass(20)", window=Count(20), open=_OPEN, high=_HIGH, low=_LOW, close=_CLOSE)
def garman_klass(window: int) -> Local:
    """Volatility per row of Garman and Klass (1980) from open, high, low and close of the last `window` rows."""
    weight = 2.0 * math.log(2.0) - 1.0

    def formula(opened: Runs, high: Runs, low: Runs, close: Runs) -> Values:
        swing, body = np.log(high.values / low.values), np.log(close.values / opened.values)
        return np.sqrt(np.maximum(Runs(0.5 * swing**2 - weight * body**2).means(window), 0.0))

    return Local(window, formula)
