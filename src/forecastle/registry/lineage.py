"""Where a model comes from and what came of it: ancestors, descendants, and those made together with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CTE, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from forecastle.registry import models
from forecastle.registry.models import Model, Stage, to_model
from forecastle.registry.tables import ModelRow

MAX_GENERATIONS = 1_000
MAX_DESCENDANTS = 1_000
MAX_TOGETHER = 100


@dataclass(frozen=True, slots=True)
class Kin:
    """A model among its relatives. Of one that was removed, the id is all that is known."""

    id: str
    parent: str | None = None
    generation: int = 0
    """0 the model itself, 1 children, 2 grandchildren, …; -1 the parent, …"""
    removed: bool = False
    name: str | None = None
    version: int | None = None
    stage: Stage | None = None
    algorithm: str | None = None
    skill: float | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Together:
    """Models that one search or one batch made."""

    id: str
    total: int
    models: tuple[Kin, ...]
    """The first of them, this one included; the leaderboard pages through all."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """A model's relatives."""

    model: Kin
    ancestors: tuple[Kin, ...]
    """Its parent first, then the parent's parent, …; one that was removed ends the line."""
    descendants: tuple[Kin, ...]
    """By generation, the oldest first."""
    cohort: Together | None
    group: Together | None


async def trace(session: AsyncSession, model_id: str) -> Lineage:
    """The relatives of a model.

    Raises:
        ModelNotFound: there is no such model.
    """
    model = await models.get(session, model_id)
    return Lineage(
        model=_kin(model, 0),
        ancestors=await _ancestors(session, model),
        descendants=tuple(await _kin_of(session, _tree(model_id))),
        cohort=await _together(session, ModelRow.cohort, model.cohort),
        group=await _together(session, ModelRow.group, model.group),
    )


async def children(session: AsyncSession, model_id: str) -> tuple[str, ...]:
    """The ids of the models made from one, the oldest first."""
    found = select(ModelRow.id).where(ModelRow.parent == model_id).order_by(ModelRow.id)
    return tuple(await session.scalars(found))


async def _ancestors(session: AsyncSession, model: Model) -> tuple[Kin, ...]:
    if model.parent is None:
        return ()
    line = select(ModelRow.id, ModelRow.parent, literal(-1).label("generation")).where(ModelRow.id == model.parent)
    found = line.cte("line", recursive=True)
    older = select(ModelRow.id, ModelRow.parent, found.c.generation - 1).where(
        ModelRow.id == found.c.parent, found.c.generation > -MAX_GENERATIONS
    )
    kin = await _kin_of(session, found.union_all(older))
    line_of = sorted(kin, key=lambda each: -each.generation)
    oldest = line_of[-1].parent if line_of else model.parent
    if oldest is None:
        return tuple(line_of)
    return (*line_of, Kin(oldest, generation=-len(line_of) - 1, removed=True))


async def descendants(session: AsyncSession, model_id: str) -> tuple[str, ...]:
    """The ids of all models made from one, directly or not."""
    return tuple(await session.scalars(select(_tree(model_id).c.id)))


def _tree(model_id: str) -> CTE:
    children = select(ModelRow.id, literal(1).label("generation")).where(ModelRow.parent == model_id)
    found = children.cte("tree", recursive=True)
    younger = select(ModelRow.id, found.c.generation + 1).where(
        ModelRow.parent == found.c.id, found.c.generation < MAX_GENERATIONS
    )
    return found.union_all(younger)


async def _kin_of(session: AsyncSession, found: CTE) -> Sequence[Kin]:
    statement = select(ModelRow, found.c.generation).join(found, found.c.id == ModelRow.id)
    ordered = statement.order_by(found.c.generation, ModelRow.id).limit(MAX_DESCENDANTS)
    return [_kin(to_model(row), generation) for row, generation in await session.execute(ordered)]


async def _together(
    session: AsyncSession, column: InstrumentedAttribute[str | None], shared: str | None
) -> Together | None:
    if shared is None:
        return None
    total = await session.scalar(select(func.count()).select_from(ModelRow).where(column == shared))
    rows = await session.scalars(select(ModelRow).where(column == shared).order_by(ModelRow.id).limit(MAX_TOGETHER))
    return Together(shared, total or 0, tuple(_kin(to_model(row), 0) for row in rows))


def _kin(model: Model, generation: int) -> Kin:
    return Kin(
        id=model.id,
        parent=model.parent,
        generation=generation,
        name=model.name,
        version=model.version,
        stage=model.stage,
        algorithm=model.algorithm,
        skill=model.skill,
        created_at=model.created_at,
    )
