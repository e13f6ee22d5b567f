"""What can go wrong with the database, and how the drivers' errors become ours.

Unavailable
└── DatabaseUnavailable    cannot be reached, refuses us, is full or broken
    ├── PoolExhausted      every connection is in use
    ├── DatabaseBusy       somebody else holds the lock
    ├── DatabaseFull       no space left for it; a DiskFull too
    └── SchemaMissing      a table or column is not there: not migrated
DeadlineExceeded
└── StatementTimeout
Conflict
└── SchemaUnknown          a newer version has migrated it
BadInput
└── Unstorable             a value that the database cannot hold
"""

import os
import re
import sqlite3
from pathlib import Path

import asyncpg
from sqlalchemy import Engine, ExceptionContext, Index, UniqueConstraint, event
from sqlalchemy.exc import IntegrityError

from forecastle.db.base import Base
from forecastle.errors import BadInput, Conflict, DeadlineExceeded, DiskFull, ForecastleError, Unavailable, clip


class DatabaseUnavailable(Unavailable):
    """The database cannot be used."""

    code = "DATABASE_UNAVAILABLE"


class PoolExhausted(DatabaseUnavailable):
    """Every database connection is in use."""

    code = "DATABASE_POOL_EXHAUSTED"


class DatabaseBusy(DatabaseUnavailable):
    """The database is locked by somebody else."""

    code = "DATABASE_BUSY"


class DatabaseFull(DatabaseUnavailable, DiskFull):
    """No space is left for the database: make room on its disk, then try again."""

    code = "DATABASE_FULL"


class SchemaMissing(DatabaseUnavailable):
    """A table is missing or old: run `forecastle db upgrade`."""

    code = "DATABASE_SCHEMA_MISSING"


class StatementTimeout(DeadlineExceeded):
    """A database statement took longer than it may."""

    code = "DATABASE_TIMEOUT"


class SchemaUnknown(Conflict):
    """The database was migrated by a newer version."""

    code = "DATABASE_SCHEMA_UNKNOWN"

    def __init__(self, revision: str | None) -> None:
        self.revision = revision
        super().__init__(f"the database is at revision {revision}, made by a newer version: install that one")


class Unstorable(BadInput):
    """A value cannot be stored."""

    code = "INVALID_VALUE"


#: By the start of the SQLSTATE, the longest that fits: https://www.postgresql.org/docs/current/errcodes-appendix.html
POSTGRESQL_STATES: dict[str, type[ForecastleError]] = {
    "08": DatabaseUnavailable,  # connection failed or lost
    "22": Unstorable,  # data exception
    "25006": DatabaseUnavailable,  # read only
    "28": DatabaseUnavailable,  # credentials refused
    "3D": DatabaseUnavailable,  # no such database
    "3F": SchemaMissing,
    "40001": DatabaseBusy,  # serialization failure
    "40P01": DatabaseBusy,  # deadlock
    "42703": SchemaMissing,  # no such column
    "42P01": SchemaMissing,  # no such table
    "53": DatabaseUnavailable,  # memory or connections used up
    "53100": DatabaseFull,
    "55P03": DatabaseBusy,  # lock not available
    "57": DatabaseUnavailable,  # shutting down or starting
    "57014": StatementTimeout,
    "58": DatabaseUnavailable,  # input or output failed
}

SQLITE_CODES: dict[int, type[ForecastleError]] = {
    sqlite3.SQLITE_BUSY: DatabaseBusy,
    sqlite3.SQLITE_LOCKED: DatabaseBusy,
    sqlite3.SQLITE_CANTOPEN: DatabaseUnavailable,
    sqlite3.SQLITE_CORRUPT: DatabaseUnavailable,
    sqlite3.SQLITE_FULL: DatabaseFull,
    sqlite3.SQLITE_IOERR: DatabaseUnavailable,
    sqlite3.SQLITE_NOTADB: DatabaseUnavailable,
    sqlite3.SQLITE_PERM: DatabaseUnavailable,
    sqlite3.SQLITE_READONLY: DatabaseUnavailable,
    sqlite3.SQLITE_TOOBIG: Unstorable,
}
LEAST_SPACE_BYTES = 256 * 1024
"""With less, SQLite fails to make or to grow the index of its write-ahead log, and says only that the disk failed."""
MISSING_IN_SQLITE = re.compile(r"no such (table|column)|has no column named")


