"""Starting an evolution."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from forecastle.db import Database
from forecastle.jobs.job import NO_TERMS, Terms
from forecastle.registry import models
from forecastle.registry.artifacts import ArtifactStore
from forecastle.registry.describe import rank, read_manifest
from forecastle.registry.manifest import Manifest
from forecastle.training import offspring, searches, submit
from forecastle.training.documents import explain
from forecastle.training.errors import BadRecipe
from forecastle.training.search import judging, steer
from forecastle.training.search.evolution import Rules
from forecastle.training.search.queueing import submit_trials
from forecastle.training.searches import Search, Standing
from forecastle.types import new_id


def parse_rules(document: Mapping[str, Any]) -> Rules:
    """The rules in a parsed document.

    Raises:
        BadRecipe: a field is unknown or unusable; each is named.
    """
    try:
        return Rules.model_validate({name: value for name, value in document.items() if value is not None})
    except ValidationError as error:
        raise BadRecipe(problems=explain(error, fields=lambda _: list(Rules.model_fields))) from error


async def start_evolution(
    database: Database,
    artifacts: ArtifactStore,
    model_id: str,
    rules: Rules,
    *,
    owner: str | None,
    now: datetime,
    terms: Terms = NO_TERMS,
) -> Standing:
    """Start with a model's own recipe, so that its children are measured beside it on the same data.

    Raises:
        ModelNotFound: there is no such model.
        ModelUnusable: its manifest cannot be read.
        BadRecipe: a model like this cannot evolve.
        DatasetNotFound: the data it was trained on is not there any more.
        BadInput: the jobs' terms cannot be kept.
    """
    terms.check()
    async with database.read() as session:
        model = await models.get(session, model_id)
        manifest = await asyncio.to_thread(read_manifest, artifacts, model)
        recipe = offspring.again(manifest)
        tables = await submit.look_up(session, [recipe])
    _check(manifest, rules)
    search = Search(
        id=new_id(now),
        name=model.name,
        method="evolve",
        document={"model": model.id, "rules": rules.model_dump(mode="json")},
        metric=judging.choose(rules.metric, model.task, [], field="metric"),
        planned=rules.generations + 1,
        terms=terms,
        owner=owner,
        created_at=now,
    )
    order = submit.place(recipe, tables, now=now, cohort=search.id)
    async with database.write() as session:
        await searches.add(session, search)
        original = ({"features": list(recipe.features)}, order)
        await submit_trials(session, search, [original], first=0, now=now)
        await steer.advance(session, artifacts, search, now=now)
        return await searches.standing(session, await searches.get(session, search.id))


def _check(manifest: Manifest, rules: Rules) -> None:
    if len(manifest.features) <= rules.keep:
        expected = f"fewer features than the {len(manifest.features):,} of {manifest.name}"
        raise BadRecipe.at("keep", expected=expected, found=rules.keep)
    if rank(manifest).method is None:
        raise BadRecipe.at("model", expected="one that tells how much its features matter", found=manifest.name)
