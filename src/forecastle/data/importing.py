"""From a file to a stored table: look at all of it, decide, convert, order, store."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from forecastle.data.cleaning import clean, spellings
from forecastle.data.convert import convert
from forecastle.data.dataset import Column
from forecastle.data.dates import read_date_format
from forecastle.data.delimited import DelimitedSource
from forecastle.data.dialect import find_dialect
from forecastle.data.encoding import read_encoding
from forecastle.data.errors import BadTable
from forecastle.data.evidence import Evidence
from forecastle.data.jsonlines import JsonLinesSource
from forecastle.data.options import ImportOptions
from forecastle.data.ordering import ROW, deduplicated, ordered
from forecastle.data.parquet import MAGIC, ParquetSource
from forecastle.data.schema import ColumnPlan, Columns, TablePlan, decide
from forecastle.data.source import Advance, Source
from forecastle.data.storage import sync
from forecastle.data.tablefile import TableFacts, write_table
from forecastle.data.text import TextFile
from forecastle.errors import BadInput
from forecastle.types import Progress, no_progress

MAX_COLUMNS = 4096


@dataclass(frozen=True, slots=True)
class ImportedTable:
    """A finished table that has no name yet."""

    sha256: str
    rows: int
    columns: tuple[Column, ...]
    time: str | None
    keys: tuple[str, ...]
    first_time: datetime | None
    last_time: datetime | None
    path: Path


def import_table(
    source: Path,
    options: ImportOptions,
    folder: Path,
    progress: Progress = no_progress,
) -> ImportedTable:
    """Read a file twice, block by block, and write it as a table.

    Args:
        source: CSV (any delimiter), JSON lines or Parquet.
        options: what the file's look does not tell.
        folder: where the table is written.
        progress: told the share done.

    Raises:
        BadTable: the file cannot be read as a table; says where and why.
        BadInput: an option is malformed.
    """
    missing = spellings(options.markers)
    table = open_source(source, options, label=source.name)
    evidence = examine(table, options, missing, _stage(progress, table.size, 0.0, 0.4, "reading"))
    plan = decide(table, evidence, options)
    advance = _stage(progress, table.size, 0.4, 0.8, "converting")
    path = folder / "table.parquet"
    with TemporaryDirectory(dir=folder) as scratch:
        facts = _write(table, plan, options, _converted(table, plan, missing, advance), path, scratch=Path(scratch))
    progress(0.95, "storing")
    sync(path)
    progress(1.0, "stored")
    return ImportedTable(
        sha256=facts.sha256,
        rows=facts.rows,
        columns=tuple(map(_noted, facts.columns, plan.columns)),
        time=plan.time,
        keys=plan.keys,
        first_time=facts.first_time,
        last_time=facts.last_time,
        path=path,
    )


def open_source(path: Path, options: ImportOptions, *, label: str) -> Source:
    """The file as what it is, by its content and, for JSON lines, its name or first character.

    Raises:
        BadInput: there is no such file.
        BadTable: it is empty, or no kind of table.
    """
    if not path.is_file():
        raise BadInput.at("file", expected="a readable file", found=str(path))
    with path.open("rb") as file:
        is_parquet = file.read(len(MAGIC)) == MAGIC
    if is_parquet:
        return _typed(ParquetSource(path, label), options)
    text = TextFile.at(path, label, read_encoding(options.encoding) if options.encoding else None)
    if label.lower().endswith((".jsonl", ".ndjson", ".json")) or text.sample().lstrip().startswith("{"):
        return _typed(JsonLinesSource(text), options)
    return DelimitedSource(text, find_dialect(text, options))


def _typed(source: Source, options: ImportOptions) -> Source:
    """A file that tells numbers from texts, unless the options take them for texts."""
    if options.decimal != "auto":
        found = "one that tells numbers from texts"
        raise BadTable(source.label, expected="a delimited file for --decimal", found=found, hint="leave it out")
    return source


def examine(source: Source, options: ImportOptions, missing: tuple[str, ...], advance: Advance) -> Columns:
    """What all values of every column say."""
    date_format = read_date_format(options.date_format) if options.date_format else None
    commas = source.delimiter is not None and (source.delimiter != "," or options.decimal == ",")
    columns: dict[str, Evidence] = {}
    rows = 0
    for block in source.blocks(advance):
        for name in block.columns:
            if name not in columns:
                columns[name] = Evidence(name, date_format, commas=commas)
                columns[name].add_missing(rows)
        if len(columns) > MAX_COLUMNS:
            raise BadTable(source.label, expected=f"at most {MAX_COLUMNS} columns", found=str(len(columns)))
        cells = {column.name: column for column in clean(block, missing).iter_columns()}
        for name, evidence in columns.items():
            evidence.add(cells[name]) if name in cells else evidence.add_missing(block.height)
        rows += block.height
    if not any(column.values for column in columns.values()):
        raise BadTable(source.label, expected="rows with values", found="none")
    return columns


def _converted(source: Source, plan: TablePlan, missing: tuple[str, ...], advance: Advance) -> Iterator[pl.DataFrame]:
    row = 0
    for block in source.blocks(advance):
        frame = convert(block, plan, missing)
        if plan.time is not None:
            _check_time(source, plan, block, frame, row)
            frame = frame.with_columns(pl.int_range(row, row + frame.height, dtype=pl.Int64).alias(ROW))
        yield frame
        row += block.height


def _noted(column: Column, plan: ColumnPlan) -> Column:
    return replace(column, note=plan.note)


def _check_time(source: Source, plan: TablePlan, block: pl.DataFrame, frame: pl.DataFrame, first_row: int) -> None:
    time = next(column for column in plan.columns if column.name == plan.time)
    absent = frame[time.name].is_null()
    if absent.any():
        index = absent.arg_max() or 0
        raise BadTable(
            source.label,
            line=source.place(first_row + index),
            column=time.name,
            expected="a day of the calendar",
            found=str(block[time.sources[0]][index]),
            unit=source.unit,
        )


def _write(
    source: Source,
    plan: TablePlan,
    options: ImportOptions,
    frames: Iterator[pl.DataFrame],
    path: Path,
    *,
    scratch: Path,
) -> TableFacts:
    if plan.time is not None:
        by = [plan.time, *plan.keys]
        frames = ordered(frames, by, scratch)
        frames = deduplicated(frames, by, options.duplicates, lambda rows: _twice(source, plan, by, rows))
    schema = pl.Schema({column.name: column.dtype for column in plan.columns})
    return write_table(frames, path, schema=schema, time=plan.time, keys=plan.keys)


def _twice(source: Source, plan: TablePlan, by: list[str], rows: pl.DataFrame) -> BadTable:
    twice = rows.select(by).unique(maintain_order=True)
    names = [" ".join(str(value).removesuffix(" 00:00:00+00:00") for value in values) for values in twice.rows()]
    lines = sorted(source.place(row) for row in rows[ROW].head(2))
    categories = [column.name for column in plan.columns if column.kind == "category" and column.name not in plan.keys]
    keys = (
        f"name what tells the series apart with --key (one of {', '.join(categories[:5])}), or " if categories else ""
    )
    return BadTable(
        source.label,
        column=plan.time,
        expected=f"one row for each {' and '.join(by)}",
        found=f"two in {source.unit}s {lines[0]} and {lines[1]}: {', '.join(names[:3])}",
        hint=f"{keys}choose one with --duplicates last|first",
    )


def _stage(progress: Progress, size: int, start: float, end: float, message: str) -> Advance:
    def advance(done: int) -> None:
        progress(start + (end - start) * min(1.0, done / max(1, size)), message)

    return advance
