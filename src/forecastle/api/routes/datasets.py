"""Datasets: upload a table, list, look at its rows, remove."""

import asyncio
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from forecastle.api.bodies import MULTIPART
from forecastle.api.depends import AdminDep, EditorDep, ServicesDep, UserDep
from forecastle.api.routes import PREFIX
from forecastle.data import catalogue, rows
from forecastle.data.dataset import Dataset
from forecastle.data.options import Decimal, Duplicates, ImportOptions, read_delimiter, split_names
from forecastle.errors import TooLarge
from forecastle.types import Page

router = APIRouter(prefix=PREFIX, tags=["data"])


@dataclass(frozen=True, slots=True)
class RowsPage:
    """Some rows of a dataset, in stored order."""

    rows: list[dict[str, Any]]
    offset: int
    total: int


class Upload(BaseModel):
    """A table, and what its own look does not say."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="What to call it.")
    file: UploadFile = Field(description="CSV of any delimiter, JSON lines or Parquet.")
    time: str | None = Field(None, description="Time column, DATE+CLOCK, or none; left out, it is looked for.")
    key: list[str] = Field([], description="Columns that tell several series apart.")
    columns: str = Field("", description="Names for all columns, with commas; they replace a header.")
    delimiter: str | None = Field(None, description="One character, or tab.")
    encoding: str | None = Field(None, description="Such as cp1252; UTF-8, and UTF-16 with a mark, are found out.")
    header: bool | None = Field(None, description="Whether the first line names the columns.")
    decimal: Decimal = Field("auto", description="What stands before the decimals of numbers.")
    missing: list[str] = Field([], description='Further texts that mean "no value".')
    text: list[str] = Field([], description="Columns to keep as text.")
    duplicates: Duplicates = Field("error", description="Which of several rows of one time and key stays.")
    date_format: str | None = Field(None, description="D/M/Y, M/D/Y, Y/M/D or a strftime pattern.")

    @property
    def options(self) -> ImportOptions:
        """How the file is to be read."""
        return ImportOptions(
            time=self.time or None,
            keys=tuple(self.key),
            columns=split_names(self.columns),
            delimiter=read_delimiter(self.delimiter),
            encoding=self.encoding or None,
            header=self.header,
            decimal=self.decimal,
            missing=tuple(self.missing),
            text=tuple(self.text),
            duplicates=self.duplicates,
            date_format=self.date_format or None,
        )


@router.post("/datasets", status_code=201)
async def add_dataset(
    services: ServicesDep,
    _editor: EditorDep,
    upload: Annotated[Upload, Form(media_type=MULTIPART)],
) -> Dataset:
    """Import a table. The same content under the same name again is the dataset that is there."""
    limit, options = services.settings.data.max_upload_bytes, upload.options
    if upload.file.size is not None and upload.file.size > limit:
        raise TooLarge(f"the file exceeds {limit:,} bytes")
    with services.tables.workspace() as folder:
        path = await asyncio.to_thread(_save, upload.file, folder / "upload")
        return await catalogue.import_file(
            services.database,
            services.tables,
            path,
            options,
            name=upload.name,
            now=services.clock.now(),
        )


@router.get("/datasets")
async def list_datasets(services: ServicesDep, _user: UserDep) -> Page[Dataset]:
    """All datasets by name."""
    async with services.database.read() as session:
        return Page(tuple(await catalogue.list_all(session)))


@router.get("/datasets/{name}")
async def get_dataset(services: ServicesDep, _user: UserDep, name: str) -> Dataset:
    """One dataset: its columns, its time and keys, its extent."""
    async with services.database.read() as session:
        return await catalogue.get(session, name)


@router.get("/datasets/{name}/rows")
async def get_rows(
    services: ServicesDep,
    _user: UserDep,
    name: str,
    limit: Annotated[int, Field(ge=1, le=1000)] = 100,
    offset: Annotated[int, Field(ge=0, le=10**15)] = 0,
) -> RowsPage:
    """Rows in stored order: by time and keys, or as in the file when there is no time column."""
    async with services.database.read() as session:
        dataset = await catalogue.get(session, name)
    found = await asyncio.to_thread(rows.read_rows, services.tables, dataset, limit=limit, offset=offset)
    return RowsPage(found, offset, dataset.rows)


@router.delete("/datasets/{name}", status_code=204)
async def remove_dataset(services: ServicesDep, _admin: AdminDep, name: str) -> None:
    """Forget a dataset, as admins may. Models trained on it keep working by vector."""
    async with services.database.write() as session:
        await catalogue.remove(session, name, services.tables)


def _save(upload: UploadFile, folder: Path) -> Path:
    """The upload as a file of its own name, as far as that is harmless: messages speak of it."""
    folder.mkdir()
    path = folder / (re.sub(r"[^\w.-]", "_", upload.filename or "", flags=re.ASCII)[-100:].lstrip(".") or "upload")
    with path.open("wb") as file:
        shutil.copyfileobj(upload.file, file, 1024 * 1024)
    return path
