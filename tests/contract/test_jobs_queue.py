"""The queue on every database."""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.clock import ManualClock
from forecastle.db import Database
from forecastle.errors import BadInput
from forecastle.jobs import leases, queue
from forecastle.jobs.errors import BadStatus, JobEnded, JobNotFound, JobNotRetriable
from forecastle.jobs.job import NO_TERMS, Job, Terms
from forecastle.jobs.journal import Line, Report
from forecastle.jobs.machine import ALLOWED, PUT_BACK, RUNNING, STATUSES, Status
from forecastle.jobs.queue import Submission
from forecastle.jobs.tables import JobChangeRow

KINDS = ("echo",)


class Desk:
    """Submits and looks at jobs, each in a transaction of its own."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database = database
        self.clock = clock

    async def submit(
        self, dedupe: str | None = None, *, kind: str = "echo", owner: str | None = None, terms: Terms = NO_TERMS
    ) -> Submission:
        async with self.database.write() as session:
            return await queue.submit(
                session, kind=kind, payload={"n": 1}, dedupe=dedupe, owner=owner, now=self.clock.now(), terms=terms
            )

    async def retry(self, job_id: str, **options: Any) -> Submission:
        async with self.database.write() as session:
            return await queue.retry(session, job_id, now=self.clock.now(), **options)

    async def claim(self, runner: str, limit: int = 1) -> tuple[Job, ...]:
        async with self.database.write() as session:
            await leases.renew(session, runner, until=self.clock.now() + timedelta(seconds=15))
            return await leases.claim(session, runner, kinds=KINDS, limit=limit, now=self.clock.now())

    async def put(self, status: Status, dedupe: str | None = None) -> str:
        """A job in that status, by the shortest way there."""
        job = (await self.submit(dedupe)).job
        way: tuple[Status, ...] = STATUSES[1 : STATUSES.index(status) + 1]
        for step in way if status in {*RUNNING, "completed"} else (status,):
            await self.set_status(job.id, step)
        return job.id

    async def set_status(self, job_id: str, status: str) -> None:
        """As anybody with access to the database can."""
        async with self.database.write() as session:
            values = {"status": status, "id": job_id}
            await session.execute(text("UPDATE jobs SET status = :status WHERE id = :id"), values)

    async def changes(self, job_id: str) -> list[tuple[str, int]]:
        """What the database noted of a job: statuses and attempts."""
        async with self.database.read() as session:
            noted = select(JobChangeRow).where(JobChangeRow.job_id == job_id).order_by(JobChangeRow.number)
            return [(row.status, row.attempt) for row in await session.scalars(noted)]

    async def get(self, job_id: str) -> Job:
        async with self.database.read() as session:
            return await queue.get(session, job_id)

    async def recover(self, *gone: str) -> tuple[Job, ...]:
        async with self.database.write() as session:
            return await leases.recover(session, gone=gone, now=self.clock.now())


@pytest.fixture
def desk(database: Database, clock: ManualClock) -> Desk:
    return Desk(database, clock)


async def test_a_submitted_job_waits(desk: Desk) -> None:
    job, duplicate = (submission := await desk.submit("recipe", owner="user")).job, submission.duplicate
    assert not duplicate
    assert await desk.get(job.id) == job
    assert (job.status, job.attempts, job.progress, job.payload) == ("pending", 0, 0.0, {"n": 1})
    assert (job.owner, job.created_at, job.finished_at, job.ended) == ("user", desk.clock.now(), None, False)


async def test_of_50_who_submit_the_same_at_once_one_makes_the_job(desk: Desk) -> None:
    submissions = await asyncio.gather(*(desk.submit("recipe") for _ in range(50)))
    assert len({submission.job.id for submission in submissions}) == 1
    assert Counter(submission.duplicate for submission in submissions) == {True: 49, False: 1}


async def test_without_a_dedupe_text_every_job_is_its_own(desk: Desk) -> None:
    first, second = await desk.submit(), await desk.submit()
    assert first.job.id != second.job.id
    assert not second.duplicate


async def test_only_a_failed_or_cancelled_job_makes_room_for_the_same_again(desk: Desk) -> None:
    for status in STATUSES:
        job_id = await desk.put(status, dedupe=status)
        again = await desk.submit(status)
        assert again.duplicate == (status not in {"failed", "cancelled"})
        assert (again.job.id == job_id) == again.duplicate


async def test_only_a_completed_job_gives_its_dedupe_text_up(desk: Desk) -> None:
    for status in STATUSES:
        await desk.put(status, dedupe=status)
        async with desk.database.write() as session:
            assert await queue.release_dedupe(session, status) == (status == "completed")


async def test_a_released_recipe_can_be_submitted_again(desk: Desk) -> None:
    await desk.put("completed", dedupe="recipe")
    async with desk.database.write() as session:
        await queue.release_dedupe(session, "recipe")
    assert not (await desk.submit("recipe")).duplicate


async def test_the_database_lets_the_allowed_transitions_through_and_no_other(desk: Desk) -> None:
    for before, after in product(STATUSES, STATUSES):
        job_id = await desk.put(before)
        async with desk.database.write() as session:
            moved = await queue.move(session, job_id, after)
        allowed = after in ALLOWED[before]
        assert (moved is not None) == allowed, (before, after)
        assert (await desk.get(job_id)).status == (after if allowed else before)


async def test_the_database_refuses_every_other_transition_whoever_asks_for_it(desk: Desk) -> None:
    for before, after in product(STATUSES, STATUSES):
        job_id = await desk.put(before)
        if after == before or after in (*ALLOWED[before], *PUT_BACK.get(before, ())):
            await desk.set_status(job_id, after)
            assert (await desk.get(job_id)).status == after
        else:
            with pytest.raises(IntegrityError, match="a job cannot pass from"):
                await desk.set_status(job_id, after)
            assert (await desk.get(job_id)).status == before


async def test_the_database_refuses_a_status_that_does_not_exist(desk: Desk) -> None:
    job_id = await desk.put("pending")
    with pytest.raises(IntegrityError):
        await desk.set_status(job_id, "resting")


@pytest.mark.parametrize("status", [status for status in STATUSES if status != "pending"])
async def test_a_job_begins_as_pending_and_as_nothing_else(desk: Desk, status: str) -> None:
    job_id = await desk.put("pending")
    with pytest.raises(IntegrityError, match="a job begins as pending"):
        async with desk.database.write() as session:
            await session.execute(
                text(
                    "INSERT INTO jobs (id, kind, payload, status, progress, message, created_at, attempts)"
                    " SELECT 'another', kind, payload, :status, progress, message, created_at, attempts FROM jobs"
                ),
                {"status": status},
            )
    assert [job.id for job in await _all(desk)] == [job_id]


async def test_every_status_that_a_job_came_into_is_noted_once(desk: Desk) -> None:
    job_id = (await desk.submit()).job.id
    await desk.claim("one")
    await desk.recover("one")
    (job,) = await desk.claim("one")
    async with desk.database.write() as session:
        for share in (0.1, 0.2):
            await leases.record(session, "one", job, report=Report(share, "", "training"), lines=())
        await leases.complete(session, "one", job, now=desk.clock.now())
    assert await desk.changes(job_id) == [
        ("pending", 0),
        ("preprocessing", 1),
        ("pending", 1),
        ("preprocessing", 2),
        ("training", 2),
        ("completed", 2),
    ]


async def test_a_change_that_is_rolled_back_is_not_noted(desk: Desk) -> None:
    job_id = await desk.put("pending")

    async def change_and_fail() -> None:
        async with desk.database.write() as session:
            await queue.move(session, job_id, "cancelled")
            raise KeyError

    with pytest.raises(KeyError):
        await change_and_fail()
    assert await desk.changes(job_id) == [("pending", 0)]


async def test_of_two_who_end_a_job_at_once_one_wins(desk: Desk) -> None:
    await desk.submit()
    (job,) = await desk.claim("one")

    async def complete() -> bool:
        async with desk.database.write() as session:
            return await leases.complete(session, "one", job, now=desk.clock.now()) is not None

    async def cancel() -> bool:
        async with desk.database.write() as session:
            return await queue.move(session, job.id, "cancelled") is not None

    async def fail() -> bool:
        async with desk.database.write() as session:
            return await leases.fail(session, "one", job, error="no", now=desk.clock.now()) is not None

    assert Counter(await asyncio.gather(complete(), cancel(), fail(), complete(), cancel())) == {True: 1, False: 4}


async def test_jobs_are_taken_oldest_first_and_of_known_kinds_only(desk: Desk) -> None:
    await desk.submit(kind="unknown")
    ids = []
    for _ in range(3):
        desk.clock.advance(1)
        ids.append((await desk.submit()).job.id)
    assert [job.id for job in await desk.claim("one", 2)] == ids[:2]
    assert [job.id for job in await desk.claim("one", 2)] == ids[2:]
    assert await desk.claim("one", 2) == ()


async def test_the_highest_priority_is_taken_first_and_of_equals_the_oldest(desk: Desk) -> None:
    made = []
    for priority in (0, 5, -5, 5, 100, 0):
        desk.clock.advance(1)
        made.append((await desk.submit(terms=Terms(priority=priority))).job)
    expected = sorted(made, key=lambda job: (-job.priority, job.created_at))
    assert [job.id for job in await desk.claim("one", 4)] == [job.id for job in expected[:4]]
    assert [job.id for job in await desk.claim("one", 4)] == [job.id for job in expected[4:]]


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        (Terms(priority=101), "priority"),
        (Terms(priority=-101), "priority"),
        (Terms(timeout_s=0), "timeout_s"),
        (Terms(timeout_s=float("nan")), "timeout_s"),
        (Terms(timeout_s=float("inf")), "timeout_s"),
        (Terms(memory_mb=1), "memory_mb"),
        (Terms(memory_mb=2**31), "memory_mb"),
    ],
)
async def test_terms_that_cannot_be_kept_are_refused(desk: Desk, terms: Terms, field: str) -> None:
    with pytest.raises(BadInput, match=f"{field}: expected"):
        await desk.submit(terms=terms)
    assert await _all(desk) == ()


async def test_a_duplicate_keeps_the_terms_it_was_first_submitted_on(desk: Desk) -> None:
    await desk.submit("recipe", terms=Terms(priority=3, timeout_s=1.5, memory_mb=100))
    assert (await desk.submit("recipe", terms=Terms(priority=9))).job.terms == Terms(3, 1.5, 100)


@pytest.mark.parametrize("status", ["failed", "cancelled"])
async def test_what_failed_or_was_cancelled_is_retried_as_another_job(desk: Desk, status: Status) -> None:
    terms = Terms(priority=2, timeout_s=60.0, memory_mb=500)
    old = (await desk.submit("recipe", owner="alice", terms=terms)).job
    await desk.set_status(old.id, status)
    first, second = await desk.retry(old.id), await desk.retry(old.id)
    assert (first.duplicate, second.duplicate, second.job) == (False, True, first.job)
    again = first.job
    assert (again.status, again.retry_of, again.attempts, again.terms) == ("pending", old.id, 0, terms)
    assert (again.kind, again.payload, again.dedupe, again.owner) == (old.kind, old.payload, old.dedupe, old.owner)
    assert (await desk.get(old.id)).status == status


async def test_a_retry_may_be_given_other_terms(desk: Desk) -> None:
    job_id = await desk.put("failed")
    assert (await desk.retry(job_id, terms=Terms(memory_mb=900))).job.terms == Terms(memory_mb=900)
    with pytest.raises(BadInput, match="memory_mb"):
        await desk.retry(job_id, terms=Terms(memory_mb=0))


@pytest.mark.parametrize("status", [status for status in STATUSES if status not in {"failed", "cancelled"}])
async def test_nothing_else_can_be_retried(desk: Desk, status: Status) -> None:
    job_id = await desk.put(status)
    with pytest.raises(JobNotRetriable, match=f"is {status}: only one that failed or was cancelled"):
        await desk.retry(job_id)


async def test_a_retry_is_for_the_owner_only(desk: Desk) -> None:
    job = (await desk.submit(owner="alice")).job
    await desk.set_status(job.id, "failed")
    with pytest.raises(JobNotFound):
        await desk.retry(job.id, owner="bob")
    assert (await desk.retry(job.id, owner="alice")).job.owner == "alice"


async def test_a_taken_job_has_started(desk: Desk) -> None:
    await desk.submit()
    (job,) = await desk.claim("one")
    assert (job.status, job.attempts, job.started_at) == ("preprocessing", 1, desk.clock.now())
    assert await desk.get(job.id) == job


async def test_many_runners_never_take_the_same_job(desk: Desk) -> None:
    for _ in range(30):
        await desk.submit()
    taken = await asyncio.gather(*(desk.claim(f"runner {number}", 4) for number in range(10)))
    ids = [job.id for jobs in taken for job in jobs]
    rest = await desk.claim("last", 30)
    assert len(ids) == len(set(ids))
    assert {*ids, *(job.id for job in rest)} == {job.id for job in (await _all(desk))}


async def test_news_of_a_running_job_are_stored(desk: Desk) -> None:
    await desk.submit()
    (job,) = await desk.claim("one")
    lines = [Line(desk.clock.now(), "first"), Line(desk.clock.now(), "second")]
    async with desk.database.write() as session:
        assert await leases.record(session, "one", job, report=Report(0.5, "fold 1", "training"), lines=lines)

    stored = await desk.get(job.id)
    assert (stored.status, stored.progress, stored.message) == ("training", 0.5, "fold 1")
    async with desk.database.read() as session:
        first, second = await queue.logs(session, job.id)
        assert (first.text, second.text) == ("first", "second")
        assert await queue.logs(session, job.id, after=first.number) == (second,)
        assert await queue.logs(session, job.id, limit=1) == (first,)


async def test_a_report_of_the_first_phase_does_not_turn_a_job_back(desk: Desk) -> None:
    job_id = await desk.put("pending")
    (job,) = await desk.claim("one")
    async with desk.database.write() as session:
        await leases.record(session, "one", job, report=Report(0.5, "", "training"), lines=())
        await leases.record(session, "one", job, report=Report(0.6, "", "preprocessing"), lines=())
    assert (await desk.get(job_id)).status == "training"


async def test_a_runner_that_lost_its_job_changes_nothing(desk: Desk) -> None:
    await desk.submit()
    (job,) = await desk.claim("one")
    await desk.recover("one")
    (again,) = await desk.claim("two")
    now = desk.clock.now()
    async with desk.database.write() as session:
        assert await leases.complete(session, "one", job, now=now) is None
        assert await leases.fail(session, "one", job, error="no", now=now) is None
        assert not await leases.record(session, "one", job, report=Report(0.9, ""), lines=[Line(now, "late")])
    assert await desk.get(job.id) == again
    async with desk.database.read() as session:
        assert await queue.logs(session, job.id) == ()


async def test_a_runner_that_took_its_own_lost_job_again_does_not_end_it_twice(desk: Desk) -> None:
    await desk.submit()
    (first,) = await desk.claim("one")
    await desk.recover("one")
    (second,) = await desk.claim("one")
    async with desk.database.write() as session:
        assert await leases.complete(session, "one", first, now=desk.clock.now()) is None
        assert await leases.complete(session, "one", second, now=desk.clock.now()) is not None


@pytest.mark.parametrize("status", RUNNING)
async def test_jobs_of_a_runner_whose_lease_ran_out_wait_again(desk: Desk, status: Status) -> None:
    await desk.submit()
    (job,) = await desk.claim("one")
    await desk.set_status(job.id, status)
    desk.clock.advance(14)
    assert await desk.recover() == ()
    desk.clock.advance(2)
    (recovered,) = await desk.recover()
    assert (recovered.id, recovered.status, recovered.attempts, recovered.progress) == (job.id, "pending", 1, 0.0)


async def test_recovery_leaves_alone_what_does_not_run(desk: Desk) -> None:
    for status in STATUSES:
        if status not in RUNNING:
            await desk.put(status)
    assert await desk.recover() == ()


async def test_a_job_that_its_runner_did_not_survive_three_times_fails(desk: Desk) -> None:
    job_id = (await desk.submit("recipe")).job.id
    for attempt in (1, 2, 3):
        (job,) = await desk.claim("one")
        assert job.attempts == attempt
        await desk.recover("one")
    failed = await desk.get(job_id)
    assert failed.status == "failed"
    assert "3 times" in (failed.error or "")
    assert failed.finished_at == desk.clock.now()
    assert not (await desk.submit("recipe")).duplicate


async def test_how_often_a_job_is_started_can_be_set(desk: Desk) -> None:
    job_id = (await desk.submit()).job.id
    await desk.claim("one")
    async with desk.database.write() as session:
        await leases.recover(session, gone=["one"], now=desk.clock.now(), max_attempts=1)
    failed = await desk.get(job_id)
    assert (failed.status, failed.error) == (
        "failed",
        "its runner or node died once while this job ran; it is not tried again",
    )


async def test_a_runner_that_ends_in_order_does_not_use_up_an_attempt(desk: Desk) -> None:
    await desk.submit()
    (job,) = await desk.claim("one")
    async with desk.database.write() as session:
        await leases.give_back(session, "one")
    waiting = await desk.get(job.id)
    assert (waiting.status, waiting.attempts, waiting.started_at) == ("pending", 0, None)
    async with desk.database.read() as session:
        assert await leases.live_runners(session, now=desk.clock.now()) == ()


async def test_only_the_strays_that_are_named_are_put_back(desk: Desk) -> None:
    await desk.submit()
    await desk.submit()
    kept, stray = await desk.claim("one", 2)
    async with desk.database.write() as session:
        (back,) = await leases.put_back(session, "one", {stray.id: 1, kept.id: 7}, now=desk.clock.now())
    assert back.id == stray.id
    assert await desk.get(kept.id) == kept


async def test_a_waiting_job_is_cancelled_once_and_for_all(desk: Desk) -> None:
    job_id = (await desk.submit()).job.id
    async with desk.database.write() as session:
        cancelled = await queue.cancel(session, job_id, now=desk.clock.now())
        assert await queue.cancel(session, job_id, now=desk.clock.now()) == cancelled
    assert cancelled.status == "cancelled"
    assert cancelled.finished_at == desk.clock.now()
    assert await desk.claim("one") == ()


@pytest.mark.parametrize("status", ["completed", "failed"])
async def test_what_has_ended_cannot_be_cancelled(desk: Desk, status: Status) -> None:
    job_id = await desk.put(status)
    with pytest.raises(JobEnded, match=f"{status} already"):
        async with desk.database.write() as session:
            await queue.cancel(session, job_id, now=desk.clock.now())


async def test_a_job_is_shown_to_its_owner_only(desk: Desk) -> None:
    job = (await desk.submit(owner="alice")).job
    async with desk.database.read() as session:
        assert await queue.get(session, job.id, owner="alice") == job
        with pytest.raises(JobNotFound, match=job.id):
            await queue.get(session, job.id, owner="bob")
        with pytest.raises(JobNotFound, match="nothing"):
            await queue.get(session, "nothing")


async def test_jobs_are_listed_newest_first_in_pages(desk: Desk) -> None:
    ids = []
    for _ in range(5):
        desk.clock.advance(1)
        ids.append((await desk.submit()).job.id)
    seen: list[str] = []
    cursor = None
    while True:
        async with desk.database.read() as session:
            page = await queue.list_jobs(session, limit=2, cursor=cursor)
        seen += [job.id for job in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == ids[::-1]


async def test_a_listing_filters(desk: Desk) -> None:
    mine = (await desk.submit(owner="alice")).job
    other = (await desk.submit(owner="bob", kind="other")).job
    async with desk.database.read() as session:
        assert (await queue.list_jobs(session, owner="alice")).items == (mine,)
        assert (await queue.list_jobs(session, kind="other")).items == (other,)
        assert (await queue.list_jobs(session, "completed")).items == ()
        assert len((await queue.list_jobs(session, "pending")).items) == 2
        with pytest.raises(BadStatus, match="resting"):
            await queue.list_jobs(session, "resting")
        with pytest.raises(BadInput, match="cursor"):
            await queue.list_jobs(session, cursor="elsewhere")


SERIES = {
    "sqlite": "WITH RECURSIVE series(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n < 2999)"
    " SELECT {} FROM series",
    "postgresql": "SELECT {} FROM generate_series(0, 2999) AS series(n)",
}
MOMENTS = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', 1767225600 + n / 3, 'unixepoch')",
    "postgresql": "to_timestamp(1767225600 + n / 3)",
}
COLUMNS = "id, kind, payload, owner, status, progress, message, created_at, attempts, priority"


async def _fill(database: Database) -> None:
    """3,000 jobs, three a second, one in ten cancelled."""
    values = (
        "'job' || (100000 + n), CASE n % 10 WHEN 0 THEN 'tune' ELSE 'echo' END, '{}', "
        f"CASE n % 2 WHEN 0 THEN 'alice' ELSE 'bob' END, 'pending', 0, '', {MOMENTS[database.dialect]}, 0, n % 3"
    )
    if database.dialect == "postgresql":
        values = values.replace("'{}'", "'{}'::jsonb")
    async with database.write() as session:
        connection = await session.connection()
        insert = f"INSERT INTO jobs ({COLUMNS}) " + SERIES[database.dialect].replace("{}", values, 1)
        await connection.exec_driver_sql(insert)
        await connection.exec_driver_sql("UPDATE jobs SET status = 'cancelled' WHERE id LIKE '%7'")
        await connection.exec_driver_sql("ANALYZE")


async def _plans(database: Database, ask: Callable[[AsyncSession], Awaitable[Any]]) -> list[str]:
    """How the database goes about the statements that read jobs while `ask` is answered."""
    asked: list[tuple[str, Any]] = []

    def listen(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if " FROM jobs" in statement.replace("\n", " "):
            asked.append((statement, parameters))

    event.listen(database.engine.sync_engine, "before_cursor_execute", listen)
    async with database.read() as session:
        await ask(session)
    event.remove(database.engine.sync_engine, "before_cursor_execute", listen)
    explain = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN "}[database.dialect]
    async with database.connect() as connection:
        found = [await connection.exec_driver_sql(explain + statement, parameters) for statement, parameters in asked]
        return ["\n".join(str(row[-1]) for row in plan) for plan in found]


@pytest.mark.parametrize(
    "filters",
    [{}, {"status": "pending"}, {"status": "cancelled"}, {"kind": "echo"}, {"kind": "tune"}, {"owner": "bob"}],
)
async def test_every_page_is_found_along_an_index(desk: Desk, filters: dict[str, str]) -> None:
    await _fill(desk.database)

    async def ask(session: AsyncSession) -> None:
        page = await queue.list_jobs(session, limit=50, **filters)
        await queue.list_jobs(session, limit=50, cursor=page.next, **filters)

    for plan in await _plans(desk.database, ask):
        assert not re.search(r"Seq Scan|Sort|TEMP B-TREE|SCAN jobs(?! USING INDEX)", plan), plan


async def test_the_next_job_is_found_along_an_index(desk: Desk) -> None:
    await _fill(desk.database)
    plans = await _plans(
        desk.database, lambda session: leases.claim(session, "one", kinds=KINDS, limit=2, now=desk.clock.now())
    )
    assert plans
    for plan in plans:
        assert not re.search(r"Seq Scan|Sort|TEMP B-TREE|SCAN jobs(?! USING INDEX)", plan), plan


async def test_pages_at_one_moment_are_whole(desk: Desk) -> None:
    await _fill(desk.database)
    seen: list[str] = []
    cursor = None
    while cursor is not None or not seen:
        async with desk.database.read() as session:
            page = await queue.list_jobs(session, limit=700, cursor=cursor)
        seen += [job.id for job in page.items]
        cursor = page.next
    assert seen == [f"job{100000 + number}" for number in reversed(range(3000))]


async def test_removing_a_job_removes_its_log(desk: Desk) -> None:
    job_id = (await desk.submit()).job.id
    async with desk.database.write() as session:
        await queue.append_lines(session, job_id, [(desk.clock.now(), "a line")])
        await session.execute(text("DELETE FROM jobs"))
    async with desk.database.read() as session:
        assert await queue.logs(session, job_id) == ()


async def test_watching_a_job_shows_every_change_until_it_ended(desk: Desk) -> None:
    job_id = (await desk.submit()).job.id
    seen = []
    async for job in queue.watch(desk.database, job_id, every_s=0.001):
        seen.append(job.status)
        if job.status == "pending":
            await desk.claim("one")
        elif job.status == "preprocessing":
            async with desk.database.write() as session:
                await leases.complete(session, "one", job, now=desk.clock.now())
    assert seen == ["pending", "preprocessing", "completed"]


async def _all(desk: Desk) -> tuple[Job, ...]:
    async with desk.database.read() as session:
        return (await queue.list_jobs(session, limit=1000)).items
