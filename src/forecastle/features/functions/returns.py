"""Changes relative to an earlier row."""

import numpy as np

from forecastle.features.functions.declare import Count, Rows, Series, Values, position


@position("ret(close, 1)", x=Series("close"), rows=Count(1))
def ret(context: Rows, x: Values, rows: int) -> Values:
    """Simple return over `rows` rows: x / x[-rows] - 1."""
    change = context.against(np.divide, x, rows)
    change -= 1.0
    return change


@position("logret(close, 1)", x=Series("close"), rows=Count(1))
def logret(context: Rows, x: Values, rows: int) -> Values:
    """Logarithmic return over `rows` rows: ln(x / x[-rows]); missing unless both are positive."""
    growth = context.against(np.divide, x, rows)
    growth[x <= 0] = np.nan  # of two negative prices the quotient is positive
    return np.log(growth, out=growth)


@position("gap()", open=Series("open"), close=Series("close"))
def gap(context: Rows, open: Values, close: Values) -> Values:  # noqa: A002 the column's name is the parameter's
    """Overnight gap: open over the previous row's close, less 1."""
    return open / context.back(close, 1) - 1.0
