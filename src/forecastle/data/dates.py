"""Dates and times of day as people write them."""

import re
from calendar import month_name
from datetime import UTC, datetime
from typing import Literal

import polars as pl

from forecastle.errors import BadInput

Order = Literal["Y-M-D", "D/M/Y", "M/D/Y", "D MONTH Y", "MONTH D Y"]

ORDERS: tuple[Order, ...] = ("Y-M-D", "D/M/Y", "M/D/Y", "D MONTH Y", "MONTH D Y")
CLOCK = "clock"
INSTANT = pl.Datetime("us", "UTC")

_YEAR = r"(?P<year>[0-9]{4}|[0-9]{2})"
_MONTH, _DAY = r"(?P<month>[0-9]{1,2})", r"(?P<day>[0-9]{1,2})"
_WORD = r"(?P<month>[A-Za-z]{3,9})\.?"
_CLOCK = (
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?"
    r"(?: ?(?P<half>[AaPp])[Mm])?"
)
_ZONE = r"(?: ?(?:Z|UTC|GMT|(?P<sign>[+-])(?P<zone_hour>[0-9]{2}):?(?P<zone_minute>[0-9]{2})?))?"
_REST = rf"(?:[T ] *{_CLOCK}{_ZONE})?$"
_PATTERNS: dict[Order, str] = {
    "Y-M-D": rf"^(?P<year>[0-9]{{4}})[-/.]{_MONTH}[-/.]{_DAY}{_REST}",
    "D/M/Y": rf"^{_DAY}[-/.]{_MONTH}[-/.]{_YEAR}{_REST}",
    "M/D/Y": rf"^{_MONTH}[-/.]{_DAY}[-/.]{_YEAR}{_REST}",
    "D MONTH Y": rf"^{_DAY}[ -]{_WORD}[ -]{_YEAR}{_REST}",
    "MONTH D Y": rf"^{_WORD}[ -]{_DAY},?[ -]{_YEAR}{_REST}",
}
#: What a text of each order, or a time of day, looks like, whether or not there is such a day.
SHAPES: dict[str, str] = {CLOCK: f"^{_CLOCK}$"} | dict(_PATTERNS)
_COMMON: dict[Order, tuple[str, ...]] = {
    "Y-M-D": ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d"),
    "D/M/Y": ("%d/%m/%Y", "%d.%m.%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S"),
    "M/D/Y": ("%m/%d/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S"),
    "D MONTH Y": (),
    "MONTH D Y": (),
}
_NAMED = {"Y/M/D": "Y-M-D", "D/M/Y": "D/M/Y", "M/D/Y": "M/D/Y"}
_EXPECTED_FORMAT = "D/M/Y, M/D/Y, Y/M/D or a strftime pattern such as %d.%m.%Y %H:%M"
_YEAR_1000 = -30_610_224_000_000_000  # in microseconds
_MONTHS = {
    name[:length].lower(): number for number, name in enumerate(month_name) if name for length in (3, 4, len(name))
}


def parse_dates(texts: pl.Series, order: str) -> pl.Series:
    """The instants that `texts` (String) name, as Datetime("us", "UTC"); null where one does not fit.

    A text without a zone is UTC. Two-digit years mean 1969 to 2068, as in POSIX.

    Args:
        texts: dates, each with or without a time of day.
        order: one of `ORDERS`, or a strftime pattern.
    """
    if order not in _PATTERNS:
        return _parse_exactly(texts, order)
    known: Order = order
    pattern = _common_format(texts, known)
    return _parse_freely(texts, known) if pattern is None else _parse_common(texts, known, pattern)


def parse_clock(texts: pl.Series) -> pl.Series:
    """The times of day that `texts` (String) name, as Duration("us") since midnight; null where one does not fit."""
    parts = texts.str.extract_groups(SHAPES[CLOCK]).struct.unnest()
    return parts.select(_since_midnight().alias(texts.name)).to_series()


def read_date_format(text: str) -> str:
    """A date format as people type it: the name of an order, or a strftime pattern.

    Raises:
        BadInput: it is neither.
    """
    named = _NAMED.get(text.strip().upper().replace("-", "/").replace(".", "/"))
    if named is not None:
        return named
    try:
        sample = pl.Series([datetime(2000, 1, 2, tzinfo=UTC).strftime(text)])
        usable = "%" in text and not _parse_exactly(sample, text).has_nulls()
    except (pl.exceptions.PolarsError, ValueError):
        usable = False
    if not usable:
        raise BadInput.at("date_format", expected=_EXPECTED_FORMAT, found=text)
    return text


