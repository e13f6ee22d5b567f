"""Applies functions of `runs` to whole series, in blocks that stay in the processor's cache.

All functions take float64 arrays of n observed values and return arrays of n, NaN in the first `window` - 1 places.
"""

from collections.abc import Callable
from functools import partial
from typing import overload

import numpy as np

from forecastle.features.functions import runs
from forecastle.features.functions.declare import Values

_BLOCK = 16_384


@overload
def in_blocks(kernel: Callable[..., Values], window: int, *series: Values) -> Values: ...
@overload
def in_blocks(kernel: Callable[..., tuple[Values, ...]], window: int, *series: Values) -> tuple[Values, ...]: ...
def in_blocks(
    kernel: Callable[..., Values | tuple[Values, ...]], window: int, *series: Values
) -> Values | tuple[Values, ...]:
    """The results of `kernel`, which maps pieces of m + window - 1 values to one or several arrays of m.

    A result may depend on the `window` values that end at its place only, so blocks make no difference to it.
    """
    size, block = len(series[0]), max(_BLOCK, 2 * window)
    outs: list[Values] = []
    single = False
    for start in range(0, max(size - window + 1, 1), block):
        pieces = [values[start : start + block + window - 1] for values in series]
        results = kernel(*(pieces if size >= window else [np.full(window, np.nan)] * len(series)))
        single = isinstance(results, np.ndarray)
        outs = outs or [_unknown(size, window - 1) for _ in ([results] if single else results)]
        for out, values in zip(outs, [results] if single else results, strict=True):
            out[start + window - 1 : start + window - 1 + len(values)] = values[: max(size - window + 1, 0)]
    return outs[0] if single else tuple(outs)


def _unknown(size: int, warm_up: int) -> Values:
    values = np.empty(size)
    values[:warm_up] = np.nan
    return values


def sums(x: Values, window: int) -> Values:
    """Sum of each window."""
    return in_blocks(partial(runs.sums, window=window), window, x)


def means(x: Values, window: int) -> Values:
    """Mean of each window."""
    return in_blocks(partial(runs.means, window=window), window, x)


def lowest(x: Values, window: int) -> Values:
    """Least value of each window."""
    return in_blocks(partial(runs.lowest, window=window), window, x)


def highest(x: Values, window: int) -> Values:
    """Greatest value of each window."""
    return in_blocks(partial(runs.highest, window=window), window, x)


def deviations(x: Values, window: int) -> Values:
    """Standard deviation (n - 1) of each window."""
    return in_blocks(lambda piece: runs.mean_and_deviation(piece, window)[1], window, x)


def accumulated(term: Callable[[Values, int], Values], x: Values, window: int) -> Values:
    """Sum over each window, oldest value first, of `term(values, place)`, which is given one value of every window."""
    return in_blocks(lambda piece: runs.accumulate(term, piece, window), window, x)


def changes(x: Values, window: int) -> Values:
    """Change over `window` values relative to the earlier one."""

    def kernel(piece: Values) -> Values:
        relative = piece[window:] / piece[:-window]
        relative -= 1.0
        return relative

    return in_blocks(kernel, window + 1, x)


def differences(x: Values, window: int) -> Values:
    """Change over `window` values."""

    def kernel(piece: Values) -> Values:
        return piece[window:] - piece[:-window]

    return in_blocks(kernel, window + 1, x)


def standardised(x: Values, window: int) -> Values:
    """Distance of each value from the mean of its window, in standard deviations (n - 1)."""

    def kernel(piece: Values) -> Values:
        mean, deviation = runs.mean_and_deviation(piece, window)
        return (piece[window - 1 :] - mean) / deviation

    return in_blocks(kernel, window, x)


def per_window(reduce: Callable[[Values], Values], x: Values, window: int) -> Values:
    """`reduce` of the windows themselves: it maps [m, window], oldest value first, to [m]."""
    size = max(1, 500_000 // window)
    out = np.full(len(x), np.nan)
    for start in range(0, len(x) - window + 1, size):
        piece = x[start : start + size + window - 1]
        view = np.lib.stride_tricks.sliding_window_view(piece, window)
        out[start + window - 1 : start + window - 1 + len(view)] = reduce(view)
    return out
