"""Prediction intervals by split conformal prediction (Papadopoulos et al., 2002; Lei et al., 2018).

The residuals of rows that a model was not fitted on say how far it is off: an interval reaches from its prediction plus
their lower quantile to its prediction plus their upper one. Each side is taken by itself, so that a model that is off
to one side more than to the other gets an interval that says so. With N residuals that come in no particular order, the
next one lies in it with at least the probability asked for: a side's quantile is that of N + 1 values of which one is
not known yet.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from forecastle.registry.manifest import Interval
from forecastle.training.arrays import Booleans, Floats
from forecastle.training.errors import TooFewRows
from forecastle.training.samples import Clockwork

ROUNDING = 1e-9
"""Of a rank, lest 0.1 of 10 becomes 0.999… and is rounded down."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """Truth less prediction of the N rows of a test window, in their order."""

    values: Floats
    clockwork: Clockwork | None = None
    """When they happened and when the truth was known; None for a table without time."""

    def __len__(self) -> int:
        return len(self.values)

    def take(self, chosen: Booleans) -> "Residuals":
        """Those of some rows."""
        clock = self.clockwork
        kept = None if clock is None else Clockwork(clock.times[chosen], clock.known[chosen])
        return Residuals(self.values[chosen], kept)

    def before(self, later: "Residuals") -> Floats:
        """What was known by the first row of a later window; without time all of it."""
        if self.clockwork is None or later.clockwork is None:
            return self.values
        known: Booleans = self.clockwork.known < later.clockwork.times.min()
        return self.values[known]


def fit(windows: Sequence[Residuals], *, coverage: float) -> Interval:
    """The interval that covers a share of the residuals of all test windows, which are in the order of time.

    Raises:
        TooFewRows: there are fewer residuals than such a coverage takes.
    """
    everything = np.concatenate([window.values for window in windows])
    if len(everything) < (needed := _needed(coverage)):
        what = f"out-of-sample rows for a coverage of {coverage:g}"
        raise TooFewRows("interval", found=len(everything), needed=needed, what=what)
    lower, upper = bounds(everything, coverage)
    measured, rows = _measure(windows, coverage)
    return Interval(coverage, lower, upper, len(everything), measured, rows)


def bounds(residuals: Floats, coverage: float) -> tuple[float, float]:
    """The `rank`-th smallest and `rank`-th largest of the residuals [N], `rank` = floor((N + 1) (1 - coverage) / 2).

    There must be so many that it is at least 1.
    """
    rank = math.floor((len(residuals) + 1) * (1 - coverage) / 2 + ROUNDING)
    places = rank - 1, len(residuals) - rank
    ordered = np.partition(residuals, places)
    return float(ordered[places[0]]), float(ordered[places[1]])


def _needed(coverage: float) -> int:
    return math.ceil(2 / (1 - coverage) - ROUNDING) - 1


def _measure(windows: Sequence[Residuals], coverage: float) -> tuple[float | None, int]:
    """The share of rows inside the interval that one would have given them, and how many they were.

    It is made of what was known before: each window, from the second on, is held against the interval of those before
    it; of a single window the second half against the first.
    """
    parts = windows if len(windows) > 1 else list(_halves(windows[0]))
    inside = []
    for place, later in enumerate(parts[1:], start=1):
        known = np.concatenate([earlier.before(later) for earlier in parts[:place]])
        if len(known) >= _needed(coverage):
            low, high = bounds(known, coverage)
            inside.append((later.values >= low) & (later.values <= high))
    if not inside:
        return None, 0
    covered = np.concatenate(inside)
    return float(covered.mean()), len(covered)


def _halves(window: Residuals) -> Iterator[Residuals]:
    """Rows of one time stay together."""
    middle = (len(window) + 1) // 2
    late: Booleans = np.arange(len(window)) >= middle
    if window.clockwork is not None and middle < len(window):
        late = window.clockwork.times >= window.clockwork.times[middle]
    yield from (window.take(~late), window.take(late))
