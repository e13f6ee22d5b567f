"""The tables of searches and of their trials. A trial outlives its job and its model: the number of trials is kept."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from forecastle.db import Base, JsonColumn, UtcDateTime
from forecastle.training.states import METHODS, SEARCH_STATUSES, TRIAL_STATES


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(map(repr, values))})"


class SearchRow(Base):
    """One search. Its id is the cohort of the models that it makes."""

    __tablename__ = "searches"
    __table_args__ = (
        CheckConstraint(_one_of("method", METHODS), name="method"),
        CheckConstraint(_one_of("status", SEARCH_STATUSES), name="status"),
        Index(None, "created_at", "id"),
        Index(None, "status"),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    method: Mapped[str] = mapped_column(String(16))
    document: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    metric: Mapped[str] = mapped_column(String(64))
    planned: Mapped[int]
    """The most trials that there will be."""
    terms: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    """On what terms its jobs are run."""
    status: Mapped[str] = mapped_column(String(16))
    outcome: Mapped[dict[str, Any] | None] = mapped_column(JsonColumn)
    owner: Mapped[str | None] = mapped_column(String(26))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class TrialRow(Base):
    """One trial of a search. `model_id` and `job_id` stay when what they name is removed."""

    __tablename__ = "trials"
    __table_args__ = (
        CheckConstraint(_one_of("state", TRIAL_STATES), name="state"),
        Index(None, "state", "search_id"),
        Index(None, "job_id"),
        Index(None, "model_id"),
        Index(None, "fingerprint"),
    )

    search_id: Mapped[str] = mapped_column(ForeignKey("searches.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    """0, 1, 2, … within the search."""
    parameters: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    """What this trial chose, by the dotted name of the recipe's field."""
    state: Mapped[str] = mapped_column(String(16))
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    model_id: Mapped[str | None] = mapped_column(String(26))
    job_id: Mapped[str | None] = mapped_column(String(26))
    borrowed: Mapped[bool]
    """Its model was there before, or another training makes it."""
    wanted: Mapped[bool]
    """Somebody outside the search waits for its job too, so that it is not stopped early."""
    value: Mapped[float | None]
    """The search's metric, averaged over the folds it went through."""
    folds: Mapped[list[float]] = mapped_column(JsonColumn)
    """The metric in each fold, as far as its worker told."""
    reason: Mapped[str | None] = mapped_column(Text)
    """Why it has no model."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
