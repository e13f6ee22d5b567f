import asyncio
from datetime import UTC, datetime

import pytest

from forecastle.jobs.events import (
    EventHub,
    JobEvent,
    JobEvents,
    Logged,
    Missed,
    Overrun,
    Progressed,
    StatusChanged,
    Subscription,
    Told,
)
from forecastle.jobs.machine import Status
from forecastle.jobs.numbers import Numbers

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _status(number: int, status: Status = "training", job_id: str = "job") -> StatusChanged:
    return StatusChanged(job_id, number, "train", status, 1, NOW, None)


def _line(number: int, job_id: str = "job") -> Logged:
    return Logged(job_id, number, NOW, f"line {number}")


async def _taken(subscription: Subscription) -> list[Told]:
    events = list[Told]()
    while (event := await subscription.take(0.001)) is not None:
        events.append(event)
    return events


async def test_events_come_in_order_and_of_progress_the_latest() -> None:
    subscription = Subscription()
    halves = [Progressed("job", share, "") for share in (0.1, 0.2)]
    other = Progressed("other", 0.7, "")
    for event in (_status(1), halves[0], _line(1), other, halves[1], _line(2)):
        subscription.offer(event)
    assert await _taken(subscription) == [_status(1), _line(1), other, halves[1], _line(2)]


async def test_a_slow_subscriber_loses_progress_and_lines_and_no_status() -> None:
    subscription = Subscription(room=4)
    statuses = [_status(number) for number in range(10)]
    for number, status in enumerate(statuses):
        subscription.offer(status)
        subscription.offer(_line(number))
        subscription.offer(Progressed(f"job {number}", 0.5, ""))
    assert await _taken(subscription) == [Missed(10), *statuses]


async def test_a_subscriber_that_takes_nothing_is_given_up_before_it_fills_the_memory() -> None:
    subscription = Subscription(room=4, max_statuses=8)
    for number in range(100):
        subscription.offer(_status(number))
    assert len(subscription._waiting) < 12
    with pytest.raises(Overrun):
        await subscription.take(0.001)


async def test_who_waits_is_woken_by_an_event_and_by_the_end() -> None:
    subscription = Subscription()
    waiting = asyncio.create_task(subscription.take(60))
    await asyncio.sleep(0)
    subscription.offer(_line(1))
    assert await waiting == _line(1)
    waiting = asyncio.create_task(subscription.take(60))
    await asyncio.sleep(0)
    subscription.close()
    assert await waiting is None
    assert subscription.closed


async def test_everyone_gets_what_they_subscribed_to() -> None:
    hub = EventHub()
    port: JobEvents = hub
    events: list[JobEvent] = [_status(1), _line(1), _status(2, job_id="other"), _line(2, job_id="other")]
    with hub.subscribe("job") as one, hub.subscribe() as everything:
        for event in events:
            port.publish(event)
        assert await _taken(one) == [_status(1), _line(1)]
        assert await _taken(everything) == [_status(1), _status(2, job_id="other")]
    port.publish(_status(3))
    assert await _taken(one) == []


def test_a_number_that_shows_late_is_looked_for_until_it_comes_or_is_given_up() -> None:
    numbers = Numbers(last=10)
    numbers.see([11, 14], now_s=0)
    assert (numbers.last, list(numbers.missing)) == (14, [12, 13])
    numbers.see([12], now_s=30)
    assert list(numbers.missing) == [13]
    numbers.see([16], now_s=59)
    assert list(numbers.missing) == [13, 15]
    numbers.see([], now_s=61)
    assert list(numbers.missing) == [15]


def test_a_wide_gap_does_not_fill_the_memory() -> None:
    numbers = Numbers(last=10)
    numbers.see([10_000_000], now_s=0)
    assert len(numbers.missing) == 1000
