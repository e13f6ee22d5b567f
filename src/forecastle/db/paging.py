"""Pages of a listing, newest first. A cursor names the last item shown, so pages stay whole while rows come and go."""

import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Select, tuple_
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
        moment, last = read_cursor(cursor, table.__tablename__, str, str)
        created_at = read_moment(cursor, moment)
        statement = statement.where(tuple_(columns.created_at, columns.id) < (created_at, last))  # an index finds it
    ordered = statement.order_by(columns.created_at.desc(), columns.id.desc()).limit(limit + 1)
    rows = list(await session.scalars(ordered))
    following = None
    if len(rows) > limit:
        last_shown = rows[limit - 1]
        following = write_cursor(table.__tablename__, last_shown.created_at.isoformat(), last_shown.id)
    return Page(tuple(convert(row) for row in rows[:limit]), following)


def write_cursor(listing: str, *place: str | float) -> str:
    """The cursor of a place in a listing: the values it is ordered by, the last one an id."""
    return urlsafe_b64encode(json.dumps([listing, *place]).encode()).decode().rstrip("=")


def read_cursor(cursor: str, listing: str, *kinds: type) -> list[Any]:
    """The place that `write_cursor` wrote, if it was for this listing, with values of these kinds.

    Raises:
        BadCursor: it was not.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        place = json.loads(b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, RecursionError) as error:
        raise _foreign(cursor) from error
    if not isinstance(place, list) or [type(each) for each in place] != [str, *kinds] or place[0] != listing:
        raise _foreign(cursor)
    if not place[-1].isalnum():
        raise _foreign(cursor)
    return place[1:]


def read_moment(cursor: str, text: str) -> datetime:
    """The time in a cursor's place.

    Raises:
        BadCursor: it is none.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _foreign(cursor) from error


def _foreign(cursor: str) -> BadInput:
    return BadCursor.at("cursor", expected="the `next` of an earlier page", found=cursor)
