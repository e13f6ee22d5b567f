"""What a report is about: a model, its manifest, its relatives, and its dataset as it is now."""

import asyncio
from dataclasses import dataclass

from forecastle.data import catalogue
from forecastle.data.dataset import Dataset
from forecastle.data.errors import DatasetNotFound
from forecastle.db import Database
from forecastle.registry import lineage, models
from forecastle.registry.artifacts import ArtifactStore
from forecastle.registry.describe import read_manifest
from forecastle.registry.lineage import Lineage
from forecastle.registry.manifest import Manifest
from forecastle.registry.models import Model


@dataclass(frozen=True, slots=True)
class Subject:
    """Everything that a report tells."""

    model: Model
    manifest: Manifest
    lineage: Lineage
    dataset: Dataset | None = None
    """The dataset of that name, which may hold other content by now; None if it was removed."""


async def gather(database: Database, artifacts: ArtifactStore, model: str) -> Subject:
    """What there is to tell about the model of an id or a name.

    Raises:
        ModelNotFound: there is no such model.
        ModelUnusable: its manifest is missing or damaged.
    """
    async with database.read() as session:
        found = await models.resolve(session, model)
        relatives = await lineage.trace(session, found.id)
        try:
            dataset = await catalogue.get(session, found.dataset)
        except DatasetNotFound:
            dataset = None
    return Subject(found, await asyncio.to_thread(read_manifest, artifacts, found), relatives, dataset)
