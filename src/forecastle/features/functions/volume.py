"""Traded volume and what it says about the price."""

import numpy as np

from forecastle.features.functions.declare import Count, Series, Values, local, window
from forecastle.features.functions.runs import Runs
from forecastle.features.functions.unlocked import indicator
from forecastle.features.functions.windows import Local, change, standardised

_HIGH, _LOW, _CLOSE, _VOLUME = Series("high"), Series("low"), Series("close"), Series("volume")


@window("obv()", close=_CLOSE, volume=_VOLUME)
def obv(close: Values, volume: Values) -> Values:
    """On-balance volume: volume added on rows where the close rose, subtracted where it fell, since the first row."""
    return indicator("OBV", [close, volume])


@window("ad()", high=_HIGH, low=_LOW, close=_CLOSE, volume=_VOLUME)
def ad(high: Values, low: Values, close: Values, volume: Values) -> Values:
    """Accumulation/distribution line: volume weighted by the close's place in the row's range, since the first row."""
    return np.cumsum(_money_flow(high, low, close) * volume)


@window("adosc()", fast=Count(3, least=2), slow=Count(10, least=2), high=_HIGH, low=_LOW, close=_CLOSE, volume=_VOLUME)
def adosc(fast: int, slow: int, high: Values, low: Values, close: Values, volume: Values) -> Values:
    """Chaikin oscillator: fast less slow exponential moving average of the accumulation/distribution line."""
    return indicator("ADOSC", [high, low, close, volume], fast, slow)


@local("vwap_distance(20)", window=Count(20), high=_HIGH, low=_LOW, close=_CLOSE, volume=_VOLUME)
def vwap_distance(window: int) -> Local:
    """Close over the volume-weighted mean of the typical price of the last `window` rows, less 1."""

    def formula(high: Runs, low: Runs, close: Runs, volume: Runs) -> Values:
        typical = (high.values + low.values + close.values) / 3.0
        average = Runs(typical * volume.values).sums(window) / volume.sums(window)
        return close.values[window - 1 :] / average - 1.0

    return Local(window, formula)


@local("volume_zscore(20)", window=Count(20, least=2), volume=_VOLUME)
def volume_zscore(window: int) -> Local:
    """How many standard deviations (n - 1) the volume is above the mean of the last `window` rows."""
    return standardised(window)


@local("volume_change(1)", window=Count(1), volume=_VOLUME)
def volume_change(window: int) -> Local:
    """Volume over the volume `window` observed rows before, less 1."""
    return change(window)


@local("amihud(20)", window=Count(20), close=_CLOSE, volume=_VOLUME)
def amihud(window: int) -> Local:
    """Illiquidity of Amihud (2002): mean of |return| over traded value, times 1,000,000, of the last `window` rows.

    Rows without volume have no part in the mean; it is missing when no row of the window has any.
    """

    def formula(closes: Runs, volumes: Runs) -> Values:
        close, volume = closes.values, volumes.values
        impact = 1e6 * np.abs(close[1:] / close[:-1] - 1.0) / (close[1:] * volume[1:])
        known = np.isfinite(impact)
        return Runs(np.where(known, impact, 0.0)).sums(window) / Runs(known.astype(np.float64)).sums(window)

    return Local(window + 1, formula)


@local("intraday_intensity(20)", window=Count(20), high=_HIGH, low=_LOW, close=_CLOSE, volume=_VOLUME)
def intraday_intensity(window: int) -> Local:
    """Bostian's intensity: volume weighted by the close's place in the range (-1 to 1), over volume, `window` rows."""

    def formula(high: Runs, low: Runs, close: Runs, volume: Runs) -> Values:
        flow = _money_flow(high.values, low.values, close.values) * volume.values
        return Runs(flow).sums(window) / volume.sums(window)

    return Local(window, formula)


def _money_flow(high: Values, low: Values, close: Values) -> Values:
    return np.where(high > low, ((close - low) - (high - close)) / (high - low), 0.0)
