"""Prepares a table for features: selects keys, resamples bars, joins context series."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import cast

import polars as pl

from forecastle.errors import clip
from forecastle.features import limits
from forecastle.features.errors import BadFrame
from forecastle.features.table import plain

_TIMEFRAME = re.compile(r"([1-9][0-9]{0,3})(m|min|h|d|w)")
_UNITS = {"m": "m", "min": "m", "h": "h", "d": "d", "w": "w"}
_END = "end of the bucket"


def prepare(
    frame: pl.DataFrame,
    *,
    time: str | None,
    keys: Sequence[str],
    timeframe: str | None = None,
    context: Mapping[str, pl.DataFrame] | None = None,
    select_keys: Sequence[str] = (),
    until: datetime | None = None,
) -> pl.DataFrame:
    """The table that features are computed over, sorted by time and keys.

    Args:
        frame: the dataset's rows.
        time: its time column.
        keys: its key columns.
        timeframe: length of the bars to make, such as `5m`, `1h`, `1d`, `1w`; None leaves the rows as they are.
        context: by name, series with one row a time; their columns are joined on time as `column_NAME`.
        select_keys: values of key columns to keep, in any case; empty keeps all.
        until: how far time has come, where the table itself does not show it; completes the last bar.

    Raises:
        BadFrame: a key is unknown, the timeframe is malformed, or a context series cannot be joined.
        TooManyMissing: the join loses more rows than its limit.
    """
    selected = select(frame, keys, select_keys) if select_keys else frame
    if not timeframe and not context:
        return selected
    if time is None:
        field = "timeframe" if timeframe else "context"
        raise BadFrame.at(field, expected="a table with a time column", found="one without")
    # How far time has come shows in the whole table, so that a key whose rows have ended still closes its last bar.
    latest = until or _latest(frame, time)
    if timeframe:
        selected = resample(selected, timeframe, time=time, keys=keys, until=latest)
    for name, series in (context or {}).items():
        instant = time_of(name, series.schema, time)
        if timeframe:
            series = resample(series, timeframe, time=instant, keys=(), until=until)  # noqa: PLW2901 same series, as bars
        selected = join(selected, name, series, time=time, context_time=instant)
    return selected.sort(time, *keys)


def prepared_schema(
    schema: Mapping[str, pl.DataType],
    *,
    time: str | None,
    context: Mapping[str, Mapping[str, pl.DataType]] | None = None,
) -> pl.Schema:
    """The schema that `prepare` gives, from the schemas of the dataset and of the context series.

    Raises:
        BadFrame: a context series has not one time column, or the name of one of its columns is taken.
    """
    joined = pl.Schema(schema)
    for name, columns in (context or {}).items():
        instant = time_of(name, columns, time or "")
        suffixed = {f"{column}_{name}": dtype for column, dtype in columns.items() if column != instant}
        _refuse_taken(name, suffixed, joined)
        joined.update(suffixed)
    return joined


def select(frame: pl.DataFrame, keys: Sequence[str], values: Sequence[str]) -> pl.DataFrame:
    """The rows in which some key column has one of the values, whatever their case.

    Raises:
        BadFrame: there are no key columns, or a value is in none of them.
    """
    if not keys:
        raise BadFrame.at("keys", expected="none, since the table has no key columns", found=", ".join(values))
    known = {text.upper(): text for key in keys for text in frame.get_column(key).cast(pl.String).unique().drop_nulls()}
    for value in values:
        if value.upper() not in known:
            near = get_close_matches(value.upper(), known, n=3) or sorted(known)[:5]
            names = ", ".join(clip(known[match]) for match in near)
            raise BadFrame.at("keys", expected=f"values of {' or '.join(keys)} such as {names}", found=value)
    wanted = [value.upper() for value in values]
    return frame.filter(pl.any_horizontal(pl.col(key).cast(pl.String).str.to_uppercase().is_in(wanted) for key in keys))


def resample(
    frame: pl.DataFrame, timeframe: str, *, time: str, keys: Sequence[str], until: datetime | None = None
) -> pl.DataFrame:
    """Bars of `timeframe`, each labelled by its END: a bar is known from its own time on.

    A bar holds the rows from its start up to, but not including, its end. Open is the first value, high the greatest,
    low the least, close the last, volume the sum, vwap the mean weighted by volume, anything else the last. A bar that
    is not proved complete by a row at or after its end, or by `until`, is left out.

    Raises:
        BadFrame: the timeframe is malformed.
    """
    every = _every(timeframe)
    values = [name for name in frame.columns if name not in {time, *keys}]
    bars = (
        frame.with_columns(pl.col(time).dt.truncate(every).dt.offset_by(every).alias(_END))
        .group_by(_END, *keys, maintain_order=True)
        .agg(_aggregate(name, values) for name in values)
        .rename({_END: time})
    )
    latest = until or _latest(frame, time)
    return bars.filter(pl.col(time) <= latest).select(frame.columns).sort(time, *keys)


def time_of(name: str, series: Mapping[str, pl.DataType], time: str) -> str:
    """The context series' own time column: of the same name as the dataset's, else its only one.

    Raises:
        BadFrame: there is none, or more than one.
    """
    times = [column for column, dtype in series.items() if dtype.is_temporal()]
    if time in times:
        return time
    if len(times) != 1:
        raise BadFrame.at(f"context.{name}", expected="one time column", found=", ".join(times) or "none")
    return times[0]


def join(frame: pl.DataFrame, name: str, series: pl.DataFrame, *, time: str, context_time: str) -> pl.DataFrame:
    """Adds a context series' columns as `column_NAME` to the rows that share its times; others are lost.

    Raises:
        BadFrame: the series has several rows for one time, or a name is taken.
        TooManyMissing: more rows are lost than the limit allows.
    """
    twice = series.filter(pl.col(context_time).is_duplicated())
    if twice.height:
        moment = twice.get_column(context_time)[0]
        raise BadFrame.at(f"context.{name}", expected="one row a time", found=f"several at {moment}")
    suffixed = {column: f"{column}_{name}" for column in series.columns if column != context_time}
    _refuse_taken(name, suffixed.values(), frame.columns)
    joined = frame.join(
        series.rename(suffixed), left_on=time, right_on=context_time, how="inner", maintain_order="left"
    )
    limits.check("after joining", lost=frame.height - joined.height, of=frame.height, blame=[name])
    return joined


def _aggregate(name: str, names: Sequence[str]) -> pl.Expr:
    known = pl.col(name).drop_nulls()
    match plain(name).removeprefix("adj").lstrip("_"):
        case "open":
            return known.first()
        case "high":
            return pl.col(name).max()
        case "low":
            return pl.col(name).min()
        case "volume":
            return pl.when(known.len() > 0).then(_total(pl.col(name)))
        case "vwap":
            return _weighted(name, names)
        case _:
            return known.last()


def _weighted(name: str, names: Sequence[str]) -> pl.Expr:
    """Mean weighted by volume; the plain mean where nothing was traded or volumes are unknown."""
    volume = next((other for other in names if plain(other) == "volume"), None)
    count = pl.col(name).count()
    mean = pl.when(count > 0).then(_total(pl.col(name)) / count)
    if volume is None:
        return mean
    weight = pl.when(pl.col(name).is_not_null()).then(pl.col(volume).fill_null(0)).otherwise(0)
    traded = _total(weight)
    return pl.when(traded > 0).then(_total(pl.col(name) * weight) / traded).otherwise(mean)


def _total(values: pl.Expr) -> pl.Expr:
    """The sum over a bar from that bar's values alone: the plain one adds in another order in another table."""
    return values.fill_null(0).implode().list.sum()


def _latest(frame: pl.DataFrame, time: str) -> datetime | None:
    return cast("datetime | None", frame.get_column(time).max())


def _every(timeframe: str) -> str:
    match = _TIMEFRAME.fullmatch(timeframe.strip().lower())
    if match is None or "M" in timeframe:  # to many a capital M is a month
        expected = "a number and m, h, d or w, such as 5m, 1h or 1d"
        raise BadFrame.at("timeframe", expected=expected, found=timeframe.strip() or "an empty text")
    return match[1] + _UNITS[match[2]]


def _refuse_taken(name: str, columns: Iterable[str], taken: Collection[str]) -> None:
    for column in columns:
        if column in taken:
            raise BadFrame.at(f"context.{name}", expected="names that are free", found=f"a column {column} already")
