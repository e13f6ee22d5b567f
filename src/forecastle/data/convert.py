"""From the cells of a file to the typed columns of a table."""

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from forecastle.data.cleaning import clean
from forecastle.data.dates import INSTANT, parse_clock, parse_dates
from forecastle.data.numerals import plain
from forecastle.data.schema import ColumnPlan, Epoch, TablePlan

_MICROS: dict[Epoch, float] = {"s": 1e6, "ms": 1e3, "us": 1, "ns": 1e-3}


def convert(block: pl.DataFrame, plan: TablePlan, missing: tuple[str, ...]) -> pl.DataFrame:
    """The planned columns of a block; a column that does not occur in it is null."""
    cells = {column.name: column for column in clean(block, missing).iter_columns()}
    absent = pl.Series([None], dtype=pl.String).new_from_index(0, block.height)
    return pl.DataFrame([_column(cells, column, absent) for column in plan.columns])


def _column(cells: Mapping[str, pl.Series], plan: ColumnPlan, absent: pl.Series) -> pl.Series:
    first, *clock = (cells.get(name, absent) for name in plan.sources)
    values = _values(first if plan.sign is None else plain(first, plan.sign), plan)
    if clock:
        values = values + parse_clock(clock[0].cast(pl.String)).fill_null(timedelta())
    return values.cast(plan.dtype).alias(plan.name)


def _values(cells: pl.Series, plan: ColumnPlan) -> pl.Series:
    if plan.order is not None and cells.dtype == pl.String:
        return parse_dates(cells, plan.order)
    if plan.epoch is not None:
        return _from_epoch(cells, plan.epoch)
    if plan.kind == "boolean" and cells.dtype == pl.String:
        return cells.str.to_lowercase() == "true"
    if plan.dtype == pl.Int64 and cells.dtype == pl.String:
        return cells.cast(pl.Int64)
    return cells


def _from_epoch(cells: pl.Series, epoch: Epoch) -> pl.Series:
    if epoch in {"year", "day"}:
        pattern = "%Y%m%d"
        digits = cells.cast(pl.Int64).cast(pl.String) + ("0101" if epoch == "year" else "")
        return digits.str.to_datetime(pattern, time_unit="us", strict=False).dt.replace_time_zone("UTC")
    whole = cells.cast(pl.Int64, strict=False)
    if whole.null_count() == cells.null_count() and not cells.dtype.is_float():
        micros = whole // 1000 if epoch == "ns" else whole * int(_MICROS[epoch])
    else:
        micros = (cells.cast(pl.Float64) * _MICROS[epoch]).round().cast(pl.Int64)
    return micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").cast(INSTANT)
