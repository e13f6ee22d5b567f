"""Train and test windows. Pure: arrays of times in, arrays of row positions out."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from forecastle.training import folds, spans
from forecastle.training.arrays import Booleans, Integers
from forecastle.training.errors import BadRecipe, TooFewRows
from forecastle.training.samples import Clockwork
from forecastle.training.schemes import (
    Calendar,
    Chronological,
    KFold,
    PurgedKFold,
    Random,
    Split,
    StratifiedKFold,
    WalkForward,
)
from forecastle.training.spans import Span

MIN_TRAIN_ROWS = 10
MIN_ROWS = MIN_TRAIN_ROWS + 1
MAX_WINDOWS = 10_000
TIMED = ("chronological", "walk_forward", "calendar", "purged_kfold")
"""Kinds of split for a table with time."""
PLAIN = ("random", "chronological", "kfold", "stratified_kfold")
"""Kinds of split for a table without."""


@dataclass(frozen=True, slots=True)
class Window:
    """Positions of the rows to fit on and of those to predict, both ascending."""

    train: Integers
    test: Integers
    dropped: int = 0
    """Rows of the training stretch left out because their label lies in the test stretch or beyond."""
    embargoed: int = 0
    """Rows left out because they follow the test stretch too closely."""
    outside: int = 0
    """Rows of both stretches left out because the recipe's `where` is not true for them."""
    warm_up: int = 0
    """Rows of both stretches, and before the first, that lack the history which some feature needs."""

    def checked(self, number: int, how: Split) -> "Window":
        """The window, if it has enough rows.

        Args:
            number: how the message calls it.
            how: the kind of split, which says what the field to change is called.

        Raises:
            TooFewRows: it has not.
        """
        if len(self.train) < MIN_TRAIN_ROWS:
            what = f"training rows in window {number}{self._left_out()}"
            raise TooFewRows(self._blamed("train", how), found=len(self.train), needed=MIN_TRAIN_ROWS, what=what)
        if not len(self.test):
            raise TooFewRows(self._blamed("test", how), found=0, needed=1, what=f"test rows in window {number}")
        return self

    def _blamed(self, side: str, how: Split) -> str:
        if self.outside:
            return "where"
        if self.embargoed and self.embargoed >= self.dropped:
            return "split.embargo"
        fields = (side, "test", "folds")
        return f"split.{next(field for field in fields if hasattr(how, field))}"

    def _left_out(self) -> str:
        reasons = (
            (self.dropped, "whose label lies in its test stretch"),
            (self.embargoed, "under the embargo"),
            (self.outside, "for which `where` is not true"),
        )
        told = [f"{rows:,} {reason}" for rows, reason in reasons if rows]
        return f", less {' and '.join(told)}" if told else ""


def split(
    how: Split, *, rows: int, clockwork: Clockwork | None, classes: Integers | None, seed: int
) -> tuple[Window, ...]:
    """The windows of `rows` usable rows, earliest first.

    No row lies on both sides of a window, and with time, rows of one time stay together. Every training label was known
    strictly before the test stretch begins; with folds, no label of either side was open at the same time as one of
    the other.

    Args:
        how: the kind of split and its sizes.
        rows: number of rows.
        clockwork: times of the rows, or None for a table without time.
        classes: class codes by which a random split is stratified, or None.
        seed: of a random split.

    Raises:
        TooFewRows: a window would be left without enough rows.
        BadRecipe: the kind of split does not fit the table.
    """
    if rows < MIN_ROWS:
        raise TooFewRows("dataset", found=rows, needed=MIN_ROWS, what="usable rows")
    check_kind(how, timed=clockwork is not None)
    windows: list[Window] = []
    for window in _windows(how, rows, clockwork, classes, seed):
        windows.append(window.checked(len(windows) + 1, how))
        if len(windows) > MAX_WINDOWS:
            raise BadRecipe.at("split", expected=f"at most {MAX_WINDOWS:,} windows", found="more")
    return tuple(windows)


def check_kind(how: Split, *, timed: bool) -> None:
    """Refuse a kind of split that does not fit a table with, or without, time.

    Raises:
        BadRecipe: it does not: rows of a series are never shuffled, and rows without time are never walked through.
    """
    fitting = TIMED if timed else PLAIN
    if how.kind not in fitting:
        table = "a table with time" if timed else "a table without time"
        expected = f"{', '.join(fitting[:-1])} or {fitting[-1]} for {table}"
        raise BadRecipe.at("split.kind", expected=expected, found=how.kind)


