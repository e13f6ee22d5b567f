"""Whether Forecastle can start here: a finding for each thing that a start needs. Looking changes nothing."""

import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from forecastle.auth.keys import KEY_FILE, signing_key
from forecastle.bootstrap import artifacts_url, open_artifacts
from forecastle.cli.masking import without_password
from forecastle.db import Database, open_database, schema
from forecastle.db.engine import database_url
from forecastle.errors import ForecastleError, SettingsError, Unavailable
from forecastle.settings import Settings

LEAST_FREE_BYTES = 100_000_000
"""With less than this, an import or a busy day of predictions may fill the disk."""
TO_BE_MADE = "not there yet; the first start makes it"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was found, and the error that a start would end with."""

    check: str
    found: str
    trouble: ForecastleError | None = None
    skipped: bool = False

    @property
    def state(self) -> Literal["ok", "failed", "skipped"]:
        """In one word."""
        if self.trouble is not None:
            return "failed"
        return "skipped" if self.skipped else "ok"


async def check_all(settings: Settings) -> list[Finding]:
    """Every finding, in the order of a start."""
    return [*check_settings(settings), *[finding async for finding in _database(settings)], _kernels()]


def check_settings(settings: Settings) -> Iterator[Finding]:
    """What can be said without connecting to anything."""
    yield _home(settings.home)
    yield _space(settings.home)
    yield _key(settings)
    where = without_password(artifacts_url(settings))
    yield _tried("artifacts", where, lambda: open_artifacts(settings))


def _home(home: Path) -> Finding:
    if _can_be_written(home):
        return Finding("home", str(home) if _exists(home) else f"{home}: {TO_BE_MADE}")
    expected = f"FORECASTLE_HOME: expected a folder that can be written, found {home}"
    return Finding("home", str(home), SettingsError(expected))


def _space(home: Path) -> Finding:
    free = shutil.disk_usage(_standing(home)).free
    found = f"{free / 1e9:,.1f} GB free"
    if free >= LEAST_FREE_BYTES:
        return Finding("space", found)
    least = f"expected at least {LEAST_FREE_BYTES / 1e6:,.0f} MB free, found {free / 1e6:,.1f} MB"
    return Finding("space", found, Unavailable(f"{home}: {least}; make room, or choose another FORECASTLE_HOME"))


def _key(settings: Settings) -> Finding:
    path = settings.home / KEY_FILE
    if settings.auth.secret is None and not _exists(path):
        return Finding("signing key", f"{path}: {TO_BE_MADE}")
    where = str(path) if settings.auth.secret is None else "FORECASTLE_AUTH__SECRET"
    return _tried("signing key", where, lambda: signing_key(settings.auth, home=settings.home))


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    try:
        url = database_url(settings.database, home=settings.home)
    except SettingsError as error:
        yield Finding("database", without_password(settings.database.url or ""), error)
        yield Finding("schema", "not known without a database", skipped=True)
        return
    if url.get_backend_name() == "sqlite" and not _exists(Path(str(url.database))):
        yield _file_to_be(Path(str(url.database)))
        yield Finding("schema", TO_BE_MADE)
        return
    async with open_database(settings.database, home=settings.home) as database:
        where = database.url.render_as_string(hide_password=True)
        try:
            await database.ping()
        except ForecastleError as error:
            yield Finding("database", where, error)
            yield Finding("schema", "not known while the database is away", skipped=True)
            return
        yield Finding("database", where)
        yield await _schema(database)


def _file_to_be(path: Path) -> Finding:
    if _can_be_written(path.parent):
        return Finding("database", f"{path}: {TO_BE_MADE}")
    return Finding("database", str(path), SettingsError(f"{path.parent}: expected a folder that can be written"))


def _kernels() -> Finding:
    from forecastle.features.functions.kernels import kernels  # noqa: PLC0415 - 40 MB that a start may do without

    return Finding("kernels", "compiled" if kernels() else "not compiled: features of long tables take longer")


async def _schema(database: Database) -> Finding:
    try:
        at = await schema.current(database)
        pending = () if at == schema.NEWEST else await _pending(database)
    except ForecastleError as error:
        return Finding("schema", "not one of this version", error)
    if at is None:
        return Finding("schema", TO_BE_MADE)
    if pending:
        return Finding("schema", f"at {at}; the next start applies {', '.join(pending)}")
    return Finding("schema", f"at {at}, up to date")


async def _pending(database: Database) -> tuple[str, ...]:
    from forecastle.db import migrate  # noqa: PLC0415 - 10 MB, once a release

    return await migrate.pending(database)


def _tried(check: str, found: str, attempt: Callable[[], object]) -> Finding:
    try:
        attempt()
    except ForecastleError as error:
        return Finding(check, found, error)
    return Finding(check, found)


def _can_be_written(folder: Path) -> bool:
    standing = _standing(folder)
    return standing.is_dir() and os.access(standing, os.W_OK | os.X_OK)


def _standing(path: Path) -> Path:
    """The path, or what there is of the folders above it."""
    return next(each for each in (path, *path.parents) if _exists(each))


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises where it may not look
