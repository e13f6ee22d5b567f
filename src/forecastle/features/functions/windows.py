"""Computes what depends on the last values only, in blocks that stay in the processor's cache."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from forecastle.features.functions.declare import Values
from forecastle.features.functions.presence import Presence, settled
from forecastle.features.functions.runs import Runs, Scratch

_BLOCK = 16_384
_SMALL = 4_096
"""A series so short that NumPy's own memory is at hand as fast."""


@dataclass(frozen=True, slots=True)
class Local:
    """A formula whose result at a place depends on the `reach` values that end there, and on nothing else.

    `formula` maps pieces of m + reach - 1 values, one of each series, to an array of m.
    """

    reach: int
    formula: Callable[..., Values]


def evaluate(formulas: Sequence[Local], series: Sequence[Values]) -> list[tuple[Values, Presence]]:
    """Each formula's n results for series of n values, missing in the first `reach` - 1 places and where infinite.

    What a block of values is needed for is done while it is at hand. The results are rows of one array: memory that
    is asked for in one piece costs the system less.
    """
    size = len(series[0])
    results = list(np.empty((len(formulas), size)))
    finite = [True] * len(formulas)
    reach = max(each.reach for each in formulas)
    block = max(_BLOCK, 2 * reach)
    scratch = Scratch() if size > _SMALL else None
    for start, stop in pairwise([*range(0, size, block), size]):
        if scratch:
            scratch.clear()
        first = max(start - reach + 1, 0)
        pieces = [Runs(values[first:stop], scratch) for values in series]
        for index, (each, out) in enumerate(zip(formulas, results, strict=True)):
            begin = min(max(start, each.reach - 1), stop)
            out[start:begin] = np.nan
            if begin < stop:
                values = each.formula(*pieces)[begin - stop :]
                out[begin:stop] = values
                finite[index] = finite[index] and bool(np.isfinite(values).all())
    begins = [min(each.reach - 1, size) for each in formulas]
    return [
        (values, Presence(size, begin)) if known else settled(values)
        for values, begin, known in zip(results, begins, finite, strict=True)
    ]


def change(window: int) -> Local:
    """Change over `window` values relative to the earlier one."""
    return Local(window + 1, lambda x: x.values[window:] / x.values[:-window] - 1.0)


def standardised(window: int) -> Local:
    """Distance of each value from the mean of its window, in standard deviations (n - 1)."""
    return Local(window, lambda x: (x.values[window - 1 :] - x.means(window)) / x.deviations(window))


def per_window(reduce: Callable[[Values], Values], x: Values, window: int) -> Values:
    """`reduce` of the windows themselves: it maps [m, window], oldest value first, to [m]."""
    size = max(1, 500_000 // window)
    out = np.full(len(x), np.nan)
    for start in range(0, len(x) - window + 1, size):
        piece = x[start : start + size + window - 1]
        view = np.lib.stride_tricks.sliding_window_view(piece, window)
        out[start + window - 1 : start + window - 1 + len(view)] = reduce(view)
    return out
