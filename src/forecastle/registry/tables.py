"""The tables of models, and of what they are ranked and found by."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from forecastle.db import Base, JsonColumn, UtcDateTime


class ModelRow(Base):
    """One published model. `owner` and `parent` keep their id when what they name is removed.

    The widest index holds everything that a listing is filtered by, so that no filter reads the rows themselves.
    """

    __tablename__ = "models"
    __table_args__ = (
        UniqueConstraint("name", "version"),
        Index(
            "ix_models_listing",
            *("created_at", "id", "name", "stage", "task", "algorithm", "dataset"),
            *("owner", "parent", "cohort", "group"),
        ),
        Index(None, "parent"),
        Index(None, "cohort"),
        Index(None, "group"),
    )

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
    cohort: Mapped[str | None] = mapped_column(String(100))
    """Shared by the models of one search."""
    group: Mapped[str | None] = mapped_column(String(100))
    """Shared by the models of one batch."""
    tags: Mapped[list[str]] = mapped_column(JsonColumn)
    owner: Mapped[str | None] = mapped_column(String(26))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class NameRow(Base):
    """A name that models have or had, and the highest version of it that was ever given. It outlives them."""

    __tablename__ = "model_names"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    last_version: Mapped[int]


class MeasureRow(Base):
    """One measure of a model, to rank it by: a copy of what `ModelRow.metrics` holds, and the skill."""

    __tablename__ = "model_measures"
    __table_args__ = (Index(None, "measure", "value", "model_id"), {"sqlite_with_rowid": False})

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    measure: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[float]


class TagRow(Base):
    """One tag of a model, to find it by. A copy of what `ModelRow.tags` holds."""

    __tablename__ = "model_tags"
    __table_args__ = (Index(None, "tag", "model_id"), {"sqlite_with_rowid": False})

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(100), primary_key=True)
