"""Calendar arithmetic against Python's own."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecastle.training.spans import Span, after, floor, spell

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - UTC is given beside


def instant(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def at(text: str) -> int:
    return instant(datetime.fromisoformat(text).replace(tzinfo=UTC))


@given(moment=moments, count=st.integers(1, 500))
def test_days_weeks_and_hours_are_of_fixed_length(moment: datetime, count: int) -> None:
    for unit, length in (("d", timedelta(days=1)), ("w", timedelta(weeks=1)), ("h", timedelta(hours=1))):
        assert after(instant(moment), Span.parse(f"{count}{unit}")) == instant(moment + count * length)


@given(moment=moments, count=st.integers(1, 500))
def test_a_month_later_is_the_same_day_of_the_month_or_its_last(moment: datetime, count: int) -> None:
    later = EPOCH + timedelta(microseconds=after(instant(moment), Span.parse(f"{count}mo")))
    assert (later.year * 12 + later.month) - (moment.year * 12 + moment.month) == count
    assert later.time() == moment.time()
    assert later.day == moment.day or ((later + timedelta(days=1)).day == 1 and later.day < moment.day)


def test_a_month_after_the_end_of_january_is_the_end_of_february() -> None:
    assert after(at("2019-01-31T15:00"), Span(1, "mo")) == at("2019-02-28T15:00")
    assert after(at("2020-02-29"), Span(1, "y")) == at("2021-02-28")
    assert after(at("2020-01-31"), Span(1, "mo"), 2) == at("2020-03-31")


@given(moment=moments)
def test_the_start_of_a_unit(moment: datetime) -> None:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    assert floor(instant(moment), "y") == instant(midnight.replace(month=1, day=1))
    assert floor(instant(moment), "mo") == instant(midnight.replace(day=1))
    assert floor(instant(moment), "w") == instant(midnight - timedelta(days=moment.weekday()))
    assert floor(instant(moment), "d") == instant(midnight)
    assert floor(instant(moment), "h") == instant(moment.replace(minute=0, second=0, microsecond=0))


@pytest.mark.parametrize(
    ("text", "spelled"), [("2020-01-02", "2020-01-02"), ("2020-01-02T03:04:05", "2020-01-02T03:04:05Z")]
)
def test_an_instant_is_spelled_as_short_as_it_can_be(text: str, spelled: str) -> None:
    assert spell(at(text)) == spelled
