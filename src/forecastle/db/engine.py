"""One engine a process; sessions that always end: read sessions roll back, write sessions commit or roll back."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Dialect, QueuePool, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.util import await_only

from forecastle.db.errors import DatabaseBusy, DatabaseUnavailable, PoolExhausted, translate_errors, translated
from forecastle.db.slow import log_slow_queries
from forecastle.errors import SettingsError
from forecastle.settings import DatabaseSettings

SQLITE_BUSY_TIMEOUT_MS = 30_000
SQLITE_POOL = 5
SQLITE_OVERFLOW = 10
WRITE_AHEAD_RETRY_S = 0.01
CANCEL_GRACE_S = 5.0
WRITES = "forecastle_writes"
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
EXPECTED_URL = "FORECASTLE_DATABASE__URL: expected postgresql://user:password@host/name or sqlite:////folder/file"


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """The connections of this process: how many there are, and how many are in use."""

    open: int
    in_use: int


class Database:
    """Sessions on SQLite or PostgreSQL. Build it with `open_database`."""

    def __init__(self, engine: AsyncEngine, settings: DatabaseSettings) -> None:
        self.engine = engine
        self._settings = settings
        self._sessions = async_sessionmaker(engine, expire_on_commit=False)
        self._sqlite_writer = asyncio.Lock()

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @property
    def url(self) -> URL:
        """The address in use, driver included."""
        return self.engine.url

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session that changes nothing: it is rolled back at the end.

        Raises:
            DatabaseUnavailable: it cannot be reached, or every connection is in use.
        """
        with _pool_errors(self._settings):
            async with self._sessions() as session:
                yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A session that commits at the end, or rolls back when an error passes through.

        On SQLite it takes the write lock at once, so that two writers queue instead of failing half-way. One task
        holds one write session at a time.

        Raises:
            DatabaseUnavailable: it cannot be reached, or every connection is in use.
        """
        with _pool_errors(self._settings):
            async with self._turn(), self._sessions() as session, session.begin():
                await session.connection(execution_options={WRITES: True})
                yield session

    @asynccontextmanager
    async def connect(self, *, writes: bool = False) -> AsyncIterator[AsyncConnection]:
        """One connection in a transaction, without a session; it commits at the end if it `writes`.

        Raises:
            DatabaseUnavailable: it cannot be reached, or every connection is in use.
        """
        with _pool_errors(self._settings):
            if not writes:
                async with self.engine.connect() as connection:
                    yield connection
                return
            async with self._turn(), self.engine.connect() as connection:
                await connection.execution_options(**{WRITES: True})
                async with connection.begin():
                    yield connection

    async def ping(self) -> None:
        """Raise `DatabaseUnavailable` unless the database answers."""
        async with self.connect() as connection:
            await connection.execute(text("SELECT 1"))

    def pool_statistics(self) -> PoolStatistics:
        """How the connections of this process are used at the moment."""
        pool = cast("QueuePool", self.engine.pool)  # the only kind that `open_database` makes
        in_use = pool.checkedout()
        return PoolStatistics(open=in_use + pool.checkedin(), in_use=in_use)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """SQLite has one writer: those of this process line up here, in order, before they take a connection."""
        if self.dialect != "sqlite":
            yield
            return
        try:
            await asyncio.wait_for(self._sqlite_writer.acquire(), self._settings.acquire_timeout_s)
        except TimeoutError as error:
            raise DatabaseBusy(f"other writes took longer than {self._settings.acquire_timeout_s:g} s") from error
        try:
            yield
        finally:
            self._sqlite_writer.release()


@asynccontextmanager
async def open_database(settings: DatabaseSettings, *, home: Path) -> AsyncIterator[Database]:
    """The database that the settings name, by default SQLite in `home`; connections are closed at the end.

    Nothing is connected yet: a database that is away shows at the first use.

    Raises:
        SettingsError: the URL is malformed or names another kind of database.
    """
    url = database_url(settings, home=home)
    engine = _sqlite_engine(url, settings) if url.get_backend_name() == "sqlite" else _postgres_engine(url, settings)
    event.listen(engine.sync_engine, "do_connect", _connect)
    translate_errors(engine.sync_engine)
    log_slow_queries(engine.sync_engine, threshold_s=settings.slow_query_s)
    try:
        yield Database(engine, settings)
    finally:
        await engine.dispose()


def database_url(settings: DatabaseSettings, *, home: Path) -> URL:
    """The address with its asynchronous driver.

    Raises:
        SettingsError: it is malformed or names another kind of database.
    """
    try:
        url = make_url(settings.url or URL.create("sqlite", database=str(home / "forecastle.db")))
    except (ArgumentError, ValueError) as error:
        raise SettingsError(EXPECTED_URL) from error
    kind = url.get_backend_name()
    if kind not in DRIVERS:
        raise SettingsError(f"{EXPECTED_URL}, found {kind}")
    if kind == "sqlite" and url.database in (None, "", ":memory:"):
        raise SettingsError(f"{EXPECTED_URL}, found no file")
    if "sslmode" in url.query:  # libpq's name for it; the driver calls it ssl
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": url.query["sslmode"]})
    return url.set(drivername=DRIVERS[kind])


def _postgres_engine(url: URL, settings: DatabaseSettings) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=settings.pool_size,
        max_overflow=settings.max_overflow,
        pool_timeout=settings.acquire_timeout_s,
        pool_recycle=settings.recycle_s,
        pool_pre_ping=True,
        connect_args={
            "timeout": settings.acquire_timeout_s,
            "command_timeout": settings.statement_timeout_s + CANCEL_GRACE_S,  # for a server that is cut off
            "server_settings": {
                "application_name": "forecastle",
                "statement_timeout": str(int(settings.statement_timeout_s * 1000)),
                "timezone": "UTC",
            },
        },
    )
    _replace_silent_connections(engine.dialect)
    return engine


def _replace_silent_connections(dialect: Dialect) -> None:
    """Let the pool's ping take a connection that does not answer for a broken one; as it is, the timeout escapes."""
    ping = dialect.do_ping

    def do_ping(dbapi_connection: Any) -> bool:
        try:
            return ping(dbapi_connection)
        except OSError:
            return False

    dialect.do_ping = do_ping  # type: ignore[method-assign]


