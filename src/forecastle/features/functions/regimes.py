"""States of the market that a series is in."""

import numpy as np

from forecastle.features.functions import mixture
from forecastle.features.functions.declare import Count, Series, State, Values, fitted, local
from forecastle.features.functions.momentum import log_returns
from forecastle.features.functions.runs import Runs
from forecastle.features.functions.windows import Local


@local("sma_distance(close, 200)", x=Series("close"), window=Count(200))
def sma_distance(window: int) -> Local:
    """Value over its simple moving average of `window` values, less 1."""
    return Local(window, lambda x: x.values[window - 1 :] / x.means(window) - 1.0)


@local(
    "regime(close, 50, 20, 252)",
    x=Series("close"),
    trend=Count(50),
    volatility=Count(20, least=2),
    reference=Count(252, least=2),
)
def regime(trend: int, volatility: int, reference: int) -> Local:
    """Trend times volatility, 0-3: 0 falling and calm, 1 falling and wild, 2 rising and calm, 3 rising and wild.

    Rising: above the simple moving average of `trend` values. Wild: the standard deviation of the last `volatility`
    logarithmic returns is above its own mean of the last `reference` values.
    """
    reach = max(trend, volatility + reference)

    def formula(x: Runs) -> Values:
        count = len(x.values) - reach + 1
        rise = (x.values[trend - 1 :] - x.means(trend))[-count:]
        noise = Runs(x.of(log_returns).deviations(volatility))
        excess = (noise.values[reference - 1 :] - noise.means(reference))[-count:]
        return np.where(np.isnan(rise + excess), np.nan, 2.0 * (rise > 0) + (excess > 0))

    return Local(reach, formula)


@fitted("mixture(std(ret(close, 1), 20))", mixture.fit, x=Series())
def mixture_(state: State, x: Values) -> Values:
    """Cluster of a two-Gaussian mixture fitted on the training rows: 1 is the one with the greater mean, else 0."""
    return _label(mixture.upper_probability(state, x))


@fitted("mixture_probability(std(ret(close, 1), 20))", mixture.fit, x=Series())
def mixture_probability(state: State, x: Values) -> Values:
    """Probability of the upper cluster of a two-Gaussian mixture fitted on the training rows."""
    return mixture.upper_probability(state, x)


@fitted("mixture2(std(ret(close, 1), 20), ret(close, 20))", mixture.fit, x=Series(), y=Series())
def mixture2(state: State, x: Values, y: Values) -> Values:
    """Cluster of a two-Gaussian mixture of x and y fitted on the training rows: 1 is the one with the greater x."""
    return _label(mixture.upper_probability(state, x, y))


@fitted("mixture2_probability(std(ret(close, 1), 20), ret(close, 20))", mixture.fit, x=Series(), y=Series())
def mixture2_probability(state: State, x: Values, y: Values) -> Values:
    """Probability of the upper cluster of a two-Gaussian mixture of x and y fitted on the training rows."""
    return mixture.upper_probability(state, x, y)


def _label(probability: Values) -> Values:
    return np.where(np.isnan(probability), np.nan, np.where(probability > 0.5, 1.0, 0.0))
