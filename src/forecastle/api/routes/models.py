"""Models: which there are, what they say of themselves, stages, removal."""

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query

from forecastle.api.depends import AdminDep, ServicesDep, UserDep
from forecastle.api.routes import PREFIX
from forecastle.bootstrap import Services
from forecastle.registry import models
from forecastle.registry.describe import Ranking, rank, read_manifest
from forecastle.registry.manifest import Manifest
from forecastle.registry.models import Model
from forecastle.registry.removal import remove_model
from forecastle.types import Page

router = APIRouter(prefix=PREFIX, tags=["models"])

Wanted = Annotated[str, Path(description="An id, or a name: then the version that a prediction would ask.")]


@router.get("/models")
async def list_models(
    services: ServicesDep,
    _user: UserDep,
    name: Annotated[str | None, Query(max_length=200, description="Only versions of this name.")] = None,
    stage: Annotated[str | None, Query(description="dev, staging, production or archived.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="The `next` of an earlier page.")] = None,
) -> Page[Model]:
    """Models, the newest first."""
    async with services.database.read() as session:
        return await models.list_models(session, name, stage, limit=limit, cursor=cursor)


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


@router.post("/models/{model_id}/promote")
async def promote_model(
    services: ServicesDep,
    _admin: AdminDep,
    model_id: str,
    new_stage: Annotated[str, Query(description="dev, staging, production or archived.")],
) -> Model:
    """Move a model to another stage. A name answers with its newest version in production."""
    stage = models.known_stage(new_stage, field="new_stage")
    async with services.database.write() as session:
        model = await models.promote(session, model_id, stage)
    services.serving.residents.forget_choices()
    return model


@router.delete("/models/{model_id}", status_code=204)
async def delete_model(services: ServicesDep, _admin: AdminDep, model_id: str) -> None:
    """Remove a model. Its predictions stay in the history; its recipe may be trained again."""
    await remove_model(services.database, services.artifacts, model_id)
    services.serving.residents.forget_choices()


async def _manifest(services: Services, wanted: str) -> Manifest:
    async with services.database.read() as session:
        model = await models.resolve(session, wanted)
    return await asyncio.to_thread(read_manifest, services.artifacts, model)
