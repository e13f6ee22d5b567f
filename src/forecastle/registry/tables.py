"""The table of models."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from forecastle.db import Base, JsonColumn, UtcDateTime


class ModelRow(Base):
    """One published model. `owner` and `parent` keep their id when what they name is removed."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("name", "version"), Index(None, "created_at", "id"))

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    version: Mapped[int]
    stage: Mapped[str] = mapped_column(String(16))
    task: Mapped[str] = mapped_column(String(16))
    algorithm: Mapped[str] = mapped_column(String(64))
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    graph_sha256: Mapped[str] = mapped_column(String(64), index=True)
    manifest_sha256: Mapped[str] = mapped_column(String(64), index=True)
    metrics: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    baselines: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    dataset: Mapped[str] = mapped_column(String(200))
    parent: Mapped[str | None] = mapped_column(String(26))
    tags: Mapped[list[str]] = mapped_column(JsonColumn)
    owner: Mapped[str | None] = mapped_column(String(26))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
