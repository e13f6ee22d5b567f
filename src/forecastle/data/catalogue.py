"""The datasets by name."""

import asyncio
import re
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.data.dataset import Column, Dataset
from forecastle.data.errors import BadDatasetName, DatasetExists, DatasetNotFound, ImportAbandoned
from forecastle.data.options import ImportOptions
from forecastle.data.storage import TableStore
from forecastle.data.tables import DatasetRow
from forecastle.db import Database
from forecastle.types import Progress, new_id, no_progress

if TYPE_CHECKING:
    from forecastle.data.importing import ImportedTable

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_name(name: str) -> str:
    """The name, when it can be one.

    Raises:
        BadDatasetName: it cannot.
    """
    if not _NAME.fullmatch(name):
        expected = "1 to 100 letters, digits, dots, dashes and underscores, the first a letter or digit"
        raise BadDatasetName.at("name", expected=expected, found=name)
    return name


async def import_file(
    database: Database,
    store: TableStore,
    source: Path,
    options: ImportOptions,
    *,
    name: str,
    now: datetime,
    progress: Progress = no_progress,
) -> Dataset:
    """Import a file in a thread and catalogue it; when that fails, or is killed, nothing of it stays.

    Raises:
        BadInput: the name, an option or the file cannot be used.
        DatasetExists: the name belongs to other content.
    """
    check_name(name)
    await _collect(database, store)
    with store.workspace() as folder:
        table = await _import(source, options, folder, progress)
        async with database.write() as session:
            dataset = await _add(session, table, name=name, now=now)
            await asyncio.to_thread(store.adopt, table.path, table.sha256)
    store.settle(table.sha256)
    return dataset


async def _import(source: Path, options: ImportOptions, folder: Path, progress: Progress) -> "ImportedTable":
    """Import in a thread; when nobody waits for it any more, it stops at the next block."""
    abandoned = Event()

    def report(share: float, message: str) -> None:
        if abandoned.is_set():
            raise ImportAbandoned
        progress(share, message)

    importing = asyncio.create_task(asyncio.to_thread(_import_table, source, options, folder, report))
    importing.add_done_callback(_look_at)
    try:
        return await asyncio.shield(importing)
    except asyncio.CancelledError:
        abandoned.set()
        await asyncio.wait([importing])  # its folder goes away next
        raise


def _import_table(source: Path, options: ImportOptions, folder: Path, progress: Progress) -> "ImportedTable":
    from forecastle.data.importing import import_table  # noqa: PLC0415 - slow to import, and look-ups do without

    return import_table(source, options, folder, progress)


def _look_at(done: "asyncio.Task[ImportedTable]") -> None:
    """What became of it is of no interest once it was abandoned."""
    if not done.cancelled():
        done.exception()


async def _collect(database: Database, store: TableStore) -> None:
    """Delete what killed imports left behind.

    A table is adopted in the transaction that names it, and this one waits for that: what is doubtful now and has no
    name will never get one.
    """
    await asyncio.to_thread(store.sweep)
    if not store.doubtful():
        return
    async with database.write() as session:
        await _take_turns(session)
        for sha256 in store.doubtful():
            await _delete_unnamed(session, sha256, store)
            store.settle(sha256)


async def _add(session: AsyncSession, table: "ImportedTable", *, name: str, now: datetime) -> Dataset:
    """Name an imported table; the same content under the same name again is the dataset that is there.

    Raises:
        DatasetExists: the name belongs to other content.
    """
    await _take_turns(session)
    row = await _find(session, name)
    if row is not None and row.sha256 != table.sha256:
        raise DatasetExists(name)
    if row is None:
        row = _row(table, name, now)
        session.add(row)
        await session.flush()
    return _dataset(row)


async def get(session: AsyncSession, name: str) -> Dataset:
    """The dataset of that name.

    Raises:
        DatasetNotFound: there is none.
    """
    row = await _find(session, name)
    if row is None:
        raise DatasetNotFound(name)
    return _dataset(row)


async def list_all(session: AsyncSession) -> list[Dataset]:
    """All datasets by name."""
    return [_dataset(row) for row in await session.scalars(select(DatasetRow).order_by(DatasetRow.name))]


async def remove(session: AsyncSession, name: str, store: TableStore) -> Dataset:
    """Forget a dataset, and delete its table unless another name shares it.

    Raises:
        DatasetNotFound: there is none of that name.
    """
    await _take_turns(session)
    dataset = await get(session, name)
    await session.execute(delete(DatasetRow).where(DatasetRow.id == dataset.id))
    await _delete_unnamed(session, dataset.sha256, store)
    return dataset


async def _delete_unnamed(session: AsyncSession, sha256: str, store: TableStore) -> None:
    names = select(func.count()).select_from(DatasetRow).where(DatasetRow.sha256 == sha256)
    if not await session.scalar(names):
        await asyncio.to_thread(store.remove, sha256)


async def _take_turns(session: AsyncSession) -> None:
    """One writer of the catalogue at a time, so that no table is deleted while a name for it is being added."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer anyway
        await session.execute(text("LOCK TABLE datasets IN SHARE ROW EXCLUSIVE MODE"))


async def _find(session: AsyncSession, name: str) -> DatasetRow | None:
    return (await session.scalars(select(DatasetRow).where(DatasetRow.name == name))).one_or_none()


def _row(table: "ImportedTable", name: str, now: datetime) -> DatasetRow:
    return DatasetRow(
        id=new_id(now),
        name=name,
        sha256=table.sha256,
        rows=table.rows,
        columns=[asdict(column) for column in table.columns],
        time=table.time,
        keys=list(table.keys),
        first_time=table.first_time,
        last_time=table.last_time,
        created_at=now,
    )


def _dataset(row: DatasetRow) -> Dataset:
    return Dataset(
        id=row.id,
        name=row.name,
        sha256=row.sha256,
        rows=row.rows,
        columns=tuple(Column(**column) for column in row.columns),
        time=row.time,
        keys=tuple(row.keys),
        created_at=row.created_at,
        first_time=row.first_time,
        last_time=row.last_time,
    )
