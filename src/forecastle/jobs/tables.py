"""The tables of jobs, of what became of them and what they log, and of the runners that work on them."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from forecastle.db import Base, JsonColumn, UtcDateTime
from forecastle.jobs import triggers
from forecastle.jobs.machine import STATUSES


def _quoted(statuses: tuple[str, ...]) -> str:
    return ", ".join(f"'{status}'" for status in statuses)


#: The jobs among which a dedupe text is unique.
DEDUPED = text(f"status NOT IN ({_quoted(('failed', 'cancelled'))})")


class JobRow(Base):
    """One job. `owner` keeps its id when the user is removed."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(f"status IN ({_quoted(STATUSES)})", name="status"),
        CheckConstraint("progress >= 0 AND progress <= 1", name="progress"),
        Index("uq_jobs_dedupe", "dedupe", unique=True, sqlite_where=DEDUPED, postgresql_where=DEDUPED),
        Index(None, "status", "priority", "created_at", "id"),
        Index(None, "status", "created_at", "id"),
        Index(None, "owner", "created_at", "id"),
        Index(None, "kind", "created_at", "id"),
        Index(None, "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    kind: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    dedupe: Mapped[str | None] = mapped_column(String(200))
    owner: Mapped[str | None] = mapped_column(String(26))
    status: Mapped[str] = mapped_column(String(16))
    progress: Mapped[float]
    message: Mapped[str] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    result: Mapped[dict[str, Any] | None] = mapped_column(JsonColumn)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempts: Mapped[int]
    runner: Mapped[str | None] = mapped_column(String(26))
    """The runner that works on it, or did last."""
    priority: Mapped[int] = mapped_column(server_default="0")
    timeout_s: Mapped[float | None]
    memory_mb: Mapped[int | None]
    retry_of: Mapped[str | None] = mapped_column(String(26))


class JobChangeRow(Base):
    """A status that a job came into. The database writes these rows itself (`triggers`)."""

    __tablename__ = "job_changes"
    __table_args__ = (Index(None, "job_id", "number"),)

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    status: Mapped[str] = mapped_column(String(16))
    attempt: Mapped[int]
    at: Mapped[datetime] = mapped_column(UtcDateTime)


triggers.attach(JobChangeRow.metadata.tables[JobChangeRow.__tablename__])


class JobLineRow(Base):
    """One line of a job's log."""

    __tablename__ = "job_lines"
    __table_args__ = (Index(None, "job_id", "number"),)

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    text: Mapped[str] = mapped_column(Text)


class RunnerRow(Base):
    """A runner's lease on the jobs it works on."""

    __tablename__ = "runners"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    leased_until: Mapped[datetime] = mapped_column(UtcDateTime)