def _windows(
    how: Split, rows: int, clockwork: Clockwork | None, classes: Integers | None, seed: int
) -> Iterator[Window]:
    match how:
        case Chronological():
            yield _chronological(how, rows, clockwork)
        case Random():
            yield _random(how, rows, classes, seed=seed)
        case KFold() | StratifiedKFold():
            strata = classes if isinstance(how, StratifiedKFold) else None
            for test in folds.drawn(how.folds, rows, strata, seed=seed):
                yield Window(np.flatnonzero(~test), np.flatnonzero(test))
        case WalkForward() if clockwork is not None:
            yield from _walk_forward(how, clockwork)
        case Calendar() if clockwork is not None:
            yield from _calendar(how, clockwork)
        case PurgedKFold() if clockwork is not None:
            yield from _purged(how, clockwork)


def _chronological(how: Chronological, rows: int, clockwork: Clockwork | None) -> Window:
    begin = rows - max(1, round(rows * how.test))
    if clockwork is None:
        return Window(np.arange(begin), np.arange(begin, rows))
    return _between(clockwork, clockwork.times[0], clockwork.times[begin], clockwork.times[-1] + 1)


def _walk_forward(how: WalkForward, clockwork: Clockwork) -> Iterator[Window]:
    moments = np.unique(clockwork.times)
    length = how.train + how.test
    if len(moments) < length:
        what = f"distinct times for one window of {how.train:,} to train and {how.test:,} to test"
        raise TooFewRows("split.train", found=len(moments), needed=length, what=what)
    bounds = np.append(moments, moments[-1] + 1)
    for begin in range(0, len(moments) - length + 1, how.stride):
        start = bounds[0 if how.expanding else begin]
        yield _between(clockwork, start, bounds[begin + how.train], bounds[begin + length])


def _calendar(how: Calendar, clockwork: Clockwork) -> Iterator[Window]:
    """A stretch without rows of its own is left out, and so is a last one that the rows fill less than half."""
    train, test, step = map(Span.parse, (how.train, how.test, how.stride))
    first, last = int(clockwork.times[0]), int(clockwork.times[-1])
    origin = spans.floor(first, step.unit)
    tested: tuple[int, ...] = ()
    for number in range(MAX_WINDOWS):
        start = spans.after(origin, step, number)
        boundary = spans.after(start, train)
        end = spans.after(boundary, test)
        if boundary + (end - boundary) // 2 > last:
            break
        window = _between(clockwork, origin if how.expanding else start, boundary, end)
        if len(window.test) and tested != (tested := (int(window.test[0]), int(window.test[-1]))):
            yield window
    else:
        raise BadRecipe.at("split.step", expected=f"rows crossed in at most {MAX_WINDOWS:,} steps", found=how.stride)
    if not tested:
        raise BadRecipe.at(
            "split.train",
            expected=f"rows over more than {how.train} to train and {how.test} to test",
            found=f"{spans.spell(first)} to {spans.spell(last)}",
        )


def _between(clockwork: Clockwork, start: int | np.int64, boundary: int | np.int64, end: int | np.int64) -> Window:
    first, middle, last = np.searchsorted(clockwork.times, np.array([start, boundary, end], dtype=np.int64))
    train = np.arange(first, middle)
    known = clockwork.known[first:middle] < boundary
    return Window(train[known], np.arange(middle, last), dropped=int(len(train) - known.sum()))


def _purged(how: PurgedKFold, clockwork: Clockwork) -> Iterator[Window]:
    moments = np.unique(clockwork.times)
    if len(moments) < how.folds:
        raise TooFewRows("split.folds", found=len(moments), needed=how.folds, what="distinct times, one for each fold")
    for stretch in np.array_split(moments, how.folds):
        fold = folds.purged(clockwork, stretch[0], stretch[-1], how.embargo)
        yield Window(
            np.flatnonzero(fold.train), np.flatnonzero(fold.test), dropped=fold.purged, embargoed=fold.embargoed
        )


def _random(how: Random, rows: int, classes: Integers | None, *, seed: int) -> Window:
    shuffled = np.random.default_rng(seed).permutation(rows)
    if classes is not None:
        shuffled = shuffled[np.argsort(classes[shuffled], kind="stable")]
    share = np.floor(np.arange(1, rows + 1) * how.test)
    held_out: Booleans = np.zeros(rows, dtype=bool)
    held_out[shuffled] = np.diff(share, prepend=0) > 0  # evenly spread, so every class gives its share
    if classes is not None:
        _leave_one_of_each(held_out, classes)
    return Window(np.flatnonzero(~held_out), np.flatnonzero(held_out))


def _leave_one_of_each(held_out: Booleans, classes: Integers) -> None:
    only_in_test = np.setdiff1d(classes, classes[~held_out])
    for code in only_in_test:
        held_out[np.flatnonzero(classes == code)[0]] = False
