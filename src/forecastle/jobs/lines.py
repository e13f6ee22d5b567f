"""What all jobs logged, the newest line first."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.db.paging import MAX_LIMIT, read_cursor, write_cursor
from forecastle.errors import BadInput
from forecastle.jobs.tables import JobLineRow, JobRow
from forecastle.types import Page

LISTING = "job_lines"


@dataclass(frozen=True, slots=True)
class JobLine:
    """One line of some job's log."""

    number: int
    """Grows with every line."""
    at: datetime
    text: str
    job_id: str
    kind: str
    """Of the job."""


async def list_lines(
    session: AsyncSession, *, kind: str | None = None, limit: int = 100, cursor: str | None = None
) -> Page[JobLine]:
    """One page of the lines of all jobs, or of those of one kind, the newest first.

    Raises:
        BadInput: `limit` is not 1 to 1000.
        BadCursor: not a cursor that this function gave.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise BadInput.at("limit", expected=f"1 to {MAX_LIMIT}", found=limit)
    statement = select(JobLineRow, JobRow.kind).join(JobRow, JobRow.id == JobLineRow.job_id)
    if kind is not None:
        statement = statement.where(JobRow.kind == kind)
    if cursor is not None:
        last, _ = read_cursor(cursor, LISTING, int, str)
        statement = statement.where(JobLineRow.number < last)
    rows = (await session.execute(statement.order_by(JobLineRow.number.desc()).limit(limit + 1))).all()
    lines = [JobLine(row.number, row.at, row.text, row.job_id, of) for row, of in rows]
    following = write_cursor(LISTING, lines[limit - 1].number, lines[limit - 1].job_id) if len(lines) > limit else None
    return Page(tuple(lines[:limit]), following)
