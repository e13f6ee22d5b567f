"""Terms of the calendar, in UTC, from the time of the row or another time column.

Times reach a kernel as microseconds since 1970-01-01 in float64, missing as NaN.
"""

from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from forecastle.features.functions.declare import ROW_TIME, Dates, Series, Values, clocked, outputs, row

_TIME = Series(ROW_TIME, accepts="time")
_MINUTE, _DAY = 60_000_000, 86_400_000_000


def _cycle(values: Values, period: float | Values) -> tuple[Values, ...]:
    angle = 2.0 * np.pi * values / period
    return values, np.sin(angle), np.cos(angle)


def _named(name: str, what: str) -> dict[str, str]:
    return {
        name: f"{what}.",
        f"{name}_sin": f"Sine of the {what[0].lower()}{what[1:].partition(' (')[0]} on its cycle.",
        f"{name}_cos": f"Cosine of the {what[0].lower()}{what[1:].partition(' (')[0]} on its cycle.",
    }


@outputs("row", _named("minute_of_day", "Minute of the day (0-1439)"), time=_TIME)
def _minute_of_day(time: Values) -> tuple[Values, ...]:
    return _cycle(np.floor(np.mod(time, _DAY) / _MINUTE), 1440.0)


@outputs("row", _named("weekday", "Day of the week (Monday 0, Sunday 6)"), time=_TIME)
def _weekday(time: Values) -> tuple[Values, ...]:
    return _cycle(np.mod(np.floor(time / _DAY) + 3.0, 7.0), 7.0)


@outputs("row", _named("month", "Month of the year (1-12)"), time=_TIME)
def _month(time: Values) -> tuple[Values, ...]:
    months = _units(time, "M")
    return _cycle(np.mod(months, 12.0) + 1.0, 12.0)


@outputs("row", _named("day_of_month", "Day of the month (1-31)"), time=_TIME)
def _day_of_month(time: Values) -> tuple[Values, ...]:
    days, first = _units(time, "D"), _first_day(time, "M")
    length = _first_day(time, "M", later=1) - first
    return days - first + 1.0, *_cycle(days - first, length)[1:]


@outputs("row", _named("day_of_year", "Day of the year (1-366)"), time=_TIME)
def _day_of_year(time: Values) -> tuple[Values, ...]:
    days, first = _units(time, "D"), _first_day(time, "Y")
    length = _first_day(time, "Y", later=1) - first
    return days - first + 1.0, *_cycle(days - first, length)[1:]


@row("year()", time=_TIME)
def year(time: Values) -> Values:
    """Year of the calendar."""
    return _units(time, "Y") + 1970.0


@row("hour()", time=_TIME)
def hour(time: Values) -> Values:
    """Hour of the day (0-23)."""
    return np.floor(np.mod(time, _DAY) / (60 * _MINUTE))


@clocked('days_until("2026-06-11", "2026-07-19")', dates=Dates())
def days_until(time: Values, *dates: Values | float) -> Values:
    """Days to the next of the given dates, or to the date in a time column; missing once it has passed."""
    ahead = [np.where(date >= time, date - time, np.inf) for date in dates]
    nearest = np.minimum.reduce(ahead)
    return np.where(np.isfinite(nearest), nearest / _DAY, np.nan)


def microseconds(text: str) -> float | None:
    """An ISO 8601 date or time as microseconds since 1970 (naive is UTC), None when it is not one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6


def _units(time: Values, unit: Literal["Y", "M", "D"]) -> Values:
    """Whole years, months or days since 1970, NaN where the time is missing."""
    return _float(_instants(time).astype(f"datetime64[{unit}]"))


def _first_day(time: Values, unit: Literal["Y", "M"], later: int = 0) -> Values:
    """Days since 1970 of the first day of this year or month, or of one `later`."""
    return _float((_instants(time).astype(f"datetime64[{unit}]") + later).astype("datetime64[D]"))


def _instants(time: Values) -> NDArray[np.datetime64]:
    missing = np.isnan(time)
    instants = np.where(missing, 0.0, time).astype(np.int64).astype("datetime64[us]")
    instants[missing] = np.datetime64("NaT")
    return instants


def _float(instants: NDArray[np.datetime64]) -> Values:
    numbers = instants.astype(np.int64).astype(np.float64)
    numbers[np.isnat(instants)] = np.nan
    return numbers
