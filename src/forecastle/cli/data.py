"""`data`: import tables and look at them."""

from pathlib import Path
from typing import Annotated

import typer

from forecastle.bootstrap import Stores
from forecastle.cli.console import JsonFlag, emit_json, emit_table, err, existing, hint, out, progress_bar, run
from forecastle.data import catalogue, rows
from forecastle.data.dataset import Dataset
from forecastle.data.options import Decimal, Duplicates, ImportOptions, read_delimiter, split_names
from forecastle.errors import printable
from forecastle.types import JsonObject

app = typer.Typer(help="Datasets.", no_args_is_help=True)

DatasetName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the dataset.", show_default=False)]


@app.command("add")
def add(
    file: Annotated[Path, typer.Argument(help="CSV of any delimiter, JSON lines or Parquet.", show_default=False)],
    name: Annotated[str, typer.Option(help="What to call it.", show_default=False)],
    *,
    time: Annotated[
        str | None, typer.Option(metavar="COL|COL+COL", help="Time column, date + time of day, or none.")
    ] = None,
    key: Annotated[list[str] | None, typer.Option(metavar="COL", help="Column that tells series apart.")] = None,
    columns: Annotated[str, typer.Option(metavar="A,B,C", help="Names for all columns; they replace a header.")] = "",
    delimiter: Annotated[str | None, typer.Option(help="One character, or tab.")] = None,
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Such as cp1252; UTF-8, and UTF-16 with a mark, are found out.")
    ] = None,
    header: Annotated[bool | None, typer.Option(help="Whether the first line names the columns.")] = None,
    decimal: Annotated[Decimal, typer.Option(help="What stands before the decimals of numbers.")] = "auto",
    missing: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="Counts as no value.")] = None,
    text: Annotated[list[str] | None, typer.Option(metavar="COL", help="Column to keep as text.")] = None,
    duplicates: Annotated[
        Duplicates, typer.Option(help="Which row stays when several have the same time and keys.")
    ] = "error",
    date_format: Annotated[
        str | None, typer.Option(metavar="FORMAT", help="D/M/Y, M/D/Y, Y/M/D or a strftime pattern.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Import a table under a name. What is not said is found out from the file."""
    existing(file)
    options = ImportOptions(
        time=time,
        keys=tuple(key or ()),
        columns=split_names(columns),
        delimiter=read_delimiter(delimiter),
        encoding=encoding,
        header=header,
        decimal=decimal,
        missing=tuple(missing or ()),
        text=tuple(text or ()),
        duplicates=duplicates,
        date_format=date_format,
    )

    async def work(stores: Stores) -> Dataset:
        with progress_bar(file.name) as progress:
            return await catalogue.import_file(
                stores.database,
                stores.tables,
                file,
                options,
                name=name,
                now=stores.clock.now(),
                progress=progress,
            )

    dataset = run(work)
    _show(dataset, as_json=as_json)
    if not as_json:
        hint(f"forecastle data rows {dataset.name}    forecastle features list    forecastle train RECIPE.toml")


@app.command("list")
def list_all(*, as_json: JsonFlag = False) -> None:
    """All datasets."""

    async def work(stores: Stores) -> list[Dataset]:
        async with stores.database.read() as session:
            return await catalogue.list_all(session)

    found = run(work)
    if as_json:
        emit_json(found)
        return
    emit_table(
        ["name", "rows", "columns", "time", "keys", "from", "to"],
        [
            [
                dataset.name,
                f"{dataset.rows:,}",
                len(dataset.columns),
                dataset.time,
                ", ".join(dataset.keys) or None,
                *_extent(dataset),
            ]
            for dataset in found
        ],
    )
    if not found:
        hint("forecastle data add FILE --name NAME")


@app.command("show")
def show(name: DatasetName, *, as_json: JsonFlag = False) -> None:
    """One dataset and its columns."""
    _show(run(lambda stores: _get(stores, name)), as_json=as_json)


@app.command("rows")
def show_rows(
    name: DatasetName,
    *,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many.")] = 10,
    offset: Annotated[int, typer.Option(min=0, help="How many to skip.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Rows in stored order: by time and keys."""

    async def work(stores: Stores) -> tuple[Dataset, list[JsonObject]]:
        dataset = await _get(stores, name)
        return dataset, rows.read_rows(stores.tables, dataset, limit=limit, offset=offset)

    dataset, found = run(work)
    if as_json:
        emit_json(found)
    else:
        names = [column.name for column in dataset.columns]
        emit_table(names, [[row[column] for column in names] for row in found])


@app.command("remove")
def remove(
    name: DatasetName,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Remove a dataset. Models trained on it keep working by vector."""
    if not yes:
        typer.confirm(f"Remove the dataset {name}?", abort=True, err=True)

    async def work(stores: Stores) -> Dataset:
        async with stores.database.write() as session:
            return await catalogue.remove(session, name, stores.tables)

    removed = run(work)
    if as_json:
        emit_json(removed)
    else:
        err.print(f"removed {removed.name}", highlight=False)


async def _get(stores: Stores, name: str) -> Dataset:
    async with stores.database.read() as session:
        return await catalogue.get(session, name)


def _show(dataset: Dataset, *, as_json: bool) -> None:
    if as_json:
        emit_json(dataset)
        return
    first, last = _extent(dataset)
    extent = f", {first} to {last}" if first else ""
    out.print(f"{dataset.name}: {dataset.rows:,} rows{extent}", highlight=False, markup=False, soft_wrap=True)
    emit_table(
        ["column", "kind", "role", "missing", "distinct"],
        [
            [column.name, column.kind, _role(dataset, column.name), f"{column.missing:,}", column.distinct]
            for column in dataset.columns
        ],
    )
    for column in dataset.columns:
        if column.note:
            err.print(printable(f"{column.name}: {column.note}"), highlight=False, markup=False, soft_wrap=True)


def _role(dataset: Dataset, column: str) -> str | None:
    if column == dataset.time:
        return "time"
    return "key" if column in dataset.keys else None


def _extent(dataset: Dataset) -> tuple[str | None, str | None]:
    first, last = dataset.first_time, dataset.last_time
    return (f"{first:%Y-%m-%d %H:%M}" if first else None, f"{last:%Y-%m-%d %H:%M}" if last else None)
