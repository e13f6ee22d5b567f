"""Pages of a listing, newest first. A cursor names the last item shown, so pages stay whole while rows come and go."""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Select, and_, or_
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.db.base import Base
from forecastle.errors import BadInput
from forecastle.types import Page

Item = TypeVar("Item")

MAX_LIMIT = 1000


class BadCursor(BadInput):
    """This is not a cursor of this listing."""

    code = "INVALID_CURSOR"


async def newest_first(
    session: AsyncSession,
    statement: Select[Any],
    table: type[Base],
    convert: Callable[[Any], Item],
    *,
    limit: int,
    cursor: str | None,
) -> Page[Item]:
    """One page of the rows that `statement` selects from `table` (with `id` and `created_at`), each converted.

    Raises:
        BadInput: `limit` is not 1 to 1000.
        BadCursor: `cursor` is not the `next` of an earlier page.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise BadInput.at("limit", expected=f"1 to {MAX_LIMIT}", found=limit)
    columns = table.__table__.c
    if cursor is not None:
        created_at, last = _read(cursor, table)
        same_moment = and_(columns.created_at == created_at, columns.id < last)
        statement = statement.where(or_(columns.created_at < created_at, same_moment))
    ordered = statement.order_by(columns.created_at.desc(), columns.id.desc()).limit(limit + 1)
    rows = list(await session.scalars(ordered))
    following = _write(rows[limit - 1], table) if len(rows) > limit else None
    return Page(tuple(convert(row) for row in rows[:limit]), following)


def _write(row: Any, table: type[Base]) -> str:
    text = f"{table.__tablename__} {row.created_at.isoformat()} {row.id}"
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str, table: type[Base]) -> tuple[datetime, str]:
    problem = BadCursor.at("cursor", expected="the `next` of an earlier page", found=cursor)
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        listing, moment, last = b64decode(padded, altchars=b"-_", validate=True).decode("ascii").split(" ")
        created_at = datetime.fromisoformat(moment).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise problem from error
    if listing != table.__tablename__ or not last.isalnum():
        raise problem
    return created_at, last
