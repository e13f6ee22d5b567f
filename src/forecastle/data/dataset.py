"""What a dataset is: a named, immutable, content-hashed table."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

ColumnKind = Literal["number", "category", "boolean", "time"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: numbers are Float64 or Int64, categories String, times Datetime("us", "UTC"); all may be null."""

    name: str
    kind: ColumnKind
    missing: int = 0
    """Rows without a value."""
    distinct: int | None = None
    """Number of different values of a category column."""
    note: str | None = None
    """How its numbers were written, or why it is text, where that is not plain."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table in the catalogue. Its rows are stored sorted by time, then keys, when it has a time column."""

    id: str
    name: str
    sha256: str
    """Hash of the content: column names, types and values, not of the file."""
    rows: int
    columns: tuple[Column, ...]
    time: str | None
    keys: tuple[str, ...]
    created_at: datetime
    first_time: datetime | None = None
    last_time: datetime | None = None

    def column(self, name: str) -> Column | None:
        """The column of that exact name, or None."""
        return next((column for column in self.columns if column.name == name), None)
