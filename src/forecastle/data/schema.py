"""Which kind each column has, which tells the time, which are keys: decided from the evidence of the whole file."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

from forecastle.data import refusals
from forecastle.data.dataset import ColumnKind
from forecastle.data.dates import INSTANT, is_impossible
from forecastle.data.errors import BadTable
from forecastle.data.evidence import Evidence
from forecastle.data.notation import Notation, find_notations
from forecastle.data.numerals import Reading, Sign
from forecastle.data.options import NO_TIME, ImportOptions
from forecastle.data.source import Source

Epoch = Literal["year", "day", "s", "ms", "us", "ns"]
"""What a number that is a time counts: a calendar year, YYYYMMDD, or units since 1970."""

Columns: TypeAlias = Mapping[str, Evidence]

TIME = "time"
_TIME_NAMES = ("time", "timestamp", "datetime", "date")
_TIME_WORD = re.compile(r"(^|[^a-z])(time|timestamp|datetime|date|unix|epoch|ts)([^a-z]|$)|time$", re.IGNORECASE)
_MACHINE_NAME = re.compile(r"Unnamed: \d+|__index_level_\d+__")
_EARLIEST_S, _LATEST_S = 315_532_800, 4_102_444_800  # 1980 and 2100
_EPOCHS: dict[Epoch, tuple[float, float]] = {
    "year": (1600, 2200),
    "day": (1600_01_01, 2200_12_31),
    "s": (_EARLIEST_S, _LATEST_S),
    "ms": (_EARLIEST_S * 1e3, _LATEST_S * 1e3),
    "us": (_EARLIEST_S * 1e6, _LATEST_S * 1e6),
    "ns": (_EARLIEST_S * 1e9, _LATEST_S * 1e9),
}


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """How one column is made from the file's."""

    name: str
    sources: tuple[str, ...]
    """The file's column, or a date column and one with the time of day."""
    kind: ColumnKind
    dtype: pl.DataType
    order: str | None = None
    """How dates are written, when they are text."""
    epoch: Epoch | None = None
    sign: Sign | None = None
    """The decimal sign of numbers that are not written as computers do."""
    note: str | None = None
    """What people should know of its kind."""


@dataclass(frozen=True, slots=True)
class TablePlan:
    """How the table is made from the file."""

    columns: tuple[ColumnPlan, ...]
    time: str | None
    keys: tuple[str, ...]


def decide(source: Source, evidence: Columns, options: ImportOptions) -> TablePlan:
    """Give every column its kind and the table its time and keys.

    Raises:
        BadTable: a column mixes numbers and words, its dates are ambiguous, an option names no column, …
    """
    columns = {name: column for name, column in evidence.items() if not _is_filler(source, column)} or evidence
    time = _find_time(source, columns, options)
    keys = _resolve_all(source, columns, options.keys, "keys")
    text = {*keys, *_resolve_all(source, columns, options.text, "text")}
    for key in keys:
        _check_key(source, columns[key], time)
    open_columns = [
        column for name, column in columns.items() if name not in {*text, *time} and not _is_logical(column)
    ]
    notations = find_notations(source, open_columns, options)
    plans = []
    for name, column in columns.items():
        if name in time[:1]:
            plans.append(_time_plan(source, columns, time, options))
        elif name in text:
            plans.append(ColumnPlan(name, (name,), "category", pl.String()))
        elif name not in time:
            plans.append(_plan(source, column, options, notations.get(name, Notation())))
    return TablePlan(tuple(plans), next((plan.name for plan in plans if plan.sources == time), None), keys)


def _is_unnamed(source: Source, name: str) -> bool:
    return name in source.unnamed or _MACHINE_NAME.fullmatch(name) is not None


def _is_filler(source: Source, column: Evidence) -> bool:
    """A column without a name that only numbers the rows, or holds nothing."""
    if not _is_unnamed(source, column.name):
        return False
    row_numbers = column.numbers == column.rows and column.whole and column.counting
    return not column.values or row_numbers


# Columns by name


def _resolve_all(source: Source, columns: Columns, names: Iterable[str], option: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_resolve(source, columns, name, option) for name in names))


def _resolve(source: Source, columns: Columns, name: str, option: str) -> str:
    """The column of that name, letter case aside when that is clear."""
    if name in columns:
        return name
    alike = [column for column in columns if column.lower() == name.strip().lower()]
    if len(alike) == 1:
        return alike[0]
    near = difflib.get_close_matches(name, columns, n=1)
    hint = f"did you mean {near[0]!r}?" if near else ""
    expected = f"one of the columns {', '.join(columns)} for {option}"
    raise BadTable(source.label, expected=expected[:400], found=repr(name), hint=hint)


# Time


def _find_time(source: Source, columns: Columns, options: ImportOptions) -> tuple[str, ...]:
    """The column that tells the time, or a date column and one with the time of day; empty without."""
    if options.time is None:
        return _guess_time(source, columns, options)
    if options.time.lower() == NO_TIME and options.time not in columns:
        return ()
    names = [options.time] if options.time in columns else options.time.split("+")
    if len(names) > 2:
        raise BadTable(source.label, expected="COLUMN or DATE+CLOCK for time", found=options.time)
    time = tuple(_resolve(source, columns, name, "time") for name in names)
    if len(time) == 2 and not columns[time[1]].is_clock:
        raise refusals.unlike(source, columns[time[1]], "a time of day", columns[time[1]].first_value)
    return time


