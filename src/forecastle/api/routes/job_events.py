"""What happens to jobs, as it happens."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Header, Response

from forecastle.api.depends import ServicesDep, UserDep
from forecastle.api.routes import PREFIX
from forecastle.api.streams import COMMENT, MEDIA_TYPE, EventStream, event
from forecastle.errors import BadInput, Unavailable
from forecastle.jobs import queue
from forecastle.jobs.events import Logged, Missed, Progressed, StatusChanged, Told
from forecastle.jobs.listening import START, Heard, Position, listen_to_all, listen_to_job

log = structlog.get_logger("forecastle.api")

NAMES: dict[type[Told], str] = {StatusChanged: "status", Progressed: "progress", Logged: "log", Missed: "missed"}

STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `status`, `progress`, `log` and `missed` (log lines that came too fast).",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}

LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="The id of the last event that is known, to go on after it.")
]

router = APIRouter(prefix=PREFIX, tags=["training"])


@router.get("/jobs/events", status_code=200, response_class=EventStream, responses=STREAM)
async def follow_jobs(services: ServicesDep, _user: UserDep, last_event_id: LastEventId = None) -> Response:
    """Status and progress of all jobs, from now on or on from an earlier stream, as server-sent events."""
    after = None if last_event_id is None else _position(last_event_id)
    return EventStream(_written(listen_to_all(services.job_feed, after)))


@router.get(
    "/jobs/{job_id}/events",
    status_code=200,
    response_class=EventStream,
    responses=STREAM | {204: {"description": "The job has ended and all is known: do not ask again."}},
)
async def follow_job(services: ServicesDep, _user: UserDep, job_id: str, last_event_id: LastEventId = None) -> Response:
    """Every status of one job from the first, its log and its progress, until it has ended, as server-sent events."""
    after = START if last_event_id is None else _position(last_event_id)
    async with services.database.read() as session:
        job = await queue.get(session, job_id)
        if job.ended and not await queue.changes(session, job_id, after=after.change):
            return Response(status_code=204)
    return EventStream(_written(listen_to_job(services.job_feed, job_id, after)))


async def _written(heard: AsyncGenerator[Heard, None]) -> AsyncGenerator[bytes, None]:
    try:
        async with aclosing(heard):
            async for position, told in heard:
                last_id = f"{position.change}-{position.line}"
                yield COMMENT if told is None else event(NAMES[type(told)], told, last_id=last_id)
    except Unavailable as error:  # the client asks again, and goes on where it was
        log.warning("a stream of events ends early", reason=error.message)


def _position(last_id: str) -> Position:
    change, _, line = last_id.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in (change, line)):
        raise BadInput.at("Last-Event-ID", expected="the id of an earlier event", found=last_id)
    return Position(int(change), int(line))
