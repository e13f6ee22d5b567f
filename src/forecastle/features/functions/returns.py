"""Changes relative to an earlier row."""

import numpy as np

from forecastle.features.functions.declare import Count, Rows, Series, Values, position


@position("ret(close, 1)", x=Series("close"), rows=Count(1))
def ret(context: Rows, x: Values, rows: int) -> Values:
    """Simple return over `rows` rows: x / x[-rows] - 1."""
    earlier = context.back(x, rows)
    change = np.divide(x, earlier, out=earlier)
    change -= 1.0
    return change


@position("logret(close, 1)", x=Series("close"), rows=Count(1))
def logret(context: Rows, x: Values, rows: int) -> Values:
    """Logarithmic return over `rows` rows: ln(x / x[-rows]); missing unless both are positive."""
    earlier = context.back(x, rows)
    positive = (x > 0) & (earlier > 0)
    growth = np.divide(x, earlier, out=earlier)
    growth[~positive] = np.nan
    return np.log(growth, out=growth)


@position("gap()", open=Series("open"), close=Series("close"))
def gap(context: Rows, open: Values, close: Values) -> Values:  # noqa: A002 the column's name is the parameter's
    """Overnight gap: open over the previous row's close, less 1."""
    return open / context.back(close, 1) - 1.0
