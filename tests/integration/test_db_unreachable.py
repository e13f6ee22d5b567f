"""A database that is away, refuses, or breaks off gives a clear error of ours, and works again when it is back."""

import asyncio
import os
import re
import resource
import socket
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL

from forecastle.db import Database, migrate, open_database
from forecastle.db.engine import database_url
from forecastle.db.errors import DatabaseBusy, DatabaseFull, DatabaseUnavailable, StatementTimeout, Unstorable
from forecastle.errors import SettingsError
from forecastle.settings import DatabaseSettings


async def trouble(settings: DatabaseSettings, home: Path) -> str:
    async with open_database(settings, home=home) as database:
        with pytest.raises(DatabaseUnavailable) as ping:
            await database.ping()
        with pytest.raises(DatabaseUnavailable):
            async with database.write() as session:
                await session.execute(text("SELECT 1"))
        with pytest.raises(DatabaseUnavailable):
            await migrate.upgrade(database)
        assert database.pool_statistics().in_use == 0
    return ping.value.message


def at(server: URL, **changes: str) -> DatabaseSettings:
    return DatabaseSettings(url=server.set(**changes).render_as_string(hide_password=False))  # type: ignore[arg-type]


async def test_a_refused_connection(tmp_path: Path) -> None:
    message = await trouble(DatabaseSettings(url="postgresql://ada:hunter22@127.0.0.1:1/none"), tmp_path)
    assert "refused" in message.lower() or "connect call failed" in message.lower()
    assert "hunter22" not in message


async def test_a_server_that_never_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://ada@127.0.0.1:{silent.getsockname()[1]}/none"
        assert "no answer" in await trouble(DatabaseSettings(url=url, acquire_timeout_s=0.2), tmp_path)


async def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    await trouble(DatabaseSettings(url=f"postgresql://ada@/none?host={tmp_path}"), tmp_path)


async def test_a_database_that_does_not_exist(postgresql_server: URL, tmp_path: Path) -> None:
    message = await trouble(at(postgresql_server, database="nowhere"), tmp_path)
    assert message == 'the database cannot be used: database "nowhere" does not exist'


async def test_a_user_whom_the_server_refuses(postgresql_server: URL, tmp_path: Path) -> None:
    assert "nobody_here" in await trouble(at(postgresql_server, username="nobody_here"), tmp_path)


@pytest.fixture
def postgresql(postgresql_server: URL) -> DatabaseSettings:
    return at(postgresql_server)


async def test_a_connection_that_breaks_off_is_replaced(postgresql: DatabaseSettings, tmp_path: Path) -> None:
    async with open_database(postgresql, home=tmp_path) as database:
        with pytest.raises(DatabaseUnavailable):
            async with database.read() as session:
                await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        await database.ping()


async def test_idle_connections_that_broke_off_are_replaced_unseen(
    postgresql: DatabaseSettings, tmp_path: Path
) -> None:
    async with open_database(postgresql, home=tmp_path) as database:
        async with database.read() as session:
            victim = await session.scalar(text("SELECT pg_backend_pid()"))
        async with open_database(postgresql, home=tmp_path) as other, other.read() as session:
            await session.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": victim})
        await database.ping()


