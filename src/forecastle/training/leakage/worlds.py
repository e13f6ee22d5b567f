"""Other worlds: the same tables up to a cut, and another course of things after it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import polars as pl

from forecastle.features.frames import time_of
from forecastle.training.arrays import Booleans, Floats, Integers
from forecastle.training.leakage.cuts import Cut, Later
from forecastle.training.study import Study, Tables

LARGEST = 9e15
NOVEL = "never seen before"
LOST_ROWS = 0.1
NEW_KEYS = 0.03


class Change(Protocol):
    """Another column of values; of a `closed` vocabulary only such as the column has."""

    def __call__(self, column: pl.Series, rng: np.random.Generator, *, closed: bool) -> pl.Series:
        """The other column, of the same name, type and length."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """What happens to every value of a row that is changed, and whether rows are lost and keys appear."""

    name: str
    change: Change
    ragged: bool = False


def another(column: pl.Series, rng: np.random.Generator, *, closed: bool) -> pl.Series:
    """Every value another one, of another order of magnitude; what was missing is there."""
    if column.dtype == pl.Boolean:
        return ~column.fill_null(value=False)
    if column.dtype.is_temporal():
        return column.dt.offset_by("400d").fill_null(strategy="forward")
    if closed or column.dtype == pl.String:
        return _another_of(column, rng, closed=closed)
    values = _values(column)
    return _like(column, (np.abs(values) + 1.0) * 10.0 ** rng.integers(0, 5, len(values)))


def jumbled(column: pl.Series, rng: np.random.Generator, *, closed: bool) -> pl.Series:
    """Some values missing, some from other rows, some as they were, and jumps of either sign."""
    lot = rng.random(len(column))
    jumped = another(column, rng, closed=closed)
    if column.dtype.is_numeric() and not closed:
        jumped = _like(
            column, _values(jumped) * 10.0 ** rng.integers(-3, 4, len(lot)) * rng.choice([-1.0, 1.0], len(lot))
        )
    shuffled = column.gather(rng.permutation(len(column)))
    choice = pl.select(
        pl.when(pl.Series(lot < 0.15)).then(None).when(pl.Series(lot < 0.35)).then(shuffled)
        .when(pl.Series(lot < 0.5)).then(column).otherwise(jumped).cast(column.dtype).alias(column.name)
    )  # fmt: skip
    return choice.to_series()


CHANGED = World("other values", another)
RAGGED = World("gaps, jumps and lost rows", jumbled, ragged=True)


def retell(study: Study, tables: Tables, cut: Cut, world: World, *, seed: int) -> Tables:
    """The tables as they would be had what is unknown at the cut gone another way.

    Rows are lost, and keys appear, with time only: without, a row is known by its number. The last row stays, for it
    tells how far time has come.
    """
    rng = np.random.default_rng(seed)
    facts = tables.facts
    unknown = cut.unknown(tables.frame, facts.time)
    left = [name for name in tables.frame.columns if name not in {facts.time, *facts.keys}]
    frame = _changed(tables.frame, left, unknown, world.change, vocabulary(study), rng)
    if world.ragged and isinstance(cut, Later):
        frame = _with_new_keys(frame, facts.keys, unknown, rng)
        lost = unknown & (rng.random(frame.height) < LOST_ROWS)
        lost[-1:] = False
        frame = frame.filter(pl.Series(~lost)).sort(facts.time, *facts.keys, maintain_order=True)
    return replace(tables, frame=frame, context=_contexts(tables, cut, world, rng))


def with_other_answers(study: Study, tables: Tables, cut: Cut, *, seed: int) -> Tables | None:
    """The tables with other values in what is known only afterwards, from the rows at the cut on; None if all is known.

    Without time, in all rows.
    """
    hidden = [name for name in tables.frame.columns if name in study.plan.table.hidden]
    if not hidden:
        return None
    rows = cut.unknown(tables.frame, tables.facts.time, event=True)
    frame = _changed(tables.frame, hidden, rows, another, vocabulary(study), np.random.default_rng(seed))
    return replace(tables, frame=frame)


def vocabulary(study: Study) -> frozenset[str]:
    """Columns of classes, which another world spells the same way."""
    return (
        frozenset(study.target.columns) if study.samples.classes and study.target.transform == "none" else frozenset()
    )


def _contexts(tables: Tables, cut: Cut, world: World, rng: np.random.Generator) -> Mapping[str, pl.DataFrame]:
    changed = {}
    for name, series in tables.context.items():
        time = time_of(name, series.schema, tables.facts.time or "")
        left = [column for column in series.columns if column != time]
        changed[name] = _changed(series, left, cut.unknown(series, time), world.change, frozenset(), rng)
    return changed


def _changed(
    frame: pl.DataFrame,
    names: Collection[str],
    unknown: Booleans,
    change: Change,
    closed: Collection[str],
    rng: np.random.Generator,
) -> pl.DataFrame:
    others = {name: change(frame[name], rng, closed=name in closed) for name in names}
    mask = pl.Series(unknown)
    return frame.with_columns(
        pl.when(mask).then(other).otherwise(pl.col(name)).alias(name) for name, other in others.items()
    )


def _with_new_keys(
    frame: pl.DataFrame, keys: tuple[str, ...], unknown: Booleans, rng: np.random.Generator
) -> pl.DataFrame:
    renamed = pl.Series(unknown & (rng.random(frame.height) < NEW_KEYS))
    texts = [name for name in keys if frame[name].dtype == pl.String]
    return frame.with_columns(
        pl.when(renamed).then(pl.lit(NOVEL)).otherwise(pl.col(name)).alias(name) for name in texts
    )


def _another_of(column: pl.Series, rng: np.random.Generator, *, closed: bool) -> pl.Series:
    """Another value of the same column for each; a text may be a new one unless the vocabulary is closed."""
    options = column.drop_nulls().unique().sort()
    if not closed:
        options = options.append(pl.Series([NOVEL], dtype=column.dtype))
    if not len(options):
        return column
    codes: Integers = options.search_sorted(column.fill_null(options[0])).to_numpy().astype(np.int64)
    steps = rng.integers(1, max(2, len(options)), len(column))
    return options.gather((codes + steps) % len(options)).alias(column.name)


def _values(column: pl.Series) -> Floats:
    values: Floats = np.nan_to_num(column.cast(pl.Float64).fill_null(0.0).to_numpy(), nan=0.0)
    return values


def _like(column: pl.Series, values: Floats) -> pl.Series:
    return pl.Series(column.name, np.clip(values, -LARGEST, LARGEST)).cast(column.dtype, strict=False)
