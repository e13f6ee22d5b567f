"""Folds that are not walked through: drawn for plain tables, purged for series."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from forecastle.training import spans
from forecastle.training.arrays import Booleans, Integers
from forecastle.training.errors import TooFewRows
from forecastle.training.samples import Clockwork
from forecastle.training.spans import Span


@dataclass(frozen=True, slots=True)
class PurgedFold:
    """Which rows are fitted on and which predicted, and how many of the others were left out why."""

    train: Booleans
    test: Booleans
    purged: int
    embargoed: int


def drawn(folds: int, rows: int, classes: Integers | None, *, seed: int) -> Iterator[Booleans]:
    """Which rows each fold tests: a seeded draw of equal parts, of every class if there are any.

    Raises:
        TooFewRows: there are not as many rows, of the rarest class, as folds.
    """
    order = np.random.default_rng(seed).permutation(rows)
    if classes is not None:
        order = order[np.argsort(classes[order], kind="stable")]
    rarest = rows if classes is None else int(np.unique(classes, return_counts=True)[1].min())
    if rarest < folds:
        what = "rows, one for each fold" if classes is None else "rows of the rarest class, one for each fold"
        raise TooFewRows("split.folds", found=rarest, needed=folds, what=what)
    fold_of = np.empty(rows, dtype=np.int64)
    fold_of[order] = np.arange(rows) % folds
    for fold in range(folds):
        yield fold_of == fold


def purged(clockwork: Clockwork, first: np.int64, last: np.int64, embargo: int | str) -> PurgedFold:
    """The fold that tests the rows from `first` to `last`, both included.

    A label is open from the time of its row until it is known. Rows whose label is open while one of the test is are
    purged; the rows after these, up to the embargo's end, are left out as well (López de Prado, *Advances in Financial
    Machine Learning*, 7.4).

    Args:
        clockwork: of all rows.
        first: time of the first row to test.
        last: time of the last.
        embargo: a number of distinct times, or a span.
    """
    times, known = clockwork.times, clockwork.known
    test = (times >= first) & (times <= last)
    answered = known[test].max()
    apart = (known < first) | (times > answered)
    under_embargo = apart & (times > answered) & (times <= _lifted(times, answered, embargo))
    return PurgedFold(
        train=apart & ~under_embargo,
        test=test,
        purged=int((~apart & ~test).sum()),
        embargoed=int(under_embargo.sum()),
    )


def _lifted(times: Integers, answered: np.int64, embargo: int | str) -> int:
    """The last instant of the embargo."""
    if isinstance(embargo, str):
        return spans.after(int(answered), Span.parse(embargo))
    later = np.unique(times[times > answered])[:embargo]
    return int(later[-1]) if len(later) else int(answered)
