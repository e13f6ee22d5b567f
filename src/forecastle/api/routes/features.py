"""Features: the functions there are, and a look at expressions computed on a dataset."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from forecastle.api.depends import ServicesDep, UserDep
from forecastle.api.routes import PREFIX
from forecastle.data import catalogue as datasets
from forecastle.features import FunctionFacts, catalogue
from forecastle.features.preview import Preview, preview
from forecastle.types import Page

router = APIRouter(prefix=PREFIX, tags=["data"])

Expression = Annotated[str, Field(min_length=1, max_length=2_000)]
Name = Annotated[str, Field(min_length=1, max_length=100)]


class PreviewRequest(BaseModel):
    """Which features of which dataset; the last `limit` rows are shown."""

    model_config = ConfigDict(extra="forbid")

    dataset: Name
    features: Annotated[list[Expression], Field(min_length=1, max_length=100)]
    limit: Annotated[int, Field(ge=1, le=1_000)] = 10
    timeframe: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    context: Annotated[list[Name], Field(max_length=50)] = []


@router.get("/features")
async def list_features(
    _user: UserDep, family: Annotated[str | None, Query(max_length=100, description="One family only.")] = None
) -> Page[FunctionFacts]:
    """Every function of the expression language, with parameters, documentation and an example."""
    return Page(catalogue(family))


@router.post("/features/preview")
async def preview_features(services: ServicesDep, _user: UserDep, wanted: PreviewRequest) -> Preview:
    """Features of a dataset's last rows, and the share of rows in which each is missing."""
    async with services.database.read() as session:
        dataset = await datasets.get(session, wanted.dataset)
        context = {name: await datasets.get(session, name) for name in wanted.context}
    return await asyncio.to_thread(
        preview,
        services.tables,
        dataset,
        wanted.features,
        limit=wanted.limit,
        timeframe=wanted.timeframe,
        context=context,
    )