def translate_errors(engine: Engine) -> None:
    """Let the engine raise our errors instead of the drivers', broken constraints excepted."""
    event.listen(engine, "handle_error", _handle)


def translated(error: BaseException, file: Path | None = None) -> ForecastleError | None:
    """Our error for a driver's, or None if it says nothing about the database's health or the values sent.

    Args:
        error: what the driver raised.
        file: of an SQLite database.
    """
    kind = _kind(error)
    if kind is None:
        return None
    if kind is DatabaseFull or (file is not None and _fails_for_space(error, file)):
        return DatabaseFull.at(file.parent if file else "the database server", writing="the database")
    reason = clip(str(error) or type(error).__name__, 200)
    if file is not None and _primary(error) == sqlite3.SQLITE_IOERR:
        reason = f"{reason} ({getattr(error, 'sqlite_errorname', '')}) at {file}"
    summary = (kind.__doc__ or "").rstrip(".")
    return kind(f"{summary[:1].lower()}{summary[1:]}: {reason}")


def is_unique_violation(error: IntegrityError, constraint: str) -> bool:
    """Whether the error says that the unique constraint or index of that name would be broken.

    PostgreSQL names the constraint, SQLite its columns.
    """
    columns = _columns(constraint)
    cause = error.orig.__cause__ if error.orig is not None else None
    if isinstance(cause, asyncpg.UniqueViolationError):
        return bool(cause.constraint_name == constraint)
    return str(error.orig) == f"UNIQUE constraint failed: {', '.join(columns)}"


def _columns(constraint: str) -> list[str]:
    for table in Base.metadata.tables.values():
        for candidate in (*table.constraints, *table.indexes):
            if isinstance(candidate, UniqueConstraint | Index) and candidate.name == constraint:
                return [f"{table.name}.{column.name}" for column in candidate.columns]
    raise LookupError(f"no table has a unique constraint {constraint}")


def _handle(context: ExceptionContext) -> None:
    error = context.original_exception
    if context.is_pre_ping or not isinstance(error, Exception):
        return
    url = context.engine.url if context.engine is not None else None
    file = Path(url.database) if url is not None and url.database and url.get_backend_name() == "sqlite" else None
    ours = translated(error, file)
    if ours is None and context.is_disconnect:
        ours = DatabaseUnavailable(f"the connection to the database was lost: {clip(str(error), 200)}")
    if isinstance(error, OSError):
        context.is_disconnect = True  # whatever happened to the socket, it is not used again
    if ours is not None:
        raise ours from error


def _kind(error: BaseException) -> type[ForecastleError] | None:
    if isinstance(error, TimeoutError):
        return StatementTimeout
    if isinstance(error, OSError):
        return DatabaseUnavailable
    if isinstance(error, UnicodeEncodeError | OverflowError):
        return Unstorable
    if isinstance(error, sqlite3.Error):
        return _sqlite_kind(error)
    state = getattr(error, "sqlstate", None) or ""
    return next((POSTGRESQL_STATES[state[:n]] for n in (5, 2) if state[:n] in POSTGRESQL_STATES), None)


def _sqlite_kind(error: sqlite3.Error) -> type[ForecastleError] | None:
    if MISSING_IN_SQLITE.search(str(error)):
        return SchemaMissing
    return SQLITE_CODES.get(_primary(error))


def _primary(error: BaseException) -> int:
    """The code of a driver's error without its higher bits, which tell details; 0 of any other error."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def _fails_for_space(error: BaseException, file: Path) -> bool:
    """Whether files beside the database, which SQLite makes even to read, find no space; it tells no reason then."""
    if _primary(error) not in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}:
        return False
    try:
        disk = os.statvfs(file.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < LEAST_SPACE_BYTES or (disk.f_files > 0 and disk.f_favail == 0)