def _sqlite_engine(url: URL, settings: DatabaseSettings) -> AsyncEngine:
    folder = Path(str(url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SettingsError(f"{folder}: cannot hold the database: {error.strerror}") from error
    engine = create_async_engine(
        url,
        pool_size=min(settings.pool_size, SQLITE_POOL),  # a connection is a thread here
        max_overflow=min(settings.max_overflow, SQLITE_OVERFLOW),
        pool_timeout=settings.acquire_timeout_s,
    )
    file = Path(str(url.database))
    event.listen(engine.sync_engine, "do_connect", partial(_try_to_open, file))
    event.listen(engine.sync_engine, "connect", partial(_prepare_sqlite, file))
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _connect(dialect: Dialect, _record: Any, arguments: Any, options: Any) -> Any:
    """Connect; what fails before the driver speaks the database's protocol gets our errors here."""
    try:
        return dialect.connect(*arguments, **options)
    except TimeoutError as error:
        raise DatabaseUnavailable("the database cannot be used: no answer to the attempt to connect") from error
    except OSError as error:
        raise translated(error) or error from error
    except (TypeError, ValueError) as error:
        raise SettingsError(f"FORECASTLE_DATABASE__URL: {error}") from error


def _try_to_open(file: Path, _dialect: Dialect, _record: Any, arguments: Any, _options: Any) -> None:
    """Fail here if the file cannot be opened: the asynchronous driver would leave a thread behind."""
    try:
        sqlite3.connect(arguments[0]).close()
    except sqlite3.Error as error:
        raise translated(error, file) or error from error


def _prepare_sqlite(file: Path, connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}")
        _write_ahead(cursor)
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error as error:
        connection.close()
        raise translated(error, file) or error from error
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    """Log ahead. Where several make the file at once, SQLite refuses all but one of them instead of waiting."""
    deadline_s = time.monotonic() + SQLITE_BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline_s:
                raise
            await_only(asyncio.sleep(WRITE_AHEAD_RETRY_S))
        else:
            return


def _begin_sqlite(connection: Any) -> None:
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _pool_errors(settings: DatabaseSettings) -> Iterator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise PoolExhausted(f"no database connection became free within {settings.acquire_timeout_s:g} s") from error
