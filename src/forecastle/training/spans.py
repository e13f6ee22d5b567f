"""Spans of the calendar, such as `3y`, `18mo`, `2w`, `90d` or `12h`, in UTC; instants are microseconds since 1970."""

import re
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

Unit = Literal["y", "mo", "w", "d", "h"]

PATTERN = r"^[1-9][0-9]{0,4}(y|mo|w|d|h)$"
MOST = 99_999
"""Units of a span; as many as the pattern lets through."""
_FIXED_US = {"w": 7 * 86_400_000_000, "d": 86_400_000_000, "h": 3_600_000_000}
_MONDAY_US = 4 * _FIXED_US["d"]
"""The first Monday of 1970, from which weeks are counted."""


@dataclass(frozen=True, slots=True)
class Span:
    """A number of calendar units."""

    count: int
    unit: Unit

    @classmethod
    def parse(cls, text: str) -> "Span":
        """The span that a text of `PATTERN` spells."""
        number, unit = re.findall(r"\d+|\D+", text)
        return cls(int(number), cast("Unit", unit))


def after(instant: int, span: Span, times: int = 1) -> int:
    """The instant `times` spans later. A month later than the 31st is the last day of a month that has fewer."""
    count = span.count * times
    if span.unit in _FIXED_US:
        return instant + count * _FIXED_US[span.unit]
    months = count * 12 if span.unit == "y" else count
    start = np.datetime64(instant, "us")
    month = start.astype("datetime64[M]")
    into = start - month.astype("datetime64[us]")
    then = month + months
    last_day = (then + 1).astype("datetime64[D]") - then.astype("datetime64[D]") - 1
    days = min(into.astype("timedelta64[D]"), last_day)
    return _instant(then.astype("datetime64[us]") + days + into % np.timedelta64(1, "D"))


def floor(instant: int, unit: Unit) -> int:
    """The start of the year, month, week (from Monday), day or hour that an instant lies in."""
    if unit in _FIXED_US:
        origin = _MONDAY_US if unit == "w" else 0
        return instant - (instant - origin) % _FIXED_US[unit]
    code = "Y" if unit == "y" else "M"
    return _instant(np.datetime64(instant, "us").astype(f"datetime64[{code}]").astype("datetime64[us]"))


def _instant(moment: np.datetime64) -> int:
    return int(moment.astype(np.int64))


def spell(instant: int) -> str:
    """An instant in ISO format, as short as it can be."""
    moment = np.datetime64(instant, "us")
    day = moment.astype("datetime64[D]")
    return str(day) if moment == day else f"{moment.astype('datetime64[s]')}Z"