class Line:
    """The wire to a server, which can be cut or go silent."""

    def __init__(self, server: URL) -> None:
        self.socket = f"{server.query['host']}/.s.PGSQL.5432"
        self.flows = asyncio.Event()
        self.flows.set()
        self.writers: set[asyncio.StreamWriter] = set()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self.socket)
        self.writers |= {writer, far_writer}
        await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                await self.flows.wait()
                target.write(data)
        target.close()

    async def cut(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()
        await asyncio.sleep(0.05)


@pytest.fixture
def line(postgresql_server: URL) -> Line:
    return Line(postgresql_server)


@pytest.fixture
async def behind_line(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    monkeypatch.setattr("forecastle.db.engine.CANCEL_GRACE_S", 0.3)
    async with await asyncio.start_server(line.connect, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        settings = DatabaseSettings(url=url, statement_timeout_s=0.2, acquire_timeout_s=1)
        async with open_database(settings, home=tmp_path) as database:
            yield database
        line.flows.set()
        await line.cut()


async def test_a_wire_cut_during_a_statement(line: Line, behind_line: Database) -> None:
    async def wait_for_long() -> None:
        async with behind_line.read() as session:
            await session.execute(text("SET statement_timeout = 0"))
            await session.execute(text("SELECT pg_sleep(20)"))

    waiting = asyncio.create_task(wait_for_long())
    await asyncio.sleep(0.1)
    await line.cut()
    with pytest.raises(DatabaseUnavailable):
        await waiting
    await behind_line.ping()


async def test_a_wire_cut_between_two_statements(line: Line, behind_line: Database) -> None:
    async with behind_line.read() as session:
        await session.execute(text("SELECT 1"))
        await line.cut()
        with pytest.raises(DatabaseUnavailable):
            await session.execute(text("SELECT 2"))
    await behind_line.ping()


async def test_a_wire_cut_before_the_commit(line: Line, behind_line: Database) -> None:
    async def write_and_lose() -> None:
        async with behind_line.write() as session:
            await session.execute(text("CREATE TABLE never (id int)"))
            await line.cut()

    with pytest.raises(DatabaseUnavailable):
        await write_and_lose()
    async with behind_line.read() as session:
        assert await session.scalar(text("SELECT to_regclass('never')")) is None


async def test_a_wire_gone_silent_is_replaced_by_another(line: Line, behind_line: Database) -> None:
    await behind_line.ping()
    for writer in line.writers:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
    await behind_line.ping()


async def test_a_wire_gone_silent_for_good(line: Line, behind_line: Database) -> None:
    await behind_line.ping()
    line.flows.clear()
    with pytest.raises(DatabaseUnavailable):
        await behind_line.ping()
    line.flows.set()
    await behind_line.ping()


async def test_a_statement_may_not_take_for_ever(postgresql: DatabaseSettings, tmp_path: Path) -> None:
    hasty = postgresql.model_copy(update={"statement_timeout_s": 0.05})
    async with open_database(hasty, home=tmp_path) as database:
        with pytest.raises(StatementTimeout, match="longer than it may"):
            async with database.read() as session:
                await session.execute(text("SELECT pg_sleep(20)"))
        await database.ping()


async def test_a_zero_character_cannot_be_stored(postgresql: DatabaseSettings, tmp_path: Path) -> None:
    async with open_database(postgresql, home=tmp_path) as database:
        with pytest.raises(Unstorable):
            async with database.read() as session:
                await session.execute(text("SELECT CAST(:value AS text)"), {"value": "a\x00b"})


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "forecastle.db").write_bytes(b"nothing of the kind" * 500)
    assert "file is not a database" in await trouble(DatabaseSettings(), tmp_path)


async def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "forecastle.db").mkdir()
    assert "unable to open" in await trouble(DatabaseSettings(), tmp_path)


async def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot hold the database"):
        async with open_database(DatabaseSettings(), home=tmp_path / "file" / "home"):
            pass


async def test_another_process_that_keeps_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecastle.db.engine.SQLITE_BUSY_TIMEOUT_MS", 50)
    async with open_database(DatabaseSettings(), home=tmp_path) as database:
        await migrate.upgrade(database)
        other = sqlite3.connect(tmp_path / "forecastle.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy, match="locked"):
            async with database.write():
                pass
        other.execute("ROLLBACK")
        other.close()
        async with database.write() as session:
            await session.execute(text("DELETE FROM users"))


async def test_a_full_disk(tmp_path: Path) -> None:
    async with open_database(DatabaseSettings(), home=tmp_path) as database:
        await migrate.upgrade(database)
        async with database.write() as session:
            await session.execute(text("PRAGMA max_page_count = 1"))
            with pytest.raises(DatabaseFull, match=f"no space is left in {tmp_path} for the database: make room there"):
                await session.execute(text("CREATE TABLE large AS SELECT randomblob(1000000)"))


@contextmanager
def files_cannot_grow() -> Iterator[None]:
    """What is written ends as on a failing disk; Python ignores the signal that comes with it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("left", ["bytes", "inodes", "enough"])
async def test_a_disk_too_full_even_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str) -> None:
    """SQLite says only that the disk failed: the index of its log, which reading needs as well, cannot be made."""
    async with open_database(DatabaseSettings(), home=tmp_path) as database:
        await migrate.upgrade(database)
    enough = dict.fromkeys(("f_bavail", "f_files", "f_favail"), 10**6) | {"f_frsize": 4096}
    none = {"bytes": {"f_bavail": 0}, "inodes": {"f_favail": 0}, "enough": {}}[left]
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(**enough | none))
    async with open_database(DatabaseSettings(), home=tmp_path) as database:
        with files_cannot_grow(), pytest.raises(DatabaseUnavailable) as failed:
            await database.ping()
    if left == "enough":
        assert re.search(r"disk I/O error \(SQLITE_IOERR_\w+\) at .*/forecastle\.db", failed.value.message)
    else:
        assert failed.value.message.startswith(f"no space is left in {tmp_path} for the database: make room")


@pytest.mark.parametrize(
    "url",
    ["nonsense", "mysql://ada@host/name", "sqlite://", "sqlite:///:memory:", "postgresql://host:port/name", "://"],
)
def test_an_address_that_cannot_be_used_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="FORECASTLE_DATABASE__URL: expected postgresql://"):
        database_url(DatabaseSettings(url=url), home=tmp_path)


async def test_an_option_that_the_driver_does_not_know_is_named(tmp_path: Path) -> None:
    settings = DatabaseSettings(url="postgresql://ada@127.0.0.1:1/name?colour=blue")
    async with open_database(settings, home=tmp_path) as database:
        with pytest.raises(SettingsError, match="colour"):
            await database.ping()


def test_the_address_is_given_its_driver(tmp_path: Path) -> None:
    def driver(url: str | None) -> str:
        return database_url(DatabaseSettings(url=url), home=tmp_path).render_as_string()

    assert driver(None) == f"sqlite+aiosqlite:///{tmp_path}/forecastle.db"
    assert driver("postgres://h/n") == driver("postgresql://h/n") == "postgresql+asyncpg://h/n"
    assert driver("postgresql://h/n?sslmode=require") == "postgresql+asyncpg://h/n?ssl=require"
