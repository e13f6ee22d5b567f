"""Looking at models closely: side by side, among their relatives, and on a page of their own."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import HTMLResponse

from forecastle.api.depends import ServicesDep, UserDep
from forecastle.api.routes import PREFIX
from forecastle.registry import lineage, models
from forecastle.registry.compare import Comparison, check_count, compare
from forecastle.registry.describe import read_manifest
from forecastle.registry.lineage import Lineage
from forecastle.registry.report import CONTENT_SECURITY_POLICY, gather, render

router = APIRouter(prefix=PREFIX, tags=["models"])

Wanted = Annotated[str, Path(description="An id, or a name: then the version that a prediction would ask.")]


@router.get("/models/compare")
async def compare_models(
    services: ServicesDep,
    _user: UserDep,
    ids: Annotated[str, Query(description="Two to twenty ids or names, with commas.", examples=["prices,wine"])],
) -> Comparison:
    """Lay models side by side: what differs, the best by each measure, and whether its lead is more than luck."""
    wanted = [each for each in map(str.strip, ids.split(",")) if each]
    check_count(len(wanted))
    async with services.database.read() as session:
        found = [await models.resolve(session, each) for each in wanted]
    manifests = await asyncio.to_thread(lambda: [read_manifest(services.artifacts, model) for model in found])
    return compare(list(zip(found, manifests, strict=True)))


@router.get("/models/{model_id}/lineage")
async def get_model_lineage(services: ServicesDep, _user: UserDep, model_id: Wanted) -> Lineage:
    """Where a model comes from and what came of it, and the models of the same search and batch."""
    async with services.database.read() as session:
        return await lineage.trace(session, (await models.resolve(session, model_id)).id)


@router.get("/models/{model_id}/report", response_class=HTMLResponse)
async def get_model_report(services: ServicesDep, _user: UserDep, model_id: Wanted) -> HTMLResponse:
    """Everything about a model on one page of HTML that needs nothing but itself: to look at, to mail, to archive."""
    subject = await gather(services.database, services.artifacts, model_id)
    page = await asyncio.to_thread(render, subject)
    return HTMLResponse(page, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Cache-Control": "no-cache"})
