"""Features as one matrix: a row for each row of the prepared table, in memory or mapped from a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forecastle.features.functions.declare import Values

Rows = NDArray[np.int64]
Vocabulary = tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One feature: numbers, NaN where missing; of a category, places in its sorted vocabulary."""

    values: Values
    vocabulary: Vocabulary | None = None

    @classmethod
    def of(cls, series: pl.Series) -> "Column":
        """A computed column: Float64, or String for a category."""
        if series.dtype != pl.String:
            values = series.cast(pl.Float64).to_numpy(writable=True)
            values[~np.isfinite(values)] = np.nan
            return cls(values)
        seen = series.drop_nulls().unique().sort()
        places = series.replace_strict(seen, pl.Series(range(len(seen))), default=None, return_dtype=pl.Float64)
        return cls(places.fill_null(np.nan).to_numpy(), tuple(seen.to_list()))

    def series(self, name: str) -> pl.Series:
        """What `of` was given, with null where missing."""
        if self.vocabulary is None:
            return pl.Series(name, self.values).fill_nan(None)
        places = pl.Series(self.values).fill_nan(None).cast(pl.Int64)
        return pl.Series(self.vocabulary, dtype=pl.String).gather(places).alias(name)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMatrix:
    """N rows of F features.

    `values` is [N, F] and row-major: a stretch of rows is a view, so that processes which map the same file share it.
    """

    values: Values
    vocabularies: tuple[Vocabulary | None, ...]
    own: Mapping[int, Column] = field(default_factory=dict)
    """Columns that take the place of those of `values`."""

    @classmethod
    def of(cls, frame: pl.DataFrame) -> "FeatureMatrix":
        """The columns that a feature plan computed."""
        values = np.empty((frame.height, frame.width))
        vocabularies = []
        for position, series in enumerate(frame.iter_columns()):
            column = Column.of(series)
            values[:, position] = column.values
            vocabularies.append(column.vocabulary)
        return cls(values, tuple(vocabularies))

    @property
    def height(self) -> int:
        """N."""
        return len(self.values)

    @property
    def width(self) -> int:
        """F."""
        return int(self.values.shape[1])

    def column(self, position: int) -> Column:
        """One feature of every row."""
        return self.own.get(position) or Column(self.values[:, position], self.vocabularies[position])

    def with_columns(self, columns: Mapping[int, Column]) -> "FeatureMatrix":
        """The same with other columns at some positions; nothing is copied."""
        return FeatureMatrix(self.values, self.vocabularies, {**self.own, **columns})

    def take(self, rows: Rows) -> Values:
        """Values [n, F] of some rows: a view where they follow each other, which must not be written to."""
        first = int(rows[0]) if len(rows) else 0
        together = len(rows) == 0 or (rows[-1] - first == len(rows) - 1 and bool((np.diff(rows) == 1).all()))
        if together and not self.own:
            return self.values[first : first + len(rows)]
        taken = self.values[rows]
        for position, column in self.own.items():
            taken[:, position] = column.values[rows]
        return taken

    def frame(self, names: Sequence[str], rows: Rows | None = None) -> pl.DataFrame:
        """The features, of some rows or all, as columns of these names."""
        columns = (self.column(position) for position in range(self.width))
        if rows is not None:
            columns = (Column(column.values[rows], column.vocabulary) for column in columns)
        return pl.DataFrame([column.series(name) for name, column in zip(names, columns, strict=True)])
