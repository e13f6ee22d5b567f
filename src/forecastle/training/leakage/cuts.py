"""Where a training is cut: what is known on one side must not depend on what is on the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import polars as pl

from forecastle.features.frames import select
from forecastle.training import spans
from forecastle.training.arrays import Booleans, Integers
from forecastle.training.samples import Clockwork
from forecastle.training.splits import Window
from forecastle.training.study import Study, Tables


@dataclass(frozen=True, slots=True)
class Later:
    """Unknown is what comes later than `after`, in microseconds since 1970."""

    label: str
    """What is unknown, in words."""
    window: int | None
    """Position of the window whose training is repeated."""
    after: int
    until: int | None = None
    """Given, what comes later than this is known again, and only labels can be compared."""

    def known(self, times: Integers) -> Booleans:
        """Which rows of the prepared table, by their times, come before all that is unknown."""
        before: Booleans = times <= self.after
        return before

    def unknown(self, frame: pl.DataFrame, time: str | None, *, event: bool = False) -> Booleans:
        """Which rows of a table are to be changed; `event` takes in those at the cut itself."""
        times = frame[time].cast(pl.Int64).to_numpy() if time else np.zeros(frame.height)
        later: Booleans = times >= self.after if event else times > self.after
        return later if self.until is None else later & (times <= self.until)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Unknown are the rows that a window of a table without time tests."""

    label: str
    window: int
    rows: Integers
    """Their numbers in the dataset."""
    prepared: Integers
    """Their numbers in the prepared table."""

    def known(self, numbers: Integers) -> Booleans:
        """Which rows of the prepared table, by their numbers, are none of them."""
        return ~np.isin(numbers, self.prepared)

    def unknown(self, frame: pl.DataFrame, time: str | None, *, event: bool = False) -> Booleans:
        """Which rows of the dataset are to be changed; every one is an `event`."""
        return np.isin(np.arange(frame.height), self.rows) | event


Cut: TypeAlias = Later | HeldOut


def reopens(cut: Cut) -> bool:
    """Whether something is known after what is unknown, so that nothing but labels can be compared."""
    return isinstance(cut, Later) and cut.until is not None


def choose(study: Study, windows: Sequence[Window], tables: Tables, *, least: int) -> tuple[Cut, ...]:
    """The boundary of every window and, with time, so many other moments that there are `least` cuts.

    Half of those are moments at which something is missing: what a gap is filled with shows next to it only. Without
    time, what each window tests takes the place of a cut.
    """
    clockwork, time = study.samples.clockwork, tables.facts.time
    if clockwork is None or time is None:
        return tuple(_held_out(study, windows, tables))
    times = times_of(study)
    boundaries = [cut for number, window in enumerate(windows) for cut in _boundary(clockwork, times, window, number)]
    others = max(0, least - len(boundaries))
    moments = np.setdiff1d(times, [cut.after for cut in boundaries])
    gaps = _spread(np.intersect1d(moments, _gaps(tables.frame, time)), others // 2)
    chosen = [*gaps, *_spread(np.setdiff1d(moments, gaps), others - len(gaps))]
    between = [_moment(moment, _last_trained(clockwork, windows, moment)) for moment in chosen]
    return tuple(sorted([*boundaries, *between], key=lambda cut: (cut.after, cut.until is not None)))


def times_of(study: Study) -> Integers:
    """Times of the prepared table's rows in microseconds; their numbers without a time column."""
    if study.plan.table.time is None:
        return np.arange(study.frame.height)
    return study.frame[study.plan.table.time].cast(pl.Int64).to_numpy()


def _held_out(study: Study, windows: Sequence[Window], tables: Tables) -> Iterator[HeldOut]:
    numbers = np.arange(tables.frame.height)
    if study.recipe.keys:
        counted = tables.frame.with_row_index("row number")
        numbers = select(counted, tables.facts.keys, study.recipe.keys)["row number"].to_numpy().astype(np.int64)
    for number, window in enumerate(windows):
        prepared = study.samples.rows[window.test]
        yield HeldOut(f"what window {number + 1} tests", number, numbers[prepared], prepared)


def _boundary(clockwork: Clockwork, times: Integers, window: Window, number: int) -> Iterator[Later]:
    opens = int(clockwork.times[window.test[0]])
    before = int(np.searchsorted(times, opens)) - 1
    after = int(times[before]) if before >= 0 else opens - 1
    if before >= 0:
        yield _moment(after, number)
    if clockwork.times[window.train[-1]] > opens:  # trained on both sides
        until = int(clockwork.known[window.test].max())
        yield Later(f"what window {number + 1} tests", number, after, until)


def _moment(after: int, window: int | None) -> Later:
    return Later(f"what came after {spans.spell(after)}", window, after)


def _gaps(frame: pl.DataFrame, time: str) -> Integers:
    """The times at which some value is missing."""
    return np.unique(frame.filter(pl.any_horizontal(pl.all().is_null()))[time].cast(pl.Int64).to_numpy())


def _spread(moments: Integers, count: int) -> list[int]:
    """So many moments, evenly spread, neither the first nor the last among them."""
    if not len(moments):
        return []
    places = np.linspace(0, len(moments) - 1, count + 2)[1:-1].astype(np.int64)
    return [int(moment) for moment in np.unique(moments[places])]


def _last_trained(clockwork: Clockwork, windows: Sequence[Window], moment: int) -> int | None:
    """The last window all of whose training labels are known by then."""
    trained = [number for number, window in enumerate(windows) if clockwork.known[window.train].max() <= moment]
    return trained[-1] if trained else None
