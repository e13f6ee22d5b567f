"""The tables of predictions and of feedback on them."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from forecastle.db import Base, JsonColumn, UtcDateTime


class PredictionRow(Base):
    """One answer. It outlives its model, but not its owner; without an owner it was asked for on the command line."""

    __tablename__ = "predictions"
    __table_args__ = (Index(None, "owner", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    owner: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    model_id: Mapped[str] = mapped_column(String(26))
    model_name: Mapped[str] = mapped_column(String(200))
    model_version: Mapped[int]
    input: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    output: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    confidence: Mapped[float | None]
    latency_ms: Mapped[float]
    cached: Mapped[bool]
    request_id: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class FeedbackRow(Base):
    """What really happened after a prediction, as its owner last said."""

    __tablename__ = "feedback"

    prediction_id: Mapped[str] = mapped_column(ForeignKey("predictions.id", ondelete="CASCADE"), primary_key=True)
    actual_value: Mapped[float | str] = mapped_column(JsonColumn)
    score: Mapped[float | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
