"""Train and test windows. Pure: arrays of times in, arrays of row positions out."""

from dataclasses import dataclass

import numpy as np

from forecastle.training.arrays import Booleans, Integers
from forecastle.training.errors import BadRecipe, TooFewRows
from forecastle.training.recipe import Chronological, Random, Split, WalkForward
from forecastle.training.samples import Clockwork

MIN_TRAIN_ROWS = 10


@dataclass(frozen=True, slots=True)
class Window:
    """Positions of the rows to fit on and of those to predict, both ascending."""

    train: Integers
    test: Integers
    dropped: int = 0
    """Rows of the training stretch left out because their label lies in the test stretch or beyond."""


def split(
    how: Split, *, rows: int, clockwork: Clockwork | None, classes: Integers | None, seed: int
) -> tuple[Window, ...]:
    """The windows of `rows` usable rows, earliest first.

    No row lies on both sides of a window; with time, every training label was known strictly before the test stretch
    begins, and rows of one time stay together.

    Args:
        how: the kind of split and its sizes.
        rows: number of rows.
        clockwork: times of the rows, or None for a table without time.
        classes: class codes by which a random split is stratified, or None.
        seed: of the random split.

    Raises:
        TooFewRows: a window would be left without enough rows.
        BadRecipe: the kind of split does not fit the table.
    """
    if rows < MIN_TRAIN_ROWS + 1:
        raise TooFewRows(found=rows, needed=MIN_TRAIN_ROWS + 1, what="usable rows")
    match how:
        case Random():
            windows = (_random(how, rows, classes, seed=seed),) if clockwork is None else _refuse_random()
        case Chronological():
            windows = (_chronological(how, rows, clockwork),)
        case WalkForward():
            windows = _walk_forward(how, clockwork)
    for number, window in enumerate(windows, start=1):
        _check(window, number)
    return windows


def _refuse_random() -> tuple[Window, ...]:
    raise BadRecipe.at("split.kind", expected="chronological or walk_forward for a table with time", found="random")


def _check(window: Window, number: int) -> None:
    if len(window.train) < MIN_TRAIN_ROWS:
        purged = (
            f" after {window.dropped:,} whose label lies in its test stretch were dropped" if window.dropped else ""
        )
        what = f"training rows in window {number}{purged}"
        raise TooFewRows(found=len(window.train), needed=MIN_TRAIN_ROWS, what=what)
    if not len(window.test):
        raise TooFewRows(found=0, needed=1, what=f"test rows in window {number}")


def _chronological(how: Chronological, rows: int, clockwork: Clockwork | None) -> Window:
    begin = rows - max(1, round(rows * how.test))
    if clockwork is None:
        return Window(np.arange(begin), np.arange(begin, rows))
    begins_at = clockwork.times[begin]
    return _between(clockwork, clockwork.times[0], begins_at, clockwork.times[-1] + 1)


def _walk_forward(how: WalkForward, clockwork: Clockwork | None) -> tuple[Window, ...]:
    if clockwork is None:
        raise BadRecipe.at("split.kind", expected="random or chronological for a table without time", found=how.kind)
    moments = np.unique(clockwork.times)
    length = how.train + how.test
    if len(moments) < length:
        what = f"distinct times for one window of {how.train:,} to train and {how.test:,} to test"
        raise TooFewRows(found=len(moments), needed=length, what=what)
    bounds = np.append(moments, moments[-1] + 1)
    starts = range(0, len(moments) - length + 1, how.stride)
    return tuple(
        _between(clockwork, bounds[start], bounds[start + how.train], bounds[start + length]) for start in starts
    )


def _between(clockwork: Clockwork, start: np.int64, boundary: np.int64, end: np.int64) -> Window:
    first, middle, last = np.searchsorted(clockwork.times, [start, boundary, end])
    train = np.arange(first, middle)
    known = clockwork.known[first:middle] < boundary
    return Window(train[known], np.arange(middle, last), dropped=int(len(train) - known.sum()))


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
