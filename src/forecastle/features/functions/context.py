"""A series against another one, usually a context series joined on time such as `close_SPY`."""

from forecastle.features.functions.declare import Count, Series, Values, local
from forecastle.features.functions.momentum import log_returns
from forecastle.features.functions.runs import Runs, co_moments
from forecastle.features.functions.windows import Local

_ROWS_A_YEAR = 252


@local("beta(close, close_SPY, 60)", x=Series(), benchmark=Series(), window=Count(60, least=2))
def beta(window: int) -> Local:
    """Slope of the one-row returns of x on those of the benchmark over the last `window` returns."""
    return Local(window + 1, lambda x, benchmark: _slope(x.of(_returns), benchmark.of(_returns), window))


@local("residual_return(close, close_SPY, 60)", x=Series(), benchmark=Series(), window=Count(60, least=2))
def residual_return(window: int) -> Local:
    """One-row return of x less beta times that of the benchmark, with beta over the last `window` returns."""

    def formula(x: Runs, benchmark: Runs) -> Values:
        own, other = x.of(_returns), benchmark.of(_returns)
        return own.values[window - 1 :] - _slope(own, other, window) * other.values[window - 1 :]

    return Local(window + 1, formula)


@local("relative_strength(close, close_SPY, 20)", x=Series(), benchmark=Series(), window=Count(20))
def relative_strength(window: int) -> Local:
    """Growth of x over `window` rows divided by that of the benchmark, less 1."""

    def formula(x: Runs, benchmark: Runs) -> Values:
        strength = x.values / benchmark.values
        return strength[window:] / strength[:-window] - 1.0

    return Local(window + 1, formula)


@local(
    "variance_risk_premium(close, close_VIX, 21)",
    x=Series(),
    implied=Series(),
    window=Count(21),
    rows_a_year=Count(_ROWS_A_YEAR, most=1_000_000),
)
def variance_risk_premium(window: int, rows_a_year: int) -> Local:
    """Implied less realised annual variance: (implied / 100)² - rows_a_year · mean(log return²) of `window` rows."""

    def formula(x: Runs, implied: Runs) -> Values:
        realised = Runs(x.of(log_returns).values ** 2).means(window) * rows_a_year
        return (implied.values[window:] / 100.0) ** 2 - realised

    return Local(window + 1, formula)


def _returns(x: Values) -> Values:
    return x[1:] / x[:-1] - 1.0


def _slope(x: Runs, benchmark: Runs, window: int) -> Values:
    """Of each run of `window`."""
    _, squares, products = co_moments(x.values, benchmark.values, window)
    return products / squares
