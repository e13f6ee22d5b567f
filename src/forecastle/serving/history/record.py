"""A prediction on its way into the database."""

from datetime import datetime

import msgspec


class Record(msgspec.Struct, frozen=True):
    """One row of the table of predictions, its columns in this order; `input` and `output` are JSON texts."""

    id: str
    owner: str | None
    model_id: str
    model_name: str
    model_version: int
    input: str
    output: str
    confidence: float | None
    latency_ms: float
    cached: bool
    request_id: str | None
    created_at: datetime
    """Aware."""


COLUMNS = Record.__struct_fields__
