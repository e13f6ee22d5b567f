"""History in SQLite: a thread and a connection of its own; write-ahead log, synchronous FULL, one group one commit."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

import msgspec

from forecastle.db.errors import translated
from forecastle.errors import DiskFull
from forecastle.serving.errors import HistoryUnavailable, PredictionRefused
from forecastle.serving.history.record import COLUMNS, Record

T = TypeVar("T")

PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")
MOST_ROWS = 999 // len(COLUMNS)
"""Rows of one statement: older releases of SQLite take no more than 999 values.

With each statement SQLite lets go of the interpreter and then waits for it, so what fits into one is not told to begin
and to commit: a statement by itself is a transaction.
"""
REFUSALS = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    UnicodeEncodeError,
)


class SqliteStore:
    """Commits groups to the database file `path`; a lock of somebody else is waited for `lock_timeout_s`."""

    def __init__(self, path: str, *, lock_timeout_s: float) -> None:
        self._path = path
        self._lock_timeout_s = lock_timeout_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="history")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Connect.

        Raises:
            HistoryUnavailable: the file cannot be opened.
        """
        await self._in_thread(self._open)

    async def commit(self, records: Sequence[Record]) -> None:
        """Insert all of them in one transaction.

        Raises:
            PredictionRefused: one of them is not accepted; none is stored.
            HistoryUnavailable: the database failed.
        """
        await self._in_thread(partial(self._commit, records))

    async def close(self) -> None:
        """Disconnect and end the thread."""
        await self._in_thread(self._close)
        self._thread.shutdown()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except REFUSALS as error:
            raise PredictionRefused(f"the prediction cannot be stored: {error}") from error
        except sqlite3.Error as error:
            ours = translated(error, Path(self._path))
            reason = ours if isinstance(ours, DiskFull) else error
            raise HistoryUnavailable(f"the database does not store predictions now: {reason}") from error

    def _open(self) -> None:
        self._close()
        self._connection = sqlite3.connect(
            self._path, timeout=self._lock_timeout_s, isolation_level=None, cached_statements=MOST_ROWS + 8
        )
        for pragma in PRAGMAS:
            self._connection.execute(f"PRAGMA {pragma}")

    def _commit(self, records: Sequence[Record]) -> None:
        connection = self._connection
        if connection is None:
            raise sqlite3.OperationalError("not connected")
        if len(records) <= MOST_ROWS:
            _insert(connection, records)
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            for start in range(0, len(records), MOST_ROWS):
                _insert(connection, records[start : start + MOST_ROWS])
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _insert(connection: sqlite3.Connection, records: Sequence[Record]) -> None:
    connection.execute(_statement(len(records)), list(chain.from_iterable(map(_row, records))))


@cache
def _statement(rows: int) -> str:
    # the columns are named in this code, not by anybody
    values = ", ".join([f"({', '.join('?' * len(COLUMNS))})"] * rows)
    return f"INSERT INTO predictions ({', '.join(COLUMNS)}) VALUES {values}"  # noqa: S608


def _row(record: Record) -> tuple[object, ...]:
    """The columns as SQLAlchemy stores them: times as text in UTC, without a zone."""
    created_at = record.created_at.astimezone(UTC).replace(tzinfo=None)
    return (*msgspec.structs.astuple(record)[:-1], created_at.isoformat(" ", "microseconds"))
