"""Models: which there are, what they say of themselves, stages, removal."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Query

from forecastle.api.depends import AdminDep, ServicesDep, UserDep
from forecastle.api.problems import Problem
from forecastle.api.routes import PREFIX
from forecastle.bootstrap import Services
from forecastle.errors import BadInput
from forecastle.registry import leaderboard, models
from forecastle.registry.describe import Ranking, rank, read_manifest
from forecastle.registry.leaderboard import CREATED, Filters
from forecastle.registry.manifest import Manifest, Task
from forecastle.registry.measures import Direction
from forecastle.registry.models import Model
from forecastle.registry.removal import Children, remove_all, remove_model
from forecastle.serving.times import read_time
from forecastle.types import Page

router = APIRouter(prefix=PREFIX, tags=["models"])

Wanted = Annotated[str, Path(description="An id, or a name: then the version that a prediction would ask.")]


@dataclass(frozen=True, slots=True)
class RemovedModels:
    """How many models are gone."""

    removed: int


def _filters(  # noqa: PLR0917 - a listing has many filters
    user: UserDep,
    name: Annotated[str | None, Query(max_length=200, description="Only versions of this name.")] = None,
    stage: Annotated[str | None, Query(description="dev, staging, production or archived.")] = None,
    task: Annotated[Task | None, Query(description="Only models of this task.")] = None,
    algorithm: Annotated[
        str | None, Query(max_length=200, description="Only models of this algorithm.", examples=["lightgbm"])
    ] = None,
    dataset: Annotated[
        str | None,
        Query(max_length=200, description="Only models trained on the dataset of this name.", examples=["weather"]),
    ] = None,
    tag: Annotated[str | None, Query(max_length=200, description="Only models with this tag.")] = None,
    parent: Annotated[
        str | None, Query(max_length=200, description="Only models made from the model of this id.")
    ] = None,
    cohort: Annotated[str | None, Query(max_length=200, description="Only models of this search.")] = None,
    group: Annotated[str | None, Query(max_length=200, description="Only models of this batch.")] = None,
    owner: Annotated[str | None, Query(max_length=200, description="Only models of the user of this id.")] = None,
    mine: Annotated[bool, Query(description="Only your own models.")] = False,
    since: Annotated[
        str | None, Query(max_length=200, description="Made at this time or later, ISO 8601.", examples=["2026-01-31"])
    ] = None,
    until: Annotated[
        str | None,
        Query(max_length=200, description="Made before this time, ISO 8601.", examples=["2026-02-01T12:00:00Z"]),
    ] = None,
    text: Annotated[
        str | None, Query(max_length=200, description="Part of the name, dataset or algorithm, in any case.")
    ] = None,
) -> Filters:
    if mine and owner not in {None, user.id}:
        raise BadInput.at("owner", expected="nothing beside mine=true", found=owner)
    return Filters(
        name=name,
        stage=stage,
        task=task,
        algorithm=algorithm,
        dataset=dataset,
        tag=tag,
        parent=parent,
        cohort=cohort,
        group=group,
        owner=user.id if mine else owner,
        since=read_time(since, field="since") if since else None,
        until=read_time(until, field="until") if until else None,
        text=text,
    )


FiltersDep = Annotated[Filters, Depends(_filters)]


@router.get("/models")
async def list_models(
    services: ServicesDep,
    filters: FiltersDep,
    sort: Annotated[
        str,
        Query(
            max_length=200,
            description="created, skill or any measure; models without that measure are left out.",
            examples=["skill", "rmse"],
        ),
    ] = CREATED,
    order: Annotated[Direction | None, Query(description="Left out, the newest or the best come first.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    cursor: Annotated[
        str | None, Query(max_length=400, description="The `next` of an earlier page of the same order.")
    ] = None,
) -> Page[Model]:
    """Models, the newest first, or the best first by a measure."""
    async with services.database.read() as session:
        return await leaderboard.list_models(session, filters, sort=sort, order=order, limit=limit, cursor=cursor)


@router.get("/models/{model_id}")
async def get_model(services: ServicesDep, _user: UserDep, model_id: Wanted) -> Model:
    """One model: version, stage, and its metrics beside the baselines', all out of sample."""
    async with services.database.read() as session:
        return await models.resolve(session, model_id)


@router.get("/models/{model_id}/config")
async def get_model_config(services: ServicesDep, _user: UserDep, model_id: Wanted) -> dict[str, Any]:
    """The manifest: recipe, features with their categories, classes, folds, the proof of parity, software versions."""
    manifest: dict[str, Any] = msgspec.to_builtins(await _manifest(services, model_id))
    return manifest


@router.get("/models/{model_id}/importance")
async def get_model_importance(services: ServicesDep, _user: UserDep, model_id: Wanted) -> Ranking:
    """How much each feature matters, the most important first: by permutation, else tree, else coefficient."""
    return rank(await _manifest(services, model_id))


@router.post("/models/{model_id}/promote", responses={400: {"model": Problem, "description": "No such stage."}})
async def promote_model(
    services: ServicesDep,
    _admin: AdminDep,
    model_id: str,
    new_stage: Annotated[str, Query(description="dev, staging, production or archived.")],
) -> Model:
    """Move a model to another stage. A name answers with its newest version in production."""
    stage = models.known_new_stage(new_stage)
    async with services.database.write() as session:
        model = await models.promote(session, model_id, stage)
    services.serving.residents.forget_choices()
    return model


@router.delete("/models/all")
async def delete_all_models(
    services: ServicesDep,
    _admin: AdminDep,
    filters: FiltersDep,
    confirm: Annotated[
        str | None, Query(description="`yes`; anything else only tells how many would go.", examples=["yes"])
    ] = None,
) -> RemovedModels:
    """Remove every model that passes the filters, or all. Models that stay keep the id of a parent that went."""
    count = await remove_all(services.database, services.artifacts, filters, confirmation=confirm)
    services.serving.residents.forget_choices()
    return RemovedModels(count)


@router.delete("/models/{model_id}", status_code=204, responses={409: {"model": Problem}})
async def delete_model(
    services: ServicesDep,
    _admin: AdminDep,
    model_id: str,
    cascade: Annotated[bool, Query(description="Remove the models made from it too.")] = False,
    keep_children: Annotated[bool, Query(description="Leave them, with its id as part of their history.")] = False,
) -> None:
    """Remove a model. Its predictions stay in the history; its recipe may be trained again.

    A model that others were made from is refused (409, they are named) unless one of the options is given.
    """
    if cascade and keep_children:
        raise BadInput.at("keep_children", expected="false beside cascade=true", found="true")
    children: Children = "cascade" if cascade else "keep" if keep_children else "refuse"
    await remove_model(services.database, services.artifacts, model_id, children=children)
    services.serving.residents.forget_choices()


async def _manifest(services: Services, wanted: str) -> Manifest:
    async with services.database.read() as session:
        model = await models.resolve(session, wanted)
    return await asyncio.to_thread(read_manifest, services.artifacts, model)
