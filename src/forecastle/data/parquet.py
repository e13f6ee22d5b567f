"""Parquet files made elsewhere, brought to the few types a dataset has."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl
import pyarrow as pa
from pyarrow import parquet

from forecastle.data.dates import INSTANT
from forecastle.data.errors import BadTable
from forecastle.data.naming import check_names
from forecastle.data.source import Advance

MAGIC = b"PAR1"
BATCH_ROWS = 32_768


@dataclass(frozen=True, slots=True)
class ParquetSource:
    """A Parquet file; its numbers, booleans and times keep their type."""

    unit: ClassVar[str] = "row"
    path: Path
    label: str

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    @property
    def unnamed(self) -> frozenset[str]:
        """None here: the columns that pandas names itself are known by those names."""
        return frozenset()

    @property
    def delimiter(self) -> None:
        """None."""
        return

    def blocks(self, advance: Advance) -> Iterator[pl.DataFrame]:
        """The rows as String, Int64, Float64, Boolean and Datetime columns.

        Raises:
            BadTable: the file is damaged, a name cannot be used, or a column holds lists, structures or bytes.
        """
        try:
            with parquet.ParquetFile(self.path) as file:
                check_names(self.label, file.schema_arrow.names)
                total = max(1, file.metadata.num_rows)
                done = 0
                for batch in file.iter_batches(BATCH_ROWS):
                    done += batch.num_rows
                    advance(self.size * done // total)
                    yield self._normalised(batch)
        except (pa.ArrowException, OSError) as error:
            raise BadTable(self.label, expected="a sound Parquet file", found=str(error)) from error

    def place(self, row: int) -> int:
        """Rows count from 1."""
        return row + 1

    def _normalised(self, batch: pa.RecordBatch) -> pl.DataFrame:
        frame = pl.DataFrame(batch)
        return frame.select(self._column(column) for column in frame.iter_columns())

    def _column(self, column: pl.Series) -> pl.Series:
        target = _target(column.dtype)
        if target is None:
            expected = "numbers, text, booleans or times"
            raise BadTable(self.label, column=column.name, expected=expected, found=str(column.dtype))
        if target == INSTANT and column.dtype != INSTANT:
            return _instants(column)
        try:
            values = column.cast(target)
        except pl.exceptions.InvalidOperationError as error:
            expected = "integers of 64 bits with sign"
            raise BadTable(self.label, column=column.name, expected=expected, found=str(column.max())) from error
        return values.fill_nan(None) if target == pl.Float64 else values


def _target(dtype: pl.DataType) -> pl.DataType | None:
    """The type a dataset has for it; None when there is none."""
    if dtype.is_integer():
        return pl.Int64()
    if dtype.is_float() or dtype.is_decimal():
        return pl.Float64()
    if isinstance(dtype, pl.Datetime | pl.Date):
        return INSTANT
    if isinstance(dtype, pl.Categorical | pl.Enum | pl.Time):
        return pl.String()
    return dtype if isinstance(dtype, pl.String | pl.Boolean | pl.Null) else None


def _instants(column: pl.Series) -> pl.Series:
    """Dates and naive times are UTC."""
    micros = column.cast(pl.Datetime("us", getattr(column.dtype, "time_zone", None)))
    return micros.dt.convert_time_zone("UTC") if micros.dtype.time_zone else micros.dt.replace_time_zone("UTC")  # type: ignore[attr-defined]
