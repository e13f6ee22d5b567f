"""Dates and times of day as people write them."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastle.data.dates import ORDERS, is_clock, is_date, is_impossible, parse_clock, parse_dates, read_date_format
from forecastle.errors import BadInput

MOMENTS = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1))  # noqa: DTZ001 - naive is UTC


def one(text: str, order: str) -> datetime | None:
    found: datetime | None = parse_dates(pl.Series([text]), order)[0]
    return found


@pytest.mark.parametrize(
    ("order", "text", "expected"),
    [
        ("Y-M-D", "2020-01-05", datetime(2020, 1, 5, tzinfo=UTC)),
        ("Y-M-D", "2020/1/5", datetime(2020, 1, 5, tzinfo=UTC)),
        ("Y-M-D", "2020-01-05 3:04", datetime(2020, 1, 5, 3, 4, tzinfo=UTC)),
        ("Y-M-D", "2020-01-05T03:04:05.25Z", datetime(2020, 1, 5, 3, 4, 5, 250_000, tzinfo=UTC)),
        ("Y-M-D", "2020-01-05T03:04:05.123456789", datetime(2020, 1, 5, 3, 4, 5, 123_456, tzinfo=UTC)),
        ("Y-M-D", "2020-01-05 10:00+02:00", datetime(2020, 1, 5, 8, tzinfo=UTC)),
        ("Y-M-D", "2020-01-05 10:00 -0530", datetime(2020, 1, 5, 15, 30, tzinfo=UTC)),
        ("Y-M-D", "2020-01-05 10:00:00 UTC", datetime(2020, 1, 5, 10, tzinfo=UTC)),
        ("D/M/Y", "31/12/1999", datetime(1999, 12, 31, tzinfo=UTC)),
        ("D/M/Y", "31.12.1999 23:59", datetime(1999, 12, 31, 23, 59, tzinfo=UTC)),
        ("D/M/Y", "31/12/68", datetime(2068, 12, 31, tzinfo=UTC)),
        ("D/M/Y", "31/12/69", datetime(1969, 12, 31, tzinfo=UTC)),
        ("M/D/Y", "12/31/1999", datetime(1999, 12, 31, tzinfo=UTC)),
        ("M/D/Y", "1/2/2020 5:06 pm", datetime(2020, 1, 2, 17, 6, tzinfo=UTC)),
        ("M/D/Y", "1/2/2020 12:00 AM", datetime(2020, 1, 2, tzinfo=UTC)),
        ("D MONTH Y", "5 Jan 2020", datetime(2020, 1, 5, tzinfo=UTC)),
        ("D MONTH Y", "05-Sept-20", datetime(2020, 9, 5, tzinfo=UTC)),
        ("MONTH D Y", "January 5, 2020", datetime(2020, 1, 5, tzinfo=UTC)),
        ("%d.%m.%y %H:%M", "05.01.20 13:05", datetime(2020, 1, 5, 13, 5, tzinfo=UTC)),
        ("%Y-%m-%dT%H:%M:%S%z", "2020-01-01T00:00:00+0200", datetime(2019, 12, 31, 22, tzinfo=UTC)),
    ],
)
def test_reads_a_date_of_its_order(order: str, text: str, expected: datetime) -> None:
    assert one(text, order) == expected


@pytest.mark.parametrize(
    ("order", "text"),
    [
        ("Y-M-D", "2020-02-30"),
        ("Y-M-D", "2020-13-01"),
        ("Y-M-D", "20-01-01"),
        ("Y-M-D", "2020-01-01 25:00"),
        ("Y-M-D", "2020-01-01 12:60"),
        ("Y-M-D", "2020-01-01 and more"),
        ("D/M/Y", "12/31/1999"),
        ("M/D/Y", "31/12/1999"),
        ("M/D/Y", "1/2/2020 13:00 pm"),
        ("D MONTH Y", "5 Foo 2020"),
        ("Y-M-D", "12.5"),
        ("D/M/Y", ""),
    ],
)
def test_anything_else_is_null(order: str, text: str) -> None:
    assert one(text, order) is None


@settings(max_examples=50, deadline=None)
@given(st.lists(MOMENTS, min_size=1, max_size=5), st.sampled_from(["%Y-%m-%d %H:%M:%S.%f", "%Y/%m/%dT%H:%M:%S.%fZ"]))
def test_what_is_written_is_read(moments: list[datetime], pattern: str) -> None:
    read = parse_dates(pl.Series([moment.strftime(pattern) for moment in moments]), "Y-M-D")
    assert read.to_list() == [moment.replace(tzinfo=UTC) for moment in moments]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dates(min_value=date(1970, 1, 1), max_value=date(2068, 12, 31)), min_size=1, max_size=5))
def test_a_column_may_mix_long_and_short_years(days: list[date]) -> None:
    texts = [day.strftime("%d/%m/%y" if i % 2 else "%d/%m/%Y") for i, day in enumerate(days)]
    assert [moment.date() for moment in parse_dates(pl.Series(texts), "D/M/Y")] == days


@pytest.mark.parametrize("order", ORDERS)
def test_missing_values_stay_missing(order: str) -> None:
    texts = pl.Series([None, None], dtype=pl.String)
    assert parse_dates(texts, order).null_count() == 2
    assert parse_dates(texts, order).dtype == pl.Datetime("us", "UTC")


def test_reads_times_of_day() -> None:
    read = parse_clock(pl.Series(["9:05", "09:05:01.5", "12:00 am", "24:00", "x", None]))
    assert read.to_list() == [
        timedelta(hours=9, minutes=5),
        timedelta(hours=9, minutes=5, seconds=1.5),
        timedelta(0),
        None,
        None,
        None,
    ]


@pytest.mark.parametrize("text", ["31/02/2020", "2019-02-29", "13/13/2020", "2020-01-01 25:00", "30 Feb 2020"])
def test_tells_dates_that_do_not_exist(text: str) -> None:
    assert is_impossible(text)


@pytest.mark.parametrize("text", ["29/02/2020", "12/31/1999", "yesterday", "12.5", ""])
def test_other_texts_are_not_impossible(text: str) -> None:
    assert not is_impossible(text)


def test_tells_dates_and_clocks_from_other_texts() -> None:
    assert is_date("1/2/2020")
    assert not is_date("1.5")
    assert is_clock("17:30:00")
    assert not is_clock("2020-01-01")


@pytest.mark.parametrize(
    ("typed", "order"), [("d/m/y", "D/M/Y"), ("M-D-Y", "M/D/Y"), ("Y-M-D", "Y-M-D"), ("%d%m%Y", "%d%m%Y")]
)
def test_reads_a_date_format(typed: str, order: str) -> None:
    assert read_date_format(typed) == order


@pytest.mark.parametrize("typed", ["yesterday", "%H", "%Q", ""])
def test_refuses_what_is_no_date_format(typed: str) -> None:
    with pytest.raises(BadInput, match="date_format: expected D/M/Y"):
        read_date_format(typed)
