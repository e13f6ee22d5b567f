"""The functions of the expression language, one module a family."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType, ModuleType

from forecastle.features.functions import (
    calendar,
    context,
    indicators,
    lags,
    maths,
    momentum,
    ranges,
    regimes,
    returns,
    rolling,
    volume,
)
from forecastle.features.functions.declare import Function

FAMILIES = (returns, lags, rolling, indicators, volume, ranges, momentum, calendar, context, regimes, maths)


def _declared(module: ModuleType) -> Iterator[Function]:
    for value in vars(module).values():
        if isinstance(value, Function):
            yield value
        elif isinstance(value, tuple):
            yield from (item for item in value if isinstance(item, Function))


CATALOGUE: Mapping[str, Function] = MappingProxyType(
    {function.name: function for module in FAMILIES for function in _declared(module)}
)
ALIASES: Mapping[str, str] = MappingProxyType({"if": "where", "macd_line": "macd", "pct_change": "ret"})
