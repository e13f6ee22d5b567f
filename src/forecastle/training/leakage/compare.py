"""Bit-for-bit comparison of what two worlds make of the rows that are known in both."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from forecastle.training.arrays import Booleans, Integers
from forecastle.training.leakage.cuts import Cut, times_of
from forecastle.training.leakage.findings import Finding, Place, Step, at, place
from forecastle.training.study import Study


@dataclass(frozen=True, slots=True)
class Pair:
    """The same recipe in the real world and in another that differs only in what is unknown at the cut."""

    real: Study
    other: Study
    cut: Cut

    @property
    def known(self) -> Integers:
        """The rows of the prepared table that are known, in the real world."""
        return np.flatnonzero(self.cut.known(times_of(self.real)))

    def finding(self, step: Step, name: str, before: str, after: str, row: int | None = None) -> Finding:
        """What has changed, at a row of the real prepared table."""
        where: Place | None = None if row is None else place(self.real, row)
        return Finding(step, name, self.cut.label, where, before, after)

    def differences(
        self, step: Step, one: pl.DataFrame, other: pl.DataFrame, rows: Integers, *, suffix: str = ""
    ) -> Iterator[Finding]:
        """The first difference of each column; `rows` are the real rows that both tables hold, in their order."""
        for name in one.columns:
            wrong = np.flatnonzero(differing(one[name], other[name]))
            if len(wrong):
                first = int(wrong[0])
                yield self.finding(step, name + suffix, at(one[name], first), at(other[name], first), int(rows[first]))


def differing(one: pl.Series, other: pl.Series) -> Booleans:
    """Where two columns of one length differ in any bit; missing equals missing, and not a number itself."""
    if not one.dtype.is_float():
        unequal: Booleans = one.ne_missing(other).to_numpy()
        return unequal
    nulls = (one.is_null() != other.is_null()).to_numpy()
    left, right = (column.fill_null(0.0).to_numpy() for column in (one, other))
    apart: Booleans = left.view(np.int64) != right.view(np.int64)
    apart &= ~(np.isnan(left) & np.isnan(right))
    apart |= nulls
    return apart


def tables(pair: Pair) -> Iterator[Finding]:
    """The prepared rows themselves: joined, resampled, in order."""
    rows = pair.known
    others = np.flatnonzero(pair.cut.known(times_of(pair.other)))
    shared = min(len(rows), len(others))
    one, other = pair.real.frame[rows[:shared]], pair.other.frame[others[:shared]]
    yield from pair.differences("prepare", one, other, rows)
    if len(rows) != len(others):
        gone = len(rows) > len(others)
        row = int(rows[shared]) if gone else int(rows[-1])
        found = pair.finding("prepare", "rows", f"{len(rows):,} rows", f"{len(others):,} rows", row)
        yield found


def features(pair: Pair) -> Iterator[Finding]:
    """The columns that the model may look at."""
    rows = pair.known
    one, other = (study.matrix.frame(study.plan.names, rows) for study in (pair.real, pair.other))
    yield from pair.differences("features", one, other, rows)


def samples(pair: Pair) -> Iterator[Finding]:
    """Which rows are used, and the labels of those: of rows whose label was known by the cut."""
    rows, others = (settled(study, pair.cut) for study in (pair.real, pair.other))
    for row in np.setxor1d(rows, others)[:1]:
        used = row in rows
        yield pair.finding("samples", "selection", *_used(used=used), row=int(row))
    shared = np.intersect1d(rows, others)
    yield from pair.differences("samples", labels(pair.real, shared), labels(pair.other, shared), shared)


def settled(study: Study, cut: Cut) -> Integers:
    """The usable rows of the prepared table that are known with their labels."""
    clockwork = study.samples.clockwork
    return study.samples.rows[cut.known(study.samples.rows if clockwork is None else clockwork.known)]


def labels(study: Study, rows: Integers) -> pl.DataFrame:
    """What is known of some usable rows besides their features: the label, and the value that it is compared with."""
    places = np.searchsorted(study.samples.rows, rows)
    target = study.samples.target[places]
    if study.samples.classes:
        label = pl.Series(
            "label", np.array(study.samples.classes, dtype=object)[target.astype(np.int64)], dtype=pl.String
        )
    else:
        label = pl.Series("label", target)
    columns = [label, pl.Series("current value", study.current[places])]
    if study.samples.clockwork is not None:
        columns.append(pl.Series("time of the label", study.samples.clockwork.known[places]))
    return pl.DataFrame(columns)


def training_labels(pair: Pair, rows: Integers, window: int) -> Iterator[Finding]:
    """The labels of rows that a window is trained on, which nothing of its test may reach."""
    name = f"label of a row that window {window + 1} is trained on"
    lost = np.setdiff1d(rows, pair.other.samples.rows)
    for row in lost[:1]:
        yield pair.finding("windows", name, *_used(used=True), row=int(row))
    shared = np.setdiff1d(rows, lost)
    one, other = (labels(study, shared).select("label") for study in (pair.real, pair.other))
    yield from pair.differences("windows", one.rename({"label": name}), other.rename({"label": name}), shared)


def same_rows(pair: Pair, name: str, rows: Integers, others: Integers) -> Iterator[Finding]:
    """That a window holds the same rows in both worlds."""
    for row in np.setxor1d(rows, others)[:1]:
        yield pair.finding("windows", name, *_used(used=row in rows), row=int(row))


def _used(*, used: bool) -> tuple[str, str]:
    return ("used", "left out") if used else ("left out", "used")
