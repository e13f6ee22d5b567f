"""Removing a model for good."""

import asyncio

from forecastle.db import Database
from forecastle.registry import models
from forecastle.registry.artifacts import ArtifactStore
from forecastle.registry.models import Model


async def remove_model(database: Database, artifacts: ArtifactStore, model_id: str) -> Model:
    """Forget a model, then delete those of its blobs that no other model needs. Predictions it made stay.

    Raises:
        ModelNotFound: there is no such model.
    """
    async with database.write() as session:
        model, blobs = await models.remove(session, model_id)
    for blob in blobs:
        await asyncio.to_thread(artifacts.remove, blob)
    return model
