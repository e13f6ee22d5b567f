"""Removing models for good.

A model that others were made from is not removed by the way: either they go with it, or they stay and keep its id, for
it is part of their history.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import delete, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.db import Database
from forecastle.registry import lineage, models
from forecastle.registry.artifacts import ArtifactStore
from forecastle.registry.errors import HasChildren, NotConfirmed
from forecastle.registry.leaderboard import Filters, conditions
from forecastle.registry.models import Model
from forecastle.registry.tables import ModelRow

Children = Literal["refuse", "keep", "cascade"]
"""What happens to the models made from one that is to go: they prevent it, they stay, or they go too."""

CONFIRMATION = "yes"
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Removed:
    """A model that is gone."""

    model: Model
    descendants: tuple[str, ...] = ()
    """Ids of those that went with it."""


async def remove_model(
    database: Database, artifacts: ArtifactStore, model_id: str, *, children: Children = "refuse"
) -> Removed:
    """Forget a model, then delete those of its blobs that no other model needs. Predictions it made stay.

    Raises:
        ModelNotFound: there is no such model.
        HasChildren: others were made from it, and `children` does not say what becomes of them.
    """
    async with database.write() as session:
        await models.take_turn(session)
        model = await models.get(session, model_id)
        below = await lineage.children(session, model_id)
        if below and children == "refuse":
            raise HasChildren(model_id, below)
        going = await lineage.descendants(session, model_id) if children == "cascade" else ()
        blobs = await forget(session, (model_id, *going))
    await _delete(artifacts, blobs)
    return Removed(model, going)


async def remove_all(
    database: Database, artifacts: ArtifactStore, filters: Filters, *, confirmation: str | None
) -> int:
    """Forget every model that passes the filters, and delete the blobs that no other model needs; returns how many.

    Models that do not pass stay, and keep the id of a parent that goes.

    Raises:
        NotConfirmed: `confirmation` is not "yes"; it says how many would go.
        BadInput: a filter is out of range.
    """
    wanted = conditions(filters) or [true()]
    async with database.write() as session:
        await models.take_turn(session)
        if confirmation != CONFIRMATION:
            count = await session.scalar(select(func.count()).select_from(ModelRow).where(*wanted)) or 0
            raise NotConfirmed(count, confirmation)
        going = tuple(await session.scalars(select(ModelRow.id).where(*wanted)))
        blobs = await forget(session, going)
    await _delete(artifacts, blobs)
    return len(going)


async def forget(session: AsyncSession, model_ids: Sequence[str]) -> tuple[str, ...]:
    """Forget models, and say which blobs no other model refers to now.

    Remove those from the artifact store once the transaction is committed: a blob too many is harmless, one too few
    is not. `models.take_turn` must have been awaited in this transaction.
    """
    named: dict[str, None] = {}
    for ids in _pieces(model_ids):
        gone = delete(ModelRow).where(ModelRow.id.in_(ids)).returning(ModelRow.graph_sha256, ModelRow.manifest_sha256)
        for pair in await session.execute(gone):
            named |= dict.fromkeys(pair)
    needed: set[str] = set()
    for blobs in _pieces(tuple(named)):
        for column in (ModelRow.graph_sha256, ModelRow.manifest_sha256):
            needed |= set(await session.scalars(select(column).where(column.in_(blobs))))
    return tuple(blob for blob in named if blob not in needed)


async def _delete(artifacts: ArtifactStore, blobs: Iterable[str]) -> None:
    def delete_each() -> None:
        for blob in blobs:
            artifacts.remove(blob)

    await asyncio.to_thread(delete_each)


def _pieces(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), AT_ONCE):
        yield texts[start : start + AT_ONCE]