def is_date(text: str) -> bool:
    """Whether `text` is a date in any order, with or without a time of day."""
    return any(
        re.match(pattern, text) is not None and parse_dates(pl.Series([text]), order).null_count() == 0
        for order, pattern in _PATTERNS.items()
    )


def is_impossible(text: str) -> bool:
    """Whether `text` is written like a date, but there is no such day or time of day."""
    return any(re.match(pattern, text) for pattern in _PATTERNS.values()) and not is_date(text)


def is_clock(text: str) -> bool:
    """Whether `text` is a time of day."""
    return re.match(SHAPES[CLOCK], text) is not None and parse_clock(pl.Series([text])).null_count() == 0


def _common_format(texts: pl.Series, order: Order) -> str | None:
    """The format of the first text, if it is one of those that are read fast."""
    first = texts[0] if len(texts) and not texts.null_count() else texts.drop_nulls().first()
    if not isinstance(first, str) or not re.match(_PATTERNS[order], first):
        return None
    return next((pattern for pattern in _COMMON[order] if _is_written(first, pattern)), None)


def _is_written(text: str, pattern: str) -> bool:
    try:
        datetime.strptime(text, pattern).replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def _parse_common(texts: pl.Series, order: Order, pattern: str) -> pl.Series:
    """By one pattern, which is five times as fast; the few that do not fit it are read freely."""
    parsed = _parse_exactly(texts, pattern)
    earliest = parsed.to_physical().min()
    # A year of two digits is no year of the first century.
    if parsed.null_count() == texts.null_count() and (earliest is None or int(str(earliest)) >= _YEAR_1000):
        return parsed
    odd = texts.is_not_null() & (parsed.is_null() | (parsed.dt.year() < 1000).fill_null(value=False))
    return parsed.zip_with(~odd, _parse_freely(texts, order))


def _parse_exactly(texts: pl.Series, pattern: str) -> pl.Series:
    parsed = texts.str.to_datetime(pattern, time_unit="us", strict=False, exact=True)
    zone = parsed.dtype.time_zone if isinstance(parsed.dtype, pl.Datetime) else None
    return parsed.dt.convert_time_zone("UTC") if zone else parsed.dt.replace_time_zone("UTC")


def _parse_freely(texts: pl.Series, order: Order) -> pl.Series:
    parts = texts.str.extract_groups(_PATTERNS[order]).struct.unnest()
    month = pl.col("month")
    if "MONTH" in order:
        month = month.str.to_lowercase().replace_strict(_MONTHS, default=None, return_dtype=pl.Int64)
    day = pl.concat_str(_full_year(), month.cast(pl.String).str.zfill(2), pl.col("day").str.zfill(2), separator="-")
    midnight = day.str.to_datetime("%Y-%m-%d", time_unit="us", strict=False)
    has_clock = pl.col("hour").is_not_null()
    clock = pl.when(has_clock).then(_since_midnight()).otherwise(pl.duration(time_unit="us"))
    instant = (midnight + clock - _offset()).dt.replace_time_zone("UTC")
    return parts.select(instant.alias(texts.name)).to_series()


def _full_year() -> pl.Expr:
    year = pl.col("year").cast(pl.Int64)
    century = pl.when(year < 69).then(2000).otherwise(1900)
    return pl.when(pl.col("year").str.len_bytes() == 2).then(year + century).otherwise(year).cast(pl.String)


def _since_midnight() -> pl.Expr:
    hour, minute, second = (pl.col(part).cast(pl.Int64) for part in ("hour", "minute", "second"))
    half = pl.col("half").str.to_lowercase()
    of_day = pl.when(half.is_null()).then(hour).otherwise(hour % 12 + pl.when(half == "p").then(12).otherwise(0))
    hour_fits = pl.when(half.is_null()).then(hour < 24).otherwise(hour.is_between(1, 12))
    fits = hour_fits & (minute < 60) & (second.fill_null(0) < 60)
    micros = pl.col("fraction").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64).fill_null(0)
    total = ((of_day * 60 + minute) * 60 + second.fill_null(0)) * 1_000_000 + micros
    return pl.when(fits).then(total).cast(pl.Duration("us"))


def _offset() -> pl.Expr:
    minutes = pl.col("zone_hour").cast(pl.Int64) * 60 + pl.col("zone_minute").cast(pl.Int64).fill_null(0)
    signed = pl.when(pl.col("sign") == "-").then(-minutes).otherwise(minutes).fill_null(0)
    return (signed * 60_000_000).cast(pl.Duration("us"))
