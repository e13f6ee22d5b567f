"""Whether the rows of its tables can bear a recipe, found out before anything is queued. Reads tables, so it blocks."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import polars as pl

from forecastle.data.dataset import Dataset
from forecastle.data.storage import TableStore
from forecastle.errors import FieldProblem
from forecastle.features.errors import TooManyMissing
from forecastle.features.frames import prepare, time_of
from forecastle.training.errors import BadRecipe
from forecastle.training.recipe import Recipe
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
from forecastle.training.spans import Span, after, floor, spell
from forecastle.training.splits import MIN_TRAIN_ROWS

EXTENTS = 256


def check_rows(recipe: Recipe, tables: Mapping[str, Dataset], store: TableStore) -> None:
    """Prepare the times and keys of the tables as training will, and see whether enough is left.

    Args:
        recipe: fits the columns of its tables.
        tables: its table and those of its context series, by name.
        store: where they are.

    Raises:
        BadFrame: a key is in no row, the timeframe is malformed, or a context series has several rows a time.
        BadRecipe: joining loses too many rows, or too few are left for the horizon or the split.
    """
    left = _measured(_Cut.of(recipe, tables), store)
    least = MIN_TRAIN_ROWS + 1
    if left.rows < least:
        field = "keys" if recipe.keys else "timeframe" if recipe.timeframe else "dataset"
        raise BadRecipe.at(field, expected=f"at least {least} rows to train and test on", found=f"{left.rows}")
    if recipe.target.rows_ahead >= left.longest:  # the rows at the end of each series have no label
        expected = f"fewer rows than the {left.longest:,} of the longest series"
        raise BadRecipe.at("target.horizon", expected=expected, found=recipe.target.rows_ahead)
    if recipe.split is not None:
        _check_split(recipe.split, left)


@dataclass(frozen=True, slots=True)
class _Cut:
    """What a recipe takes of its tables, equal for most recipes of a search."""

    name: str
    sha256: str
    time: str | None
    keys: tuple[str, ...]
    context: tuple[tuple[str, str], ...]
    """Names and hashes of the context series."""
    selected: tuple[str, ...]
    timeframe: str | None

    @classmethod
    def of(cls, recipe: Recipe, tables: Mapping[str, Dataset]) -> "_Cut":
        dataset = tables[recipe.dataset]
        series = tuple((name, tables[name].sha256) for name in recipe.context)
        return cls(dataset.name, dataset.sha256, dataset.time, dataset.keys, series, recipe.keys, recipe.timeframe)


@dataclass(frozen=True, slots=True)
class _Extent:
    """How much there is of a prepared table."""

    rows: int
    longest: int
    """Rows of the longest series."""
    times: int = 0
    """Distinct times; 0 for a table without time."""
    first: int = 0
    last: int = 0
    """Earliest and latest time in microseconds since 1970."""


@lru_cache(maxsize=EXTENTS)
def _measured(cut: _Cut, store: TableStore) -> _Extent:
    """Reading is what takes long; a table never changes under its hash."""
    rows = _prepared(cut, store)
    longest = rows.select(pl.len().over(cut.keys).max()).item() if cut.keys else rows.height
    if cut.time is None or rows.is_empty():
        return _Extent(rows.height, longest or 0)
    times = rows.get_column(cut.time)
    first, last = times.dt.timestamp("us").min(), times.dt.timestamp("us").max()
    return _Extent(rows.height, longest or 0, times.n_unique(), cast("int", first), cast("int", last))


def _prepared(cut: _Cut, store: TableStore) -> pl.DataFrame:
    with store.scan(cut.name, cut.sha256) as table:
        own = [name for name in (cut.time, *cut.keys) if name is not None] or table.collect_schema().names()[:1]
        rows = table.select(own).collect()
    try:
        return prepare(
            rows,
            time=cut.time,
            keys=cut.keys,
            timeframe=cut.timeframe,
            context={name: _times(name, sha256, store, str(cut.time)) for name, sha256 in cut.context},
            select_keys=cut.selected,
        )
    except TooManyMissing as error:
        expected = f"series with a row for all but {error.limit:.0%} of the table's times"
        problem = FieldProblem("context", expected, f"none for {error.share:.1%} in {', '.join(error.columns)}")
        raise BadRecipe(problems=[problem]) from error


def _times(name: str, sha256: str, store: TableStore, time: str) -> pl.DataFrame:
    with store.scan(name, sha256) as table:
        return table.select(time_of(name, table.collect_schema(), time)).collect()


def _check_split(split: Split, left: _Extent) -> None:
    """Refuse a split that not even all of the rows could bear; how many of them can be used only the training knows."""
    match split:
        case WalkForward() if split.train + split.test > left.times:
            expected = f"train + test of at most {left.times:,} distinct times"
            raise BadRecipe.at("split", expected=expected, found=f"{split.train:,} + {split.test:,}")
        case Calendar() if not _reaches(split, left):
            expected = f"rows over more than {split.train} to train and {split.test} to test"
            raise BadRecipe.at("split.train", expected=expected, found=f"{spell(left.first)} to {spell(left.last)}")
        case PurgedKFold() if split.folds > left.times:
            raise BadRecipe.at("split.folds", expected=f"at most {left.times:,} distinct times", found=split.folds)
        case KFold() | StratifiedKFold() if split.folds > left.rows:
            raise BadRecipe.at("split.folds", expected=f"at most {left.rows:,} rows", found=split.folds)
        case Chronological() | Random():
            _check_share(split, left.rows)


def _reaches(split: Calendar, left: _Extent) -> bool:
    """Whether the rows fill at least half of the first test stretch."""
    train, test, step = map(Span.parse, (split.train, split.test, split.stride))
    boundary = after(floor(left.first, step.unit), train)
    return boundary + (after(boundary, test) - boundary) // 2 <= left.last


def _check_share(split: Chronological | Random, rows: int) -> None:
    tested = max(1, round(rows * split.test)) if isinstance(split, Chronological) else int(rows * split.test)
    if not tested:
        raise BadRecipe.at("split.test", expected=f"a share that is at least one of {rows:,} rows", found=split.test)
    if rows - tested < MIN_TRAIN_ROWS:
        expected = f"a share that leaves {MIN_TRAIN_ROWS} of {rows:,} rows to train on"
        raise BadRecipe.at("split.test", expected=expected, found=split.test)
