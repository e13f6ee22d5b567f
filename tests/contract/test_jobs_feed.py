"""What those who listen to jobs are told, on every database."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import timedelta

import pytest
from sqlalchemy import text

from forecastle.clock import ManualClock
from forecastle.db import Database
from forecastle.jobs import leases, queue
from forecastle.jobs.events import Logged, Progressed, StatusChanged, Told
from forecastle.jobs.feed import JobFeed
from forecastle.jobs.job import Job
from forecastle.jobs.journal import Line, Report
from forecastle.jobs.listening import START, Heard, Position, listen_to_all, listen_to_job

POLL_S = 0.01


class Works:
    """A queue and what is done to it, each step in a transaction of its own."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database = database
        self.clock = clock

    async def submit(self) -> str:
        async with self.database.write() as session:
            made = await queue.submit(session, kind="echo", payload={}, dedupe=None, owner=None, now=self.clock.now())
        return made.job.id

    async def claim(self) -> Job:
        now = self.clock.now()
        async with self.database.write() as session:
            await leases.renew(session, "runner", until=now + timedelta(seconds=15))
            (job,) = await leases.claim(session, "runner", kinds=["echo"], limit=1, now=now)
        return job

    async def report(self, job: Job, share: float, *lines: str) -> None:
        logged = [Line(self.clock.now(), line) for line in lines]
        async with self.database.write() as session:
            report = Report(share, "on it", "training")
            assert await leases.record(session, "runner", job, report=report, lines=logged)

    async def complete(self, job: Job) -> None:
        async with self.database.write() as session:
            await leases.complete(session, "runner", job, now=self.clock.now())

    async def fail(self, job: Job, error: str) -> None:
        async with self.database.write() as session:
            await leases.fail(session, "runner", job, error=error, now=self.clock.now())


@pytest.fixture
def works(database: Database, clock: ManualClock) -> Works:
    return Works(database, clock)


@pytest.fixture
def feed(database: Database) -> JobFeed:
    return JobFeed(database, every_s=POLL_S)


async def _all(heard: AsyncGenerator[Heard, None]) -> list[Told]:
    async with asyncio.timeout(30):
        return [told async for _, told in heard if told is not None]


def _story(told: Sequence[Told | None]) -> list[object]:
    """Statuses, lines and shares, in a short form."""
    short: list[object] = []
    for event in told:
        match event:
            case StatusChanged(status=status):
                short.append(status)
            case Logged(text=line):
                short.append(f"> {line}")
            case Progressed(progress=share):
                short.append(share)
    return short


async def test_the_whole_story_of_a_job_that_has_ended_is_told_at_once(works: Works, feed: JobFeed) -> None:
    job_id = await works.submit()
    job = await works.claim()
    await works.report(job, 0.5, *(str(number) for number in range(1500)))
    await works.fail(job, "no luck")
    told = await _all(listen_to_job(feed, job_id))
    lines = [f"> {number}" for number in range(1500)]
    assert _story(told) == ["pending", "preprocessing", "training", *lines, "failed"]
    assert isinstance(told[-1], StatusChanged)
    assert (told[-1].error, told[-1].attempt, told[-1].kind) == ("no luck", 1, "echo")


async def test_what_happens_while_one_listens_is_told_as_it_happens(works: Works, feed: JobFeed) -> None:
    job_id = await works.submit()
    story: list[object] = []
    job: Job | None = None
    async with asyncio.timeout(30):
        async for _, told in listen_to_job(feed, job_id):
            assert told is not None
            (said,) = _story([told])
            story.append(said)
            match said:
                case "pending":
                    job = await works.claim()
                case "preprocessing" if job is not None:
                    await works.report(job, 0.25, "first")
                case "> first" if job is not None:
                    await works.report(job, 0.5)
                case 0.5 if job is not None:
                    await works.report(job, 0.75, "second")
                    await works.complete(job)
    assert [said for said in story if not isinstance(said, float)] == [
        "pending",
        "preprocessing",
        "training",
        "> first",
        "> second",
        "completed",
    ]
    assert 0.5 in story


async def test_one_goes_on_where_one_was(works: Works, feed: JobFeed) -> None:
    job_id = await works.submit()
    job = await works.claim()
    await works.report(job, 0.5, "one", "two")
    position = START
    async with aclosing(listen_to_job(feed, job_id)) as heard:
        async for at, told in heard:
            if isinstance(told, Logged) and told.text == "one":
                position = at
                break
    await works.complete(job)
    assert _story(await _all(listen_to_job(feed, job_id, position))) == ["> two", "completed"]


