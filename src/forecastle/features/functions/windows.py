"""Computes what depends on the last values only, in blocks that stay in the processor's cache."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from forecastle.features.functions.declare import Values
from forecastle.features.functions.kernels import finite
from forecastle.features.functions.memory import empty
from forecastle.features.functions.presence import Presence, settled
from forecastle.features.functions.runs import Runs, Scratch

_BLOCK = 32_768
_SMALL = 4_096
"""A series so short that NumPy's own memory is at hand as fast."""


@dataclass(frozen=True, slots=True)
class Local:
    """A formula whose result at a place depends on the `reach` values that end there, and on nothing else.

    `formula` maps pieces of m + reach - 1 values, one of each series, to an array of m.
    """

    reach: int
    formula: Callable[..., Values]
    statistic: str | None = None
    """The method of `Runs` that the formula calls for `reach` values of its one series, if it does nothing else."""

    @classmethod
    def plain(cls, statistic: Callable[[Runs, int], Values], window: int) -> "Local":
        """A statistic of runs as it is."""
        return cls(window, lambda x: statistic(x, window), statistic.__name__)


class Evaluation:
    """Each formula's n results for series of n values, missing in the first `reach` - 1 places and where infinite.

    What a block of values is needed for is done while it is at hand, so the `blocks` are what is to be computed; they
    don't depend on each other, and may be computed in several threads. The results are rows of one array: memory that
    is asked for in one piece costs the system less.
    """

    def __init__(self, formulas: Sequence[Local], series: Sequence[Values]) -> None:
        self._formulas = formulas
        self._series = series
        self._size = len(series[0])
        self._reach = max(each.reach for each in formulas)
        self._results = [empty(self._size) for _ in formulas]
        self._finite = [True] * len(formulas)
        self._local = threading.local()

    def blocks(self) -> list[tuple[int, int]]:
        """Where each block starts and stops."""
        return list(pairwise([*range(0, self._size, max(_BLOCK, 2 * self._reach)), self._size]))

    def compute(self, start: int, stop: int) -> None:
        """Computes a block."""
        scratch = self._scratch()
        first = max(start - self._reach + 1, 0)
        pieces = [Runs(values[first:stop], scratch) for values in self._series]
        for index, (each, out) in enumerate(zip(self._formulas, self._results, strict=True)):
            begin = min(max(start, each.reach - 1), stop)
            out[start:begin] = np.nan
            if begin < stop:
                place = out[first + each.reach - 1 : stop]  # the rows before `start` get the bits that they have
                if each.statistic is not None:
                    pieces[0].give_place(each.statistic, each.reach, place)
                values = each.formula(*pieces)
                if values is not place:
                    out[begin:stop] = values[begin - stop :]
                if not finite(out[begin:stop]):
                    self._finite[index] = False

    def results(self) -> list[tuple[Values, Presence]]:
        """The results once all blocks are computed, and where each has values."""
        begins = [min(each.reach - 1, self._size) for each in self._formulas]
        return [
            (values, Presence(self._size, begin)) if known else settled(values)
            for values, begin, known in zip(self._results, begins, self._finite, strict=True)
        ]

    def _scratch(self) -> Scratch | None:
        """Memory of this thread."""
        if self._size <= _SMALL:
            return None
        known: Scratch | None = getattr(self._local, "scratch", None)
        if known is None:
            known = self._local.scratch = Scratch()
        known.clear()
        return known


def evaluate(formulas: Sequence[Local], series: Sequence[Values]) -> list[tuple[Values, Presence]]:
    """The results of an `Evaluation`, one block after the other."""
    evaluation = Evaluation(formulas, series)
    for start, stop in evaluation.blocks():
        evaluation.compute(start, stop)
    return evaluation.results()


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
