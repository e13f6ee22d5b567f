"""Arithmetic and logic, element by element. A missing argument makes the result missing unless said otherwise."""

from functools import reduce

import numpy as np

from forecastle.features.functions.declare import Real, Series, Values, row


@row("abs(ret(close, 1))", x=Series())
def abs_(x: Values) -> Values:
    """Absolute value."""
    return np.abs(x)


@row("log(volume)", x=Series())
def log(x: Values) -> Values:
    """Natural logarithm; missing unless positive."""
    return np.log(x)


@row("log1p(volume)", x=Series())
def log1p(x: Values) -> Values:
    """Natural logarithm of 1 + x; missing unless x is above -1."""
    return np.log1p(x)


@row("sqrt(volume)", x=Series())
def sqrt(x: Values) -> Values:
    """Square root; missing when negative."""
    return np.sqrt(x)


@row("sign(ret(close, 1))", x=Series())
def sign(x: Values) -> Values:
    """-1, 0 or 1."""
    return np.sign(x)


@row("exp(ret(close, 1))", x=Series())
def exp(x: Values) -> Values:
    """Exponential; missing when too large for a number."""
    return np.exp(x)


@row("pow(close, 2)", x=Series(), power=Real(2.0, least=-100, most=100))
def pow_(x: Values, power: float) -> Values:
    """`x` to the power `power`; missing where that is not a finite real number."""
    return np.power(x, power)


@row("clip(ret(close, 1), -0.1, 0.1)", x=Series(), least=Real(), most=Real())
def clip(x: Values, least: float, most: float) -> Values:
    """The value moved into the range from `least` to `most`."""
    return np.minimum(np.maximum(x, least), most)


@row("min(open, close)", x=Series(), others=Series(variadic=True))
def min_(*values: Values) -> Values:
    """Least of its arguments in this row (`lowest` is that of the last rows)."""
    return reduce(np.minimum, values)


@row("max(open, close)", x=Series(), others=Series(variadic=True))
def max_(*values: Values) -> Values:
    """Greatest of its arguments in this row (`highest` is that of the last rows)."""
    return reduce(np.maximum, values)


@row("where(close > open, volume, 0)", condition=Series(), then=Series(), otherwise=Series())
def where(condition: Values, then: Values, otherwise: Values) -> Values:
    """`then` where the condition is not 0, else `otherwise`; missing where the condition is."""
    return np.where(np.isnan(condition), np.nan, np.where(condition != 0, then, otherwise))


@row("isnull(volume)", x=Series(accepts="any"))
def isnull(x: Values) -> Values:
    """1 where the value is missing, else 0."""
    return np.isnan(x).astype(np.float64)


@row("coalesce(volume, 0)", x=Series(), others=Series(variadic=True))
def coalesce(*values: Values) -> Values:
    """The first of its arguments that is not missing."""
    result = values[0]
    for other in values[1:]:
        result = np.where(np.isnan(result), other, result)
    return result


@row("and(close > open, volume > 0)", x=Series(), others=Series(variadic=True))
def and_(*values: Values) -> Values:
    """1 where every argument is not 0, else 0."""
    return reduce(np.minimum, map(_truth, values))


@row("or(close > open, volume > 0)", x=Series(), others=Series(variadic=True))
def or_(*values: Values) -> Values:
    """1 where any argument is not 0, else 0."""
    return reduce(np.maximum, map(_truth, values))


@row("not(close > open)", x=Series())
def not_(x: Values) -> Values:
    """1 where the argument is 0, else 0."""
    return 1.0 - _truth(x)


def _truth(x: Values) -> Values:
    """1 where not 0, 0 where 0, NaN where missing."""
    return np.where(np.isnan(x), np.nan, (x != 0).astype(np.float64))
