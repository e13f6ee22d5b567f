"""A window's training, repeated in another world and compared with the real one."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from forecastle.errors import ForecastleError
from forecastle.training.arrays import Floats, Integers
from forecastle.training.errors import TooFewRows
from forecastle.training.fitting import FittedRows
from forecastle.training.leakage import compare
from forecastle.training.leakage.compare import Pair
from forecastle.training.leakage.cuts import times_of
from forecastle.training.leakage.findings import Finding, spell
from forecastle.training.leakage.learned import first_difference, pieces
from forecastle.training.schemes import Calendar, WalkForward
from forecastle.training.splits import Window
from forecastle.training.steps import Steps, method
from forecastle.training.study import Study


@dataclass(slots=True)
class Training:
    """The real training: its windows, and the last of its models that was asked for."""

    steps: Steps
    study: Study
    windows: tuple[Window, ...]
    _fitted: dict[int, FittedRows] = field(default_factory=dict)

    def fitted(self, number: int) -> FittedRows:
        """The model of a window, on those of its training rows that meet the recipe's condition."""
        if number not in self._fitted:
            confined = self.steps.confine(self.study, self.windows[number])
            self._fitted = {number: self.steps.fit(self.study, method(self.study), confined.train)}
        return self._fitted[number]


def windows(training: Training, pair: Pair) -> Iterator[Finding]:
    """The windows that had ended by the cut, of a split that walks: others depend on how many rows there are in all."""
    clockwork = training.study.samples.clockwork
    if clockwork is None or not isinstance(training.study.recipe.split, WalkForward | Calendar):
        return
    try:
        others = training.steps.windows(pair.other)
    except TooFewRows:  # of a later window, whose rows have gone
        return
    for number, (window, other) in enumerate(zip(training.windows, others, strict=False), start=1):
        if not pair.cut.known(clockwork.known[: window.test[-1] + 1]).all():
            return
        for side in ("train", "test"):
            rows, found = (
                _rows(study, getattr(each, side)) for study, each in ((pair.real, window), (pair.other, other))
            )
            yield from compare.same_rows(pair, f"{side} rows of window {number}", rows, found)


def repeat(training: Training, pair: Pair, number: int) -> Iterator[Finding]:
    """Labels, condition, everything fitted, and the predictions for all rows that are known with their labels."""
    window, study, other = training.windows[number], pair.real, pair.other
    rows = _rows(study, window.train)
    known = rows[pair.cut.known(times_of(study))[rows]]
    yield from compare.training_labels(pair, known, number)
    if len(known) < len(rows) or not np.isin(rows, other.samples.rows).all():
        return  # trained on later rows by design, or on rows that are gone, which is a finding already
    nothing: Integers = np.empty(0, dtype=np.int64)
    here = training.steps.confine(study, replace(window, test=nothing))
    there = training.steps.confine(other, Window(_positions(other, rows), nothing))
    one_kept, other_kept = _rows(study, here.train), _rows(other, there.train)
    yield from compare.same_rows(pair, f"rows of window {number + 1} that meet the condition", one_kept, other_kept)
    if not np.array_equal(one_kept, other_kept):
        return  # two trainings on different rows, which is a finding already
    try:
        fitted = training.steps.fit(other, method(other), there.train)
    except ForecastleError as error:
        yield pair.finding("fit", "outcome", "a model", str(error))
        return
    yield from _models(training, pair, training.fitted(number), fitted)


def _models(training: Training, pair: Pair, one: FittedRows, other: FittedRows) -> Iterator[Finding]:
    real, found = pieces(one, pair.real), pieces(other, pair.other)
    for name in dict.fromkeys([*real, *found]):
        difference = first_difference(real.get(name), found.get(name))
        if difference:
            yield pair.finding("fit", name, spell(difference[0]), spell(difference[1]))
    rows = np.intersect1d(compare.settled(pair.real, pair.cut), compare.settled(pair.other, pair.cut))
    names = pair.real.plan.names
    given, told = (pl.DataFrame(fitted.matrix(rows), schema=names, orient="row") for fitted in (one, other))
    yield from pair.differences("fit", given, told, rows, suffix=" as the model is given it")
    answers = (
        _answers(study, training.steps.predict(fitted, rows))
        for study, fitted in ((pair.real, one), (pair.other, other))
    )
    yield from pair.differences("predict", *_aligned(*answers), rows)


def _answers(study: Study, predicted: Floats) -> pl.DataFrame:
    if predicted.ndim == 1:
        return pl.DataFrame({"prediction": predicted})
    return pl.DataFrame(
        {f"probability of {label}": predicted[:, code] for code, label in enumerate(study.samples.classes)}
    )


def _aligned(one: pl.DataFrame, other: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both with the classes of either: one that a world does not know has probability 0 in it."""
    names = list(dict.fromkeys([*one.columns, *other.columns]))
    wide = (
        frame.with_columns(pl.lit(0.0).alias(name) for name in names if name not in frame.columns)
        for frame in (one, other)
    )
    left, right = (frame.select(names) for frame in wide)
    return left, right


def _rows(study: Study, positions: Integers) -> Integers:
    return study.samples.rows[positions]


def _positions(study: Study, rows: Integers) -> Integers:
    return np.searchsorted(study.samples.rows, rows)
