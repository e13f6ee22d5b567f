"""A series against another one, usually a context series joined on time such as `close_SPY`."""

from forecastle.features.functions import runs, windows
from forecastle.features.functions.declare import Count, Series, Values, window
from forecastle.features.functions.momentum import log_returns

_ROWS_A_YEAR = 252


@window("beta(close, close_SPY, 60)", x=Series(), benchmark=Series(), window=Count(60, least=2))
def beta(x: Values, benchmark: Values, window: int) -> Values:
    """Slope of the one-row returns of x on those of the benchmark over the last `window` returns."""
    return windows.in_blocks(
        lambda x, benchmark: _slope(_returns(x), _returns(benchmark), window), window + 1, x, benchmark
    )


@window("residual_return(close, close_SPY, 60)", x=Series(), benchmark=Series(), window=Count(60, least=2))
def residual_return(x: Values, benchmark: Values, window: int) -> Values:
    """One-row return of x less beta times that of the benchmark, with beta over the last `window` returns."""

    def kernel(x: Values, benchmark: Values) -> Values:
        own, other = _returns(x), _returns(benchmark)
        return own[window - 1 :] - _slope(own, other, window) * other[window - 1 :]

    return windows.in_blocks(kernel, window + 1, x, benchmark)


@window("relative_strength(close, close_SPY, 20)", x=Series(), benchmark=Series(), window=Count(20))
def relative_strength(x: Values, benchmark: Values, window: int) -> Values:
    """Growth of x over `window` rows divided by that of the benchmark, less 1."""

    def kernel(x: Values, benchmark: Values) -> Values:
        strength = x / benchmark
        return strength[window:] / strength[:-window] - 1.0

    return windows.in_blocks(kernel, window + 1, x, benchmark)


@window(
    "variance_risk_premium(close, close_VIX, 21)",
    x=Series(),
    implied=Series(),
    window=Count(21),
    rows_a_year=Count(_ROWS_A_YEAR, most=1_000_000),
)
def variance_risk_premium(x: Values, implied: Values, window: int, rows_a_year: int) -> Values:
    """Implied less realised annual variance: (implied / 100)² - rows_a_year · mean(log return²) of `window` rows."""

    def kernel(x: Values, implied: Values) -> Values:
        realised = runs.means(log_returns(x) ** 2, window) * rows_a_year
        return (implied[window:] / 100.0) ** 2 - realised

    return windows.in_blocks(kernel, window + 1, x, implied)


def _returns(x: Values) -> Values:
    return x[1:] / x[:-1] - 1.0


def _slope(x: Values, benchmark: Values, window: int) -> Values:
    """Of each run of `window`."""
    _, squares, products = runs.co_moments(x, benchmark, window)
    return products / squares