def _guess_time(source: Source, columns: Columns, options: ImportOptions) -> tuple[str, ...]:
    found = [name for name, column in columns.items() if name not in options.text and _may_be_time(column)]
    plain = [name for name in found if name.lower() in _TIME_NAMES or _is_unnamed(source, name)]
    if len(found) > 1:
        found = plain or found
    if len(found) > 1:
        hint = f"say --time {found[0]}, another column, or --time none"
        raise BadTable(source.label, expected="one time column", found=", ".join(found), hint=hint)
    return _with_clock(columns, found[0]) if found else ()


def _with_clock(columns: Columns, date: str) -> tuple[str, ...]:
    names = list(columns)
    following = names[names.index(date) + 1 :][:1]
    return (date, *following) if following and columns[following[0]].is_clock else (date,)


def _may_be_time(column: Evidence) -> bool:
    if not column.values:
        return False
    named = column.name.lower() in _TIME_NAMES
    if column.missing and not named:
        return False
    if _is_instant(column.dtype) or column.orders():
        return True
    _, fit = column.nearest()
    if named and fit.fits:
        return True  # to be refused with the place of what is wrong
    return bool(_TIME_WORD.search(column.name)) and not column.words and _epoch(column) not in {None, "year"}


def _time_plan(source: Source, columns: Columns, time: tuple[str, ...], options: ImportOptions) -> ColumnPlan:
    column = columns[time[0]]
    if column.missing:
        row = column.first_missing or 0
        raise refusals.at(source, column, row, expected="a time in every row", found="none", hint="")
    others = columns.keys() - set(time)
    name = TIME if (len(time) == 2 or _is_unnamed(source, time[0])) and TIME not in others else time[0]
    if _is_instant(column.dtype):
        return ColumnPlan(name, time, "time", INSTANT)
    if column.words:
        return ColumnPlan(name, time, "time", INSTANT, order=_date_order(source, column, options))
    epoch = _epoch(column)
    if epoch is None:
        raise refusals.unlike(source, column, "dates, or times in seconds since 1970", column.first_value)
    return ColumnPlan(name, time, "time", INSTANT, epoch=epoch)


def _date_order(source: Source, column: Evidence, options: ImportOptions) -> str:
    orders = column.orders()
    if not orders:
        order, fit = column.nearest()
        miss = fit.first_miss or column.first_number
        if miss is not None and is_impossible(miss.value):
            raise refusals.impossible(source, column, miss, hint="correct it, or leave out the row")
        if not fit.fits:
            raise refusals.unlike(source, column, "a date", column.first_word)
        raise refusals.unlike(source, column, f"a date like the others ({order})", miss)
    if options.date_format in orders:
        return orders[0]
    if {"D/M/Y", "M/D/Y"} <= set(orders) and column.swap_matters:
        place = column.swap_matters
        as_text = f"keep it as text with --text {refusals.quoted(column.name)}"
        hint = f"say --date-format D/M/Y or --date-format M/D/Y, or {as_text}"
        expected = "some date that tells whether day or month comes first"
        raise refusals.at(source, column, place.row, expected=expected, found=place.value, hint=hint)
    return orders[0]


def _epoch(column: Evidence) -> Epoch | None:
    fitting = (epoch for epoch, (low, high) in _EPOCHS.items() if low <= column.low and column.high <= high)
    epoch = next(fitting, None)
    return None if epoch in {"year", "day"} and not column.whole else epoch


def _is_instant(dtype: pl.DataType | None) -> bool:
    return isinstance(dtype, pl.Datetime)


# Keys and values


def _check_key(source: Source, key: Evidence, time: tuple[str, ...]) -> None:
    if not time:
        hint = "say which column tells the time with --time COLUMN"
        raise BadTable(source.label, column=key.name, expected="a time column beside a key", found="none", hint=hint)
    if key.name in time:
        raise BadTable(source.label, column=key.name, expected="a key other than the time", found=key.name)
    if key.missing:
        raise refusals.at(source, key, key.first_missing or 0, expected="a key in every row", found="none", hint="")


def _plan(source: Source, column: Evidence, options: ImportOptions, notation: Notation) -> ColumnPlan:
    name, sources, note = column.name, (column.name,), notation.note
    if _is_instant(column.dtype):
        return ColumnPlan(name, sources, "time", INSTANT)
    if _is_logical(column):
        return ColumnPlan(name, sources, "boolean", pl.Boolean())
    if not column.words or notation.sign is not None:
        dtype = _number_type(source, column, notation.sign)
        return ColumnPlan(name, sources, "number", dtype, sign=notation.sign, note=note)
    if column.numbers > column.words:
        raise refusals.mixed(source, column, "a number", column.first_word)
    if column.orders():
        return ColumnPlan(name, sources, "time", INSTANT, order=_date_order(source, column, options))
    order, fit = column.nearest()
    if fit.fits > fit.misses:
        raise refusals.undated(source, column, order, fit.first_miss)
    return ColumnPlan(name, sources, "category", pl.String(), note=note)


def _is_logical(column: Evidence) -> bool:
    return column.dtype == pl.Boolean or (column.words > 0 and column.logical and not column.numbers)


def _number_type(source: Source, column: Evidence, sign: Sign | None) -> pl.DataType:
    reading = Reading() if sign is None else column.readings[sign]
    place = column.infinite or reading.infinite
    if place is not None:
        hint = f"count it as missing with --missing {place.value}"
        raise refusals.at(source, column, place.row, expected="a finite number", found=place.value, hint=hint)
    return pl.Int64() if column.whole and reading.whole and column.values else pl.Float64()
