"""Which series the datasets hold: what there is to train on.

A symbol is a value of a key column (a ticker, a city, a team); a dataset without keys is one series, whose symbol is
its own name. Symbols are found whatever their case.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import lru_cache
from typing import TypeAlias

import polars as pl

from forecastle.data.dataset import Dataset
from forecastle.data.errors import SymbolNotFound, TableDamaged, TableMissing
from forecastle.data.storage import TableStore

MAX_SYMBOLS = 1_000
HELD_TABLES = 256
TIMEFRAMES: Mapping[str, int] = {
    "1m": 60,
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1h": 3_600,
    "4h": 14_400,
    "1d": 86_400,
    "1w": 604_800,
}
"""Usual lengths of bars, in seconds; a recipe may name others."""


@dataclass(frozen=True, slots=True)
class Series:
    """The rows of a dataset that belong to one symbol."""

    symbol: str
    dataset: str
    key: str | None
    """The key column it is a value of; None for a dataset without keys."""
    rows: int
    first_time: datetime | None
    last_time: datetime | None


@dataclass(frozen=True, slots=True)
class DataOptions:
    """What a dataset offers to a recipe."""

    dataset: str
    rows: int
    time: str | None
    keys: tuple[str, ...]
    first_time: datetime | None
    last_time: datetime | None
    spacing_s: float | None
    """Usual time from one row of a series to its next, in seconds."""
    timeframes: tuple[str, ...]
    """Usual bars that its rows can be gathered in."""
    columns: tuple[str, ...]
    targets: tuple[str, ...]
    """Columns that can be predicted as numbers."""
    symbols: tuple[str, ...]
    """In alphabetical order, at most 1,000."""
    symbols_total: int


_Counted: TypeAlias = tuple[str, str, int, datetime | None, datetime | None]
"""Key column, value, rows, first and last time of one series."""


@dataclass(frozen=True, slots=True)
class _Contents:
    """What has to be looked up in the table itself. Tables never change, so it is looked up once."""

    series: tuple[_Counted, ...]
    spacing_s: float | None


def options(store: TableStore, datasets: Sequence[Dataset]) -> tuple[DataOptions, ...]:
    """What each dataset offers; one whose table is lost or damaged is left out. Blocks."""
    return tuple(_options(dataset, contents) for dataset, contents in _read_all(store, datasets))


def find(store: TableStore, datasets: Sequence[Dataset], symbol: str) -> tuple[Series, ...]:
    """The series of a symbol, one for each dataset and key column that holds it. Blocks.

    Raises:
        SymbolNotFound: no dataset holds it; those that are close are suggested.
    """
    known = [series for dataset, contents in _read_all(store, datasets) for series in _series(dataset, contents)]
    found = tuple(series for series in known if series.symbol.casefold() == symbol.casefold())
    if not found:
        near = get_close_matches(symbol.upper(), {series.symbol.upper() for series in known}, n=3)
        raise SymbolNotFound(symbol, near=near)
    return found


def by_symbol(store: TableStore, datasets: Sequence[Dataset]) -> dict[str, tuple[Series, ...]]:
    """The series of every symbol, in upper case, by symbol; at most 1,000 symbols of a dataset. Blocks."""
    found: dict[str, list[Series]] = {}
    for dataset, contents in _read_all(store, datasets):
        for series in _series(dataset, contents)[:MAX_SYMBOLS]:
            found.setdefault(series.symbol.upper(), []).append(series)
    return {symbol: tuple(found[symbol]) for symbol in sorted(found)}


def _read_all(store: TableStore, datasets: Sequence[Dataset]) -> list[tuple[Dataset, _Contents]]:
    found = []
    for dataset in datasets:
        try:
            contents = _contents(store, dataset.name, dataset.sha256, dataset.time, dataset.keys)
        except (TableMissing, TableDamaged):
            continue
        found.append((dataset, contents))
    return found


@lru_cache(maxsize=HELD_TABLES)
def _contents(store: TableStore, name: str, sha256: str, time: str | None, keys: tuple[str, ...]) -> _Contents:
    with store.scan(name, sha256) as table:
        return _Contents(_counted(table, time, keys), _spacing(table, time, keys))


def _counted(table: pl.LazyFrame, time: str | None, keys: Sequence[str]) -> tuple[_Counted, ...]:
    moments = [] if time is None else [pl.col(time).min().alias("first"), pl.col(time).max().alias("last")]
    series = []
    for key in keys:
        counted = table.group_by(pl.col(key).cast(pl.String).alias("value")).agg(pl.len().alias("rows"), *moments)
        found = counted.drop_nulls("value").sort("value").collect().iter_rows(named=True)
        series += [(key, row["value"], row["rows"], row.get("first"), row.get("last")) for row in found]
    return tuple(series)


def _spacing(table: pl.LazyFrame, time: str | None, keys: Sequence[str]) -> float | None:
    if time is None:
        return None
    gaps = pl.col(time).diff().over(list(keys)) if keys else pl.col(time).diff()
    usual = table.select(gaps.drop_nulls().dt.total_microseconds().median()).collect().item()
    return None if usual is None else float(usual) / 1e6


def _options(dataset: Dataset, contents: _Contents) -> DataOptions:
    symbols = sorted({series.symbol for series in _series(dataset, contents)})
    spacing_s = contents.spacing_s
    longer = [name for name, length_s in TIMEFRAMES.items() if spacing_s is not None and length_s > spacing_s]
    return DataOptions(
        dataset=dataset.name,
        rows=dataset.rows,
        time=dataset.time,
        keys=dataset.keys,
        first_time=dataset.first_time,
        last_time=dataset.last_time,
        spacing_s=spacing_s,
        timeframes=tuple(longer),
        columns=tuple(column.name for column in dataset.columns),
        targets=tuple(column.name for column in dataset.columns if column.kind == "number"),
        symbols=tuple(symbols[:MAX_SYMBOLS]),
        symbols_total=len(symbols),
    )


def _series(dataset: Dataset, contents: _Contents) -> list[Series]:
    if not dataset.keys:
        return [Series(dataset.name, dataset.name, None, dataset.rows, dataset.first_time, dataset.last_time)]
    return [
        Series(value, dataset.name, key, rows, _utc(first), _utc(last))
        for key, value, rows, first, last in contents.series
    ]


def _utc(moment: datetime | None) -> datetime | None:
    return moment and moment.astimezone(UTC)
