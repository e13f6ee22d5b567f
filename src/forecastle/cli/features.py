"""`features`: the functions there are, and a look at expressions computed on a dataset."""

from typing import Annotated

import typer

from forecastle.bootstrap import Stores
from forecastle.cli.console import JsonFlag, emit_json, emit_table, err, hint, run
from forecastle.data import catalogue as datasets
from forecastle.features import catalogue
from forecastle.features.preview import Preview, preview

app = typer.Typer(help="Features: past-only expressions over a dataset.", no_args_is_help=True)


@app.command("list")
def list_all(
    *,
    family: Annotated[str | None, typer.Option(metavar="FAMILY", help="One family only.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """The functions that expressions are made of."""
    found = catalogue(family)
    if as_json:
        emit_json(found)
        return
    emit_table(["family", "function", "what it is"], [[item.family, item.signature, item.doc] for item in found])
    hint(f"forecastle features preview DATASET '{found[-1].example if family else 'sma(close, 20)'}'")


@app.command("preview")
def show(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Name of the dataset.", show_default=False)],
    expressions: Annotated[
        list[str],
        typer.Argument(metavar="EXPR...", help="expression, or name = expression.", show_default=False),
    ],
    *,
    rows: Annotated[int, typer.Option(min=1, max=100_000, help="How many of the last rows to show.")] = 10,
    timeframe: Annotated[
        str | None, typer.Option(metavar="5m|1h|1d|1w", help="Make bars of this length first.")
    ] = None,
    context: Annotated[
        list[str] | None, typer.Option(metavar="DATASET", help="Series joined on time as column_DATASET.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Compute features on a dataset, as training and serving would."""

    async def work(stores: Stores) -> Preview:
        async with stores.database.read() as session:
            table = await datasets.get(session, dataset)
            series = {name: await datasets.get(session, name) for name in context or ()}
        return preview(stores.tables, table, expressions, limit=rows, timeframe=timeframe, context=series)

    found = run(work)
    if as_json:
        emit_json(found)
        return
    emit_table(
        list(found.rows[0]) if found.rows else [], [[_short(value) for value in row.values()] for row in found.rows]
    )
    for feature in found.features:
        err.print(
            f"{feature.name}: {feature.kind}, missing in {feature.missing_share:.1%} of {found.total:,} rows",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def _short(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value
