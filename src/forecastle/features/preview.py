"""A look at features before a model is made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

import polars as pl

from forecastle.data.dataset import Dataset
from forecastle.data.storage import TableStore
from forecastle.features.frames import prepare, prepared_schema
from forecastle.features.plan import FeaturePlan
from forecastle.features.table import plain

Cell: TypeAlias = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class PreviewedFeature:
    """One feature over all rows."""

    name: str
    expression: str
    kind: Literal["number", "category"]
    missing_share: float


@dataclass(frozen=True, slots=True)
class Preview:
    """Features of the last rows of a dataset, oldest first, and what they are like over all."""

    features: tuple[PreviewedFeature, ...]
    rows: list[dict[str, Cell]]
    """Time, keys and features of each row shown; times as ISO 8601 text in UTC, missing values as None."""
    total: int
    """Rows of the prepared table."""


def preview(
    store: TableStore,
    dataset: Dataset,
    features: Sequence[str],
    *,
    limit: int,
    timeframe: str | None = None,
    context: Mapping[str, Dataset] | None = None,
) -> Preview:
    """Computes features on a stored dataset; fitted ones learn from all of its rows.

    Raises:
        BadInput: an expression, the timeframe or a context series cannot be used.
        TableMissing: the file of a dataset is lost.
        TableDamaged: the file of a dataset is not what was imported.
    """
    table = _read(store, dataset)
    series = {name: _read(store, other) for name, other in (context or {}).items()}
    schema = prepared_schema(
        table.schema, time=dataset.time, context={name: frame.schema for name, frame in series.items()}
    )
    plan = FeaturePlan.of(features, schema=schema, time=dataset.time, keys=dataset.keys, context=tuple(series))
    frame = prepare(
        table.select(_needed(plan, dataset)),
        time=dataset.time,
        keys=dataset.keys,
        timeframe=timeframe,
        context=series,
    )
    values = plan.compute(frame, plan.fit(frame))
    shown = [*([dataset.time] if dataset.time else []), *dataset.keys]
    last = values.tail(limit).to_dicts()
    labels = frame.select(shown).tail(limit).to_dicts() if shown else [{}] * len(last)
    return Preview(
        features=tuple(
            PreviewedFeature(
                column.name, column.expression, column.kind, values[column.name].null_count() / max(frame.height, 1)
            )
            for column in plan.columns
        ),
        rows=[_cells(label | row) for label, row in zip(labels, last, strict=True)],
        total=frame.height,
    )


def _read(store: TableStore, dataset: Dataset) -> pl.DataFrame:
    return store.read(dataset.name, dataset.sha256, time=dataset.time, keys=dataset.keys)


def _needed(plan: FeaturePlan, dataset: Dataset) -> list[str]:
    """What to compute on: columns used, volume to weigh bars with, and one to count the rows of a plain table."""
    used = {dataset.time, *dataset.keys, *plan.sources}
    names = [column.name for column in dataset.columns]
    return [name for name in names if name in used or plain(name) == "volume"] or names[:1]


def _cells(row: Mapping[str, object]) -> dict[str, Cell]:
    return {name: _cell(value) for name, value in row.items()}


def _cell(value: object) -> Cell:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value if isinstance(value, bool | int | float | str) else None
