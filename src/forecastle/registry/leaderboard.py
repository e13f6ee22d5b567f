"""Models in order: the newest first, or the best first by a measure, narrowed down by filters, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any, TypeAlias, get_args

from sqlalchemy import ColumnElement, Select, asc, case, desc, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.db.paging import MAX_LIMIT, read_cursor, read_moment, write_cursor
from forecastle.errors import BadInput
from forecastle.registry.errors import BadSort
from forecastle.registry.manifest import Task
from forecastle.registry.measures import Direction, direction
from forecastle.registry.models import Model, known_stage, to_model
from forecastle.registry.tables import MeasureRow, ModelRow, TagRow
from forecastle.types import Page

CREATED = "created"
TASKS: tuple[Task, ...] = get_args(Task)
EXACT = ("name", "stage", "task", "algorithm", "dataset", "parent", "cohort", "group", "owner")

#: What a model is ordered by, as a cursor holds it, and its id.
Place: TypeAlias = tuple[str | float, str]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which models to list: those that everything given is true of."""

    name: str | None = None
    stage: str | None = None
    task: str | None = None
    algorithm: str | None = None
    dataset: str | None = None
    tag: str | None = None
    parent: str | None = None
    cohort: str | None = None
    group: str | None = None
    owner: str | None = None
    since: datetime | None = None
    """Made at this time or later."""
    until: datetime | None = None
    """Made before this time."""
    text: str | None = None
    """Part of the name, dataset or algorithm, in whatever letter case."""


async def list_models(
    session: AsyncSession,
    filters: Filters = Filters(),
    *,
    sort: str = CREATED,
    order: Direction | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Model]:
    """One page of models.

    Args:
        session: where to read.
        filters: which models.
        sort: `created`, or the name of a measure; then models without that measure are left out.
        order: `asc` or `desc`; None puts the newest or the best first.
        limit: how many at most.
        cursor: the `next` of an earlier page of the same order.

    Raises:
        BadStage: no such stage.
        BadSort: no model has a measure of that name.
        BadCursor: not a cursor that this function gave for this order.
        BadInput: another filter or `limit` is out of range.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise BadInput.at("limit", expected=f"1 to {MAX_LIMIT}", found=limit)
    order = order or ("desc" if sort == CREATED else direction(sort))
    found = await _places(session, filters, sort=sort, order=order, limit=limit, cursor=cursor)
    if not found and cursor is None and sort != CREATED:
        await _check_measure(session, sort)
    places = found[:limit]
    rows = await session.scalars(select(ModelRow).where(ModelRow.id.in_([place[1] for place in places])))
    by_id = {row.id: row for row in rows}
    following = write_cursor(_listing(sort, order), *places[-1]) if len(found) > limit else None
    return Page(tuple(to_model(by_id[place[1]]) for place in places if place[1] in by_id), following)


async def _places(
    session: AsyncSession, filters: Filters, *, sort: str, order: Direction, limit: int, cursor: str | None
) -> list[Place]:
    """One more than `limit` places after the cursor.

    Only indexes are read here; the rows of the page are fetched by their ids.
    """
    statement, by, model_id = _ordered_by(sort, conditions(filters))
    if cursor is not None:
        value, last = _read_place(cursor, sort, order)
        place, after = tuple_(by, model_id), tuple_(literal(value, by.type), literal(last))
        statement = statement.where(place > after if order == "asc" else place < after)
    direct = asc if order == "asc" else desc
    found = await session.execute(statement.order_by(direct(by), direct(model_id)).limit(limit + 1))
    return [(_written(value), found_id) for value, found_id in found]


def _ordered_by(sort: str, wanted: Sequence[ColumnElement[bool]]) -> tuple[Select[Any, Any], Any, Any]:
    """The places of the models wanted, and the two columns that order them."""
    statement: Select[Any, Any]
    if sort == CREATED:
        statement = select(ModelRow.created_at, ModelRow.id).where(*wanted)
        return statement, ModelRow.created_at, ModelRow.id
    statement = select(MeasureRow.value, MeasureRow.model_id).where(MeasureRow.measure == sort)
    if wanted:
        statement = statement.where(_among(MeasureRow.model_id, select(ModelRow.id).where(*wanted)))
    return statement, MeasureRow.value, MeasureRow.model_id


def conditions(filters: Filters) -> list[ColumnElement[bool]]:
    """What must be true of a row of `models`.

    Raises:
        BadStage: no such stage.
        BadInput: no such task, or a text that would let every model through.
    """
    if filters.stage is not None:
        known_stage(filters.stage)
    if filters.task not in {None, *TASKS}:
        raise BadInput.at("task", expected=" or ".join(TASKS), found=filters.task)
    exact = {name: wanted for name in EXACT if (wanted := getattr(filters, name)) is not None}
    found: list[ColumnElement[bool]] = [getattr(ModelRow, name) + "" == wanted for name, wanted in exact.items()]
    if filters.since is not None:
        found.append(ModelRow.created_at >= filters.since)
    if filters.until is not None:
        found.append(ModelRow.created_at < filters.until)
    if filters.tag is not None:
        found.append(_among(ModelRow.id, select(TagRow.model_id).where(TagRow.tag == filters.tag)))
    if filters.text is not None:
        if not filters.text.isprintable() or not filters.text:  # SQLite ends a pattern at NUL
            raise BadInput.at("text", expected="some letters to look for", found=filters.text)
        searched = ModelRow.name + "\n" + ModelRow.dataset + "\n" + ModelRow.algorithm
        found.append(searched.icontains(filters.text, autoescape=True))
    return found


def _among(column: Any, found: Select[str]) -> ColumnElement[bool]:
    """Whether the column is one of those found, looked up in a hash table of them.

    Written as a case, for a plain IN may be turned into a join, and what order that join takes decides between
    milliseconds and seconds.
    """
    return case((column.in_(found), 1), else_=0) == 1


def _listing(sort: str, order: Direction) -> str:
    return f"models {order} {sort}"


def _read_place(cursor: str, sort: str, order: Direction) -> tuple[datetime | float, str]:
    listing = _listing(sort, order)
    if sort == CREATED:
        moment, last = read_cursor(cursor, listing, str, str)
        return read_moment(cursor, moment), last
    value, last = read_cursor(cursor, listing, float, str)
    return value, last


def _written(value: datetime | float) -> str | float:
    return value.isoformat() if isinstance(value, datetime) else value


async def _check_measure(session: AsyncSession, sort: str) -> None:
    """Explain an empty page: is there no such measure, or only no model that has it and passes the filters?"""
    if await session.scalar(select(MeasureRow.model_id).where(MeasureRow.measure == sort).limit(1)):
        return
    names = sorted(await session.scalars(select(MeasureRow.measure).distinct()))
    if names:
        near = get_close_matches(sort, names, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise BadSort.at("sort", expected=f"{CREATED} or a measure: {', '.join(names)}{hint}", found=sort)
