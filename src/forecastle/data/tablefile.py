"""Writing a table as Parquet while counting and hashing what is in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from pyarrow import parquet

from forecastle.data.dataset import Column, ColumnKind
from forecastle.data.hashing import ContentHash

GROUP_ROWS = 131_072
GROUP_BYTES = 32 * 1024 * 1024
MAX_DISTINCT = 1_000_000

_KINDS: dict[type[pl.DataType], ColumnKind] = {
    pl.Int64: "number",
    pl.Float64: "number",
    pl.Boolean: "boolean",
    pl.String: "category",
    pl.Datetime: "time",
}


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What there is to know of a written table."""

    sha256: str
    rows: int
    columns: tuple[Column, ...]
    first_time: datetime | None
    last_time: datetime | None


def write_table(
    frames: Iterable[pl.DataFrame], path: Path, *, schema: pl.Schema, time: str | None, keys: Sequence[str]
) -> TableFacts:
    """Write the rows of `frames`, all of `schema`, in their order."""
    content = ContentHash(schema, time=time, keys=keys)
    census = {name: _Census(name, dtype) for name, dtype in schema.items()}
    arrow_schema = schema.to_frame().to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    rows, first, last = 0, None, None
    texts: Any = [name for name, dtype in schema.items() if dtype == pl.String]  # the stubs know only all or none
    with parquet.ParquetWriter(path, arrow_schema, compression="zstd", use_dictionary=texts) as writer:
        for frame in _groups(frames):
            writer.write_table(frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(arrow_schema))
            content.update(frame)
            for column in frame.iter_columns():
                census[column.name].update(column)
            rows += frame.height
            if time is not None:
                first, last = first or frame[time][0], frame[time][-1]
    columns = tuple(counted.column() for counted in census.values())
    return TableFacts(content.hexdigest(), rows, columns, first, last)


def _groups(frames: Iterable[pl.DataFrame]) -> Iterable[pl.DataFrame]:
    """The same rows in frames that make good row groups."""
    pending: list[pl.DataFrame] = []
    rows, size = 0, 0
    for frame in frames:
        pending.append(frame)
        rows, size = rows + frame.height, size + int(frame.estimated_size())
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            yield pl.concat(pending)
            pending, rows, size = [], 0, 0
    if rows:
        yield pl.concat(pending)


class _Census:
    """Counts of one column: missing values, and different ones of a category."""

    def __init__(self, name: str, dtype: pl.DataType) -> None:
        self.name, self.kind = name, _KINDS[type(dtype)]
        self.missing = 0
        self._seen = pl.Series(dtype=pl.UInt64)
        self._countable = self.kind == "category"

    def update(self, values: pl.Series) -> None:
        self.missing += values.null_count()
        if self._countable:
            seen = values.drop_nulls().unique().hash()
            self._seen = pl.concat([self._seen, seen]).unique()
            self._countable = len(self._seen) <= MAX_DISTINCT

    def column(self) -> Column:
        return Column(self.name, self.kind, self.missing, len(self._seen) if self._countable else None)
