"""The identity of a table: a hash of what it says, not of how it is stored."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

FORMAT = 1
_TYPE_NAMES: dict[type[pl.DataType], str] = {
    pl.Int64: "int64",
    pl.Float64: "float64",
    pl.Boolean: "boolean",
    pl.String: "text",
    pl.Datetime: "time",
}


class ContentHash:
    """SHA-256 over names, types, roles and values; the same however the rows are cut into frames.

    A column contributes one hash of its validity (a byte a row), one of its values (little-endian, 8 bytes a number or
    time in microseconds, one a boolean, UTF-8 a text) and one of the lengths of its texts. Missing values count as
    zeros and empty texts.
    """

    def __init__(self, schema: pl.Schema, *, time: str | None, keys: Sequence[str]) -> None:
        types = [[name, _TYPE_NAMES[type(dtype)]] for name, dtype in schema.items()]
        self._head = {"format": FORMAT, "columns": types, "time": time, "keys": list(keys)}
        self._columns = {name: tuple(hashlib.sha256() for _ in range(3)) for name in schema}
        self._rows = 0

    def update(self, frame: pl.DataFrame) -> None:
        """Add the rows of a frame."""
        self._rows += frame.height
        for column in frame.iter_columns():
            validity, values, lengths = self._columns[column.name]
            validity.update(_validity(column))
            if column.dtype == pl.String:
                texts, sizes = _text_bytes(column)
                values.update(texts)
                lengths.update(_bytes(sizes))
            else:
                values.update(_bytes(_fixed(column)))

    def hexdigest(self) -> str:
        """The hash of everything added so far."""
        digests = {name: [part.hexdigest() for part in parts] for name, parts in self._columns.items()}
        content: dict[str, Any] = {**self._head, "rows": self._rows, "digests": digests}
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


def content_hash(table: pl.DataFrame, *, time: str | None, keys: Sequence[str]) -> str | None:
    """The hash of a whole table; None if it has columns of types that no dataset has."""
    if any(type(dtype) not in _TYPE_NAMES for dtype in table.dtypes):
        return None
    content = ContentHash(table.schema, time=time, keys=keys)
    content.update(table)
    return content.hexdigest()


def _validity(column: pl.Series) -> bytes:
    if not column.null_count():
        return b"\x01" * len(column)
    return _bytes(column.is_not_null().to_numpy().astype(np.uint8))


def _fixed(column: pl.Series) -> NDArray[Any]:
    if column.dtype == pl.Boolean:
        return _filled(column, value=False).to_numpy().astype(np.uint8)
    if column.dtype == pl.Float64:
        return _filled(column, 0.0).to_numpy().astype("<f8") + 0.0  # no negative zero
    return _filled(column.to_physical(), 0).to_numpy().astype("<i8")


def _filled(column: pl.Series, value: float | str) -> pl.Series:
    return column.fill_null(value) if column.null_count() else column


def _text_bytes(column: pl.Series) -> tuple[memoryview | bytes, NDArray[Any]]:
    texts = _filled(column, "")
    sizes = texts.str.len_bytes().to_numpy().astype("<u8")
    array = pa.concat_arrays(_chunks(texts))
    _, offsets, data = array.buffers()
    if data is None or offsets is None or not len(array):
        return b"", sizes
    bounds = np.frombuffer(offsets, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    return memoryview(data)[int(bounds[0]) : int(bounds[-1])], sizes


def _chunks(texts: pl.Series) -> list[Any]:
    array = texts.to_arrow(compat_level=pl.CompatLevel.oldest())
    return [array.cast(pa.large_string())]


def _bytes(array: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(array).tobytes()
