"""Clocks tell an aware time in UTC and never run backwards."""

from datetime import UTC, datetime, timedelta

from forecastle.clock import ManualClock, SystemClock


def test_the_system_clock_tells_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert now.utcoffset() == timedelta(0)
    assert before <= now <= datetime.now(UTC)


def test_the_system_clock_measures_forwards() -> None:
    clock = SystemClock()
    first = clock.monotonic_s()
    assert clock.monotonic_s() >= first


def test_a_manual_clock_moves_only_when_told_to() -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    assert clock.now() == clock.now()
    clock.advance(90.5)
    assert clock.now() == datetime(2026, 1, 1, 0, 1, 30, 500_000, tzinfo=UTC)
    assert clock.monotonic_s() == 90.5
