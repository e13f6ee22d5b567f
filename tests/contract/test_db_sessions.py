"""Sessions, column types, errors and pages mean the same on every database."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import func, insert, literal, select, text
from sqlalchemy.exc import IntegrityError, StatementError

from forecastle.auth.tables import UNIQUE_USERNAME, UserRow
from forecastle.db import Database, UtcDateTime, open_database
from forecastle.db.errors import DatabaseUnavailable, PoolExhausted, Unstorable, is_unique_violation
from forecastle.db.paging import BadCursor, newest_first
from forecastle.errors import BadInput
from forecastle.registry.tables import ModelRow
from forecastle.settings import DatabaseSettings

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def user(name: str, **changes: Any) -> UserRow:
    facts = {"id": name, "username": name, "username_folded": name, "password_hash": "x", "role": "user"}
    return UserRow(**({"created_at": NOON} | facts | changes))


async def names(database: Database) -> list[str]:
    async with database.read() as session:
        return list(await session.scalars(select(UserRow.username).order_by(UserRow.username)))


async def test_what_is_written_is_there(database: Database) -> None:
    async with database.write() as session:
        session.add(user("ada"))
    assert await names(database) == ["ada"]


async def test_an_error_undoes_the_whole_session(database: Database) -> None:
    async def fail_halfway() -> None:
        async with database.write() as session:
            session.add(user("ada"))
            await session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_halfway()
    assert await names(database) == []


async def test_a_read_session_changes_nothing(database: Database) -> None:
    async with database.read() as session:
        session.add(user("ada"))
        await session.flush()
    assert await names(database) == []


async def test_an_error_of_the_caller_stays_as_it_is(database: Database) -> None:
    with pytest.raises(FileNotFoundError):
        async with database.write():
            raise FileNotFoundError("mine")
    with pytest.raises(TimeoutError):
        async with database.read():
            raise TimeoutError("mine")


async def test_every_connection_goes_back(database: Database) -> None:
    await names(database)
    with pytest.raises(ZeroDivisionError):
        async with database.write():
            raise ZeroDivisionError
    assert database.pool_statistics().in_use == 0
    async with database.read() as session:
        await session.execute(text("SELECT 1"))
        assert database.pool_statistics().in_use == 1
    assert database.pool_statistics().in_use == 0
    assert database.pool_statistics().open >= 1


async def test_a_cancelled_writer_leaves_nothing_behind(database: Database) -> None:
    started = asyncio.Event()

    async def write_slowly() -> None:
        async with database.write() as session:
            session.add(user("ada"))
            await session.flush()
            started.set()
            await asyncio.sleep(60)

    writer = asyncio.create_task(write_slowly())
    await started.wait()
    writer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writer
    async with database.write() as session:
        session.add(user("bob"))
    assert await names(database) == ["bob"]
    assert database.pool_statistics().in_use == 0


async def test_writers_and_readers_at_once_lose_nothing(database: Database) -> None:
    async def write(writer: int) -> None:
        for number in range(10):
            async with database.write() as session:
                session.add(user(f"w{writer}n{number}"))

    async def read() -> int:
        async with database.read() as session:
            return await session.scalar(select(func.count()).select_from(UserRow)) or 0

    async with asyncio.TaskGroup() as group:
        writers = [group.create_task(write(writer)) for writer in range(10)]
        readers = [group.create_task(read()) for _ in range(50)]
    assert all(writer.done() for writer in writers)
    assert all(0 <= reader.result() <= 100 for reader in readers)
    assert await read() == 100


async def test_counting_up_at_once_counts_everyone(database: Database) -> None:
    async with database.write() as session:
        session.add(user("ada", role="user", password_hash="0"))

    async def count() -> None:
        async with database.write() as session:
            row = await session.get(UserRow, "ada", with_for_update=True)
            assert row is not None
            row.password_hash = str(int(row.password_hash) + 1)

    await asyncio.gather(*(count() for _ in range(30)))
    async with database.read() as session:
        assert await session.scalar(select(UserRow.password_hash)) == "30"


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))])
async def test_a_time_comes_back_in_utc(database: Database, zone: timezone) -> None:
    moment = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=zone)
    async with database.write() as session:
        session.add(user("ada", created_at=moment))
    async with database.read() as session:
        found = (await session.scalars(select(UserRow.created_at))).one()
        same = await session.scalar(select(func.count()).where(UserRow.created_at == moment))
    assert found == moment
    assert found.tzinfo is UTC or found.utcoffset() == timedelta(0)
    assert same == 1


async def test_a_naive_time_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="expected an aware datetime"):
        async with database.write() as session:
            session.add(user("ada", created_at=datetime(2026, 1, 1)))  # noqa: DTZ001 - that is the point


async def test_a_missing_time_stays_missing(database: Database) -> None:
    async with database.read() as session:
        assert await session.scalar(select(literal(None, UtcDateTime))) is None


async def test_a_broken_unique_constraint_is_told_by_name(database: Database) -> None:
    async with database.write() as session:
        session.add(user("ada"))
    with pytest.raises(IntegrityError) as broken:
        async with database.write() as session:
            session.add(user("bob", username_folded="ada"))
    assert is_unique_violation(broken.value, UNIQUE_USERNAME)
    assert not is_unique_violation(broken.value, f"uq_{ModelRow.__tablename__}_fingerprint")
    with pytest.raises(LookupError, match="uq_nothing"):
        is_unique_violation(broken.value, "uq_nothing")


async def test_other_broken_constraints_are_no_unique_violation(database: Database) -> None:
    with pytest.raises(IntegrityError) as broken:
        async with database.write() as session:
            session.add(user("ada", role="emperor"))
    assert not is_unique_violation(broken.value, UNIQUE_USERNAME)


@pytest.mark.parametrize("value", ["half a pair \ud800", 2**80])
async def test_a_value_that_cannot_be_stored_is_bad_input(database: Database, value: object) -> None:
    async with database.read() as session:
        with pytest.raises(Unstorable, match="cannot be stored"):
            await session.execute(text("UPDATE users SET username = :value"), {"value": value})


async def test_waiting_for_a_connection_ends(database_settings: DatabaseSettings, tmp_path: Path) -> None:
    small = database_settings.model_copy(update={"pool_size": 1, "max_overflow": 0, "acquire_timeout_s": 0.5})
    async with open_database(small, home=tmp_path) as database:
        async with database.read() as session:
            await session.execute(text("SELECT 1"))
            with pytest.raises(PoolExhausted, match=r"within 0\.5 s"):
                await database.ping()
        await database.ping()


async def test_waiting_for_another_writer_ends(database_settings: DatabaseSettings, tmp_path: Path) -> None:
    small = database_settings.model_copy(update={"pool_size": 1, "max_overflow": 0, "acquire_timeout_s": 0.5})
    async with open_database(small, home=tmp_path) as database:
        async with database.write():
            with pytest.raises(DatabaseUnavailable):
                async with database.write():
                    pass
        async with database.write() as session:
            session.add(user("ada"))
        assert await names(database) == ["ada"]


async def test_all_who_make_the_file_at_once_get_in(tmp_path: Path) -> None:
    async def come(home: Path) -> None:
        async with open_database(DatabaseSettings(), home=home) as database:
            await database.ping()

    for turn in range(60):
        home = tmp_path / str(turn)
        home.mkdir()
        await asyncio.gather(*(come(home) for _ in range(6)))


async def test_slow_statements_are_logged_without_their_values(
    database_settings: DatabaseSettings, tmp_path: Path
) -> None:
    slow = database_settings.model_copy(update={"slow_query_s": 1e-9})
    async with open_database(slow, home=tmp_path) as database:
        with structlog.testing.capture_logs() as logs:
            async with database.write() as session:
                await session.execute(insert(UserRow).values(_values("ada", password_hash="a secret")))
                await session.execute(text("SELECT   id,\n\t username\nFROM users"))
    statements = [log["statement"] for log in logs if log["event"] == "slow query"]
    assert "SELECT id, username FROM users" in statements
    assert any(statement.startswith("INSERT INTO users") for statement in statements)
    assert "a secret" not in str(logs)
    assert all(log["seconds"] >= 0 for log in logs)


async def test_quick_statements_are_not_logged(database: Database) -> None:
    with structlog.testing.capture_logs() as logs:
        await names(database)
    assert logs == []


def _values(name: str, **changes: Any) -> dict[str, Any]:
    row = user(name, **changes)
    return {column.key: getattr(row, column.key) for column in UserRow.__table__.columns}


@pytest.fixture
async def crowd(database: Database) -> Database:
    """Seven users, of whom three came in the same moment."""
    moments = [NOON, NOON, NOON, *(NOON + timedelta(microseconds=step) for step in range(1, 5))]
    async with database.write() as session:
        session.add_all(user(f"u{number}", created_at=moment) for number, moment in enumerate(moments))
    return database


async def page(database: Database, *, limit: int, cursor: str | None = None) -> tuple[list[str], str | None]:
    async with database.read() as session:
        found = await newest_first(
            session, select(UserRow), UserRow, lambda row: str(row.username), limit=limit, cursor=cursor
        )
        return list(found.items), found.next


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8])
async def test_pages_together_are_the_listing(crowd: Database, limit: int) -> None:
    seen, cursor = await page(crowd, limit=limit)
    while cursor is not None:
        items, cursor = await page(crowd, limit=limit, cursor=cursor)
        assert 0 < len(items) <= limit
        seen += items
    assert seen == ["u6", "u5", "u4", "u3", "u2", "u1", "u0"]


async def test_rows_that_come_or_go_shift_no_page(crowd: Database) -> None:
    first, cursor = await page(crowd, limit=3)
    async with crowd.write() as session:
        session.add(user("newest", created_at=NOON + timedelta(days=1)))
        await session.delete(await session.get_one(UserRow, "u4"))
    second, _ = await page(crowd, limit=3, cursor=cursor)
    assert (first, second) == (["u6", "u5", "u4"], ["u3", "u2", "u1"])


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "!!!", "é", "AAAA", "a" * 5000, "dXNlcnM", "b3RoZXIgMjAyNi0wMS0wMVQwMDowMDowMCswMDowMCB1MQ", "\ud800"],
)
async def test_a_cursor_of_nothing_is_refused(crowd: Database, cursor: str) -> None:
    with pytest.raises(BadCursor, match="cursor: expected the `next` of an earlier page"):
        await page(crowd, limit=2, cursor=cursor)


@pytest.mark.parametrize("limit", [-1, 0, 1001])
async def test_a_page_has_a_sensible_size(crowd: Database, limit: int) -> None:
    with pytest.raises(BadInput, match="limit: expected 1 to 1000"):
        await page(crowd, limit=limit)
