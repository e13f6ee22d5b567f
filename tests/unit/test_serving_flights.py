"""Work that many ask for at the same time is done once."""

import asyncio

import pytest

from forecastle.flights import Flights


class Work:
    """Counts how often it was begun, and ends when told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.end = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        await self.end.wait()
        return self.begun


async def test_those_who_ask_meanwhile_share_one_result() -> None:
    flights, work = Flights(), Work()
    asked = [asyncio.create_task(flights.once("key", work)) for _ in range(5)]
    await asyncio.sleep(0)
    work.end.set()
    assert await asyncio.gather(*asked) == [1] * 5
    assert await flights.once("key", work) == 2


async def test_different_keys_are_different_work() -> None:
    flights, work = Flights(), Work()
    work.end.set()
    await asyncio.gather(flights.once("a", work), flights.once("b", work))
    assert work.begun == 2


async def test_a_failure_reaches_all_and_is_not_kept() -> None:
    flights = Flights()

    async def fail() -> None:
        raise ZeroDivisionError

    answers = await asyncio.gather(*(flights.once("key", fail) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ZeroDivisionError] * 3
    with pytest.raises(ZeroDivisionError):
        await flights.once("key", fail)


async def test_whoever_stops_waiting_does_not_stop_the_work() -> None:
    flights, work = Flights(), Work()
    first, second = (asyncio.create_task(flights.once("key", work)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    work.end.set()
    assert await second == 1


async def test_closing_waits_for_what_is_under_way() -> None:
    flights, work = Flights(), Work()
    asked = asyncio.create_task(flights.once("key", work))
    await asyncio.sleep(0)
    asked.cancel()
    asyncio.get_running_loop().call_later(0.01, work.end.set)
    await flights.close()
    await asyncio.sleep(0)
    assert not flights._tasks
