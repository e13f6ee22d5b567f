"""Values of earlier rows. A gap counts as a row: a lag that falls on a missing value is missing."""

import numpy as np

from forecastle.features.functions.declare import Count, Rows, Series, Values, position


@position("lag(close, 1)", past=True, passes_kind=True, x=Series(accepts="any"), rows=Count(1))
def lag(context: Rows, x: Values, rows: int) -> Values:
    """The value `rows` rows before; rows of the same group and time count as this row."""
    return context.back(x, rows)


@position("before(mean(goals, 5))", past=True, passes_kind=True, x=Series(accepts="any"))
def before(context: Rows, x: Values) -> Values:
    """The last known value strictly before this row's time."""
    return context.last_before(x)


@position("diff(close, 1)", x=Series(), rows=Count(1))
def diff(context: Rows, x: Values, rows: int) -> Values:
    """The value less the value `rows` rows before."""
    return context.against(np.subtract, x, rows)
