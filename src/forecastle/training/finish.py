"""The end of a training job: its model is published in the transaction that completes the job."""

from typing import cast

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.jobs.job import Job
from forecastle.registry import models
from forecastle.training.order import Order, TrainingResult
from forecastle.types import JsonObject


async def publish_model(session: AsyncSession, job: Job, result: JsonObject) -> JsonObject:
    """Publish the model that a worker made; returns what is worth keeping with the job."""
    made, order = msgspec.convert(result, TrainingResult), Order.read(job.payload)
    model = await models.publish(
        session,
        manifest=made.manifest,
        graph_sha256=made.graph_sha256,
        manifest_sha256=made.manifest_sha256,
        owner=job.owner,
        tags=made.tags,
        cohort=order.cohort,
        group=order.group,
    )
    kept = {
        "model_id": model.id,
        "name": model.name,
        "version": model.version,
        "metrics": model.metrics,
        "baselines": model.baselines,
        "skill": model.skill,
        "fit_seconds": made.manifest.fit_seconds,
    }
    return cast("JsonObject", kept)
