"""Advancing an evolution: the next generation is queued, or the best of all promoted."""

import asyncio
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.registry import models
from forecastle.registry.artifacts import ArtifactStore
from forecastle.registry.describe import rank, read_manifest
from forecastle.training import searches, submit, trials
from forecastle.training.search import evolution
from forecastle.training.search.evolution import Rules
from forecastle.training.search.queueing import submit_trials
from forecastle.training.search.space import Parameters
from forecastle.training.searches import Search

log = structlog.get_logger("forecastle.training")


async def breed(session: AsyncSession, artifacts: ArtifactStore, search: Search, *, now: datetime) -> bool:
    """Queue the next generation of an evolution; whether there is one."""
    rules = Rules.model_validate(search.document["rules"])
    known = await trials.of_search(session, search.id)
    parent = known[-1]
    if not parent.has_model or parent.number >= rules.generations:
        return False
    model = await models.get(session, str(parent.model_id))
    manifest = await asyncio.to_thread(read_manifest, artifacts, model)
    kept = evolution.survivors(rank(manifest), rules)
    if kept is None:
        return False
    recipe = evolution.child_of(manifest, kept)
    order = submit.place(recipe, await submit.look_up(session, [recipe]), now=now, cohort=search.id)
    parameters: Parameters = {"features": list(recipe.features)}
    (child,) = await submit_trials(session, search, [(parameters, order)], first=parent.number + 1, now=now)
    return not child.ended or await breed(session, artifacts, search, now=now)


async def promote(session: AsyncSession, search: Search, *, now: datetime) -> None:
    """End an evolution, and promote its best model if it has earned that."""
    rules = Rules.model_validate(search.document["rules"])
    found = evolution.promotion(await trials.of_search(session, search.id), rules, search.metric)
    if found is None:
        await searches.finish(session, search.id, "failed", now=now)
        return
    promotes = found.earned and rules.stage is not None
    if promotes:
        await models.promote(session, str(found.best.model_id), str(rules.stage))
    outcome = {
        "best": found.best.number,
        "model_id": found.best.model_id,
        "value": found.best.value,
        "improvement": found.improvement,
        "stage": rules.stage if promotes else None,
    }
    await searches.finish(session, search.id, "completed", now=now, outcome=outcome)
    log.info("evolution completed", search=search.id, best=found.best.model_id, promoted=promotes)