async def test_who_listens_to_all_is_told_of_every_job_but_not_of_logs(works: Works, feed: JobFeed) -> None:
    earlier = await works.submit()
    told: list[Told] = []

    async def listen() -> None:
        async for _, event in listen_to_all(feed):
            if event is not None:
                told.append(event)

    listening = asyncio.create_task(listen())
    await _until(lambda: feed.is_reading)
    job = await works.claim()
    later = await works.submit()
    await works.report(job, 0.5, "a line")
    await _until(lambda: Progressed(earlier, 0.5, "on it") in told)
    await works.complete(job)
    await _until(lambda: "completed" in _story(told))
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    by_job = [(event.job_id, event.status) for event in told if isinstance(event, StatusChanged)]
    assert by_job == [
        (earlier, "preprocessing"),
        (later, "pending"),
        (earlier, "training"),
        (earlier, "completed"),
    ]
    assert not any(isinstance(event, Logged) for event in told)


async def test_who_listens_to_all_again_is_told_what_happened_meanwhile(works: Works, feed: JobFeed) -> None:
    first = await works.submit()
    async with works.database.read() as session:
        (change,) = await queue.changes(session, first)
    second = await works.submit()
    told = []
    async with aclosing(listen_to_all(feed, Position(change.number))) as heard:
        async for _, event in heard:
            told.append(event)
            if isinstance(event, StatusChanged) and event.job_id == second:
                break
    assert _story(told)[-1] == "pending"


async def test_a_change_that_shows_after_later_ones_is_told_too(works: Works, feed: JobFeed) -> None:
    """On PostgreSQL a row gets its number before it is committed; on SQLite writers take turns, so none is late."""
    told: set[str] = set()

    async def listen() -> None:
        async for _, event in listen_to_all(feed):
            if isinstance(event, StatusChanged):
                told.add(event.job_id)

    listening = asyncio.create_task(listen())
    await _until(lambda: feed.is_reading)
    async with works.database.write() as session:
        late = await queue.submit(session, kind="echo", payload={}, dedupe=None, owner=None, now=works.clock.now())
        if works.database.dialect == "postgresql":
            quick = await works.submit()
            await _until(lambda: quick in told)
        assert late.job.id not in told
    await _until(lambda: late.job.id in told)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_the_database_is_left_alone_while_nobody_listens(works: Works, feed: JobFeed) -> None:
    job_id = await works.submit()
    reading = [feed.is_reading]
    async with aclosing(listen_to_job(feed, job_id)) as heard:
        await anext(heard)
        reading.append(feed.is_reading)
        polling = feed._polling
    assert [*reading, feed.is_reading] == [False, True, False]
    assert polling is not None
    assert polling.done()
    assert feed._lines == {}


async def test_the_feed_outlives_an_outage(works: Works, feed: JobFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecastle.jobs.feed.RETRY_S", POLL_S)
    job_id = await works.submit()
    story = []
    async with asyncio.timeout(30):
        async for _, told in listen_to_job(feed, job_id):
            story += _story([told] if told is not None else [])
            if story == ["pending"]:
                await _execute(works.database, "ALTER TABLE job_changes RENAME TO away")
                await asyncio.sleep(10 * POLL_S)
                await _execute(works.database, "ALTER TABLE away RENAME TO job_changes")
                async with works.database.write() as session:
                    await queue.cancel(session, job_id, now=works.clock.now())
    assert story == ["pending", "cancelled"]


async def test_when_the_feed_is_closed_everybody_stops_listening(works: Works, feed: JobFeed) -> None:
    job_id = await works.submit()
    listening = [
        asyncio.create_task(_all(listen_to_job(feed, job_id))),
        asyncio.create_task(_all(listen_to_all(feed))),
    ]
    await _until(lambda: feed._listeners.total() == 2)
    feed.close()
    assert _story((await asyncio.gather(*listening))[0]) in (["pending"], [])
    assert not feed.is_reading


async def _execute(database: Database, statement: str) -> None:
    async with database.write() as session:
        await session.execute(text(statement))


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - another task makes it true
            await asyncio.sleep(0.01)
