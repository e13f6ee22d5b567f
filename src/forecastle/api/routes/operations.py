"""Is it alive, is it ready, how is it doing: for load balancers, orchestrators and Prometheus."""

from contextlib import suppress
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from forecastle import __version__
from forecastle.api.depends import ServicesDep
from forecastle.bootstrap import Services, check_parts
from forecastle.errors import Unavailable
from forecastle.jobs import queue

router = APIRouter(tags=["operations"])

State = Literal["healthy", "degraded"]


class Part(BaseModel):
    """How one part is doing."""

    status: State
    detail: str = ""


class Health(BaseModel):
    """How the service and each of its parts are doing."""

    status: State
    version: str = Field(examples=["0.1.0"])
    parts: dict[str, Part]


@router.head("/health", include_in_schema=False)
@router.get("/health")
async def health(services: ServicesDep) -> Health:
    """Say how every part is doing; always 200, so that the body can be read."""
    parts = await check_parts(services)
    states = {
        name: Part(status="degraded" if trouble else "healthy", detail=trouble or "") for name, trouble in parts.items()
    }
    degraded = any(part.status == "degraded" for part in states.values())
    return Health(status="degraded" if degraded else "healthy", version=__version__, parts=states)


@router.head("/livez", include_in_schema=False)
@router.get("/livez")
async def livez() -> dict[str, str]:
    """Answer as long as the process can answer at all."""
    return {"status": "alive"}


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses={503: {"model": Health}})
async def readyz(services: ServicesDep, response: Response) -> Health:
    """200 when requests can be served, 503 when a part they need is away."""
    report = await health(services)
    response.status_code = 200 if report.parts["database"].status == "healthy" else 503
    return report


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(services: ServicesDep) -> Response:
    """Measurements in the text format of Prometheus."""
    await _measure(services)
    return Response(services.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _measure(services: Services) -> None:
    """Read what is not counted as it happens; without its database a process still tells of itself."""
    pool = services.database.pool_statistics()
    services.metrics.connections(in_use=pool.in_use, idle=pool.open - pool.in_use)
    services.metrics.history_queue(services.serving.history.waiting_rows)
    with suppress(Unavailable):
        async with services.database.read() as session:
            services.metrics.jobs(await queue.count_by_status(session))
