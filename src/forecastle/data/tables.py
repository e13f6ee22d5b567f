"""The catalogue's table."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from forecastle.db import Base, JsonColumn, UtcDateTime


class DatasetRow(Base):
    """A named table; several names may share one content."""

    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    rows: Mapped[int] = mapped_column(BigInteger)
    columns: Mapped[list[dict[str, Any]]] = mapped_column(JsonColumn)
    time: Mapped[str | None]
    keys: Mapped[list[str]] = mapped_column(JsonColumn)
    first_time: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_time: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
