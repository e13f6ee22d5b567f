"""Rows of a dataset as plain values."""

from datetime import datetime

from forecastle.data.dataset import Dataset
from forecastle.data.storage import TableStore
from forecastle.types import Json, JsonObject


def read_rows(store: TableStore, dataset: Dataset, *, limit: int, offset: int) -> list[JsonObject]:
    """`limit` rows from `offset` in stored order; times as ISO 8601 text in UTC, missing values as None.

    Raises:
        TableMissing: the file of the dataset is lost.
        TableDamaged: the file of the dataset cannot be read.
    """
    with store.scan(dataset.name, dataset.sha256) as table:
        frame = table.slice(offset, limit).collect()
    return [{name: _plain(value) for name, value in row.items()} for row in frame.iter_rows(named=True)]


def _plain(value: object) -> Json:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value if isinstance(value, bool | int | float | str) else None
