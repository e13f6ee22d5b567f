"""Prediction intervals by split conformal prediction (Papadopoulos et al., 2002; Lei et al., 2018).

The residuals of rows that a model was not fitted on say how far it is off: an interval reaches from its prediction plus
their lower quantile to its prediction plus their upper one. Each side is taken by itself, so that a model that is off
to one side more than to the other gets an interval that says so. With N residuals that come in no particular order, the
next one lies in it with at least the probability asked for: a side's quantile is that of N + 1 values of which one is
not known yet.
"""

import math
from collections.abc import Sequence

import numpy as np

from forecastle.registry.manifest import Interval
from forecastle.training.arrays import Booleans, Floats
from forecastle.training.errors import TooFewRows

ROUNDING = 1e-9
"""Of a rank, lest 0.1 of 10 becomes 0.999… and is rounded down."""


def fit(residuals: Sequence[Floats], *, coverage: float) -> Interval:
    """The interval that covers a share of the residuals, truth less prediction, of each test window.

    Raises:
        TooFewRows: there are fewer residuals than such a coverage takes.
    """
    everything = np.concatenate(residuals)
    if len(everything) < (needed := _needed(coverage)):
        what = f"out-of-sample rows for a coverage of {coverage:g}"
        raise TooFewRows("interval", found=len(everything), needed=needed, what=what)
    lower, upper = bounds(everything, coverage)
    measured, rows = _measure(residuals, coverage)
    return Interval(coverage, lower, upper, len(everything), measured, rows)


def bounds(residuals: Floats, coverage: float) -> tuple[float, float]:
    """The `rank`-th smallest and `rank`-th largest of the residuals [N], `rank` = floor((N + 1) (1 - coverage) / 2).

    There must be so many that it is at least 1.
    """
    rank = math.floor((len(residuals) + 1) * (1 - coverage) / 2 + ROUNDING)
    ordered = np.sort(residuals)
    return float(ordered[rank - 1]), float(ordered[-rank])


def _needed(coverage: float) -> int:
    return math.ceil(2 / (1 - coverage) - ROUNDING) - 1


def _measure(residuals: Sequence[Floats], coverage: float) -> tuple[float | None, int]:
    """The share of rows inside an interval that they had no part in, and how many they were.

    Each window's rows are held against the interval of all others; of a single window the second half against that of
    the first.
    """
    parts = list(residuals) if len(residuals) > 1 else np.array_split(residuals[0], 2)
    inside: list[Booleans] = []
    for place in range(len(parts)) if len(residuals) > 1 else (1,):
        others = np.concatenate(parts[:place] + parts[place + 1 :])
        if len(others) >= _needed(coverage):
            low, high = bounds(others, coverage)
            inside.append((parts[place] >= low) & (parts[place] <= high))
    if not inside:
        return None, 0
    covered = np.concatenate(inside)
    return float(covered.mean()), len(covered)
