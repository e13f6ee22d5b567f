"""The kinds of job that tests run: every function of `sample_jobs` under its name, and some whose finish goes wrong."""

from collections.abc import Mapping
from datetime import UTC, datetime
from inspect import getmembers, isfunction

import sample_jobs
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.errors import Conflict
from forecastle.jobs import queue
from forecastle.jobs.job import Job
from forecastle.jobs.kinds import JobKind
from forecastle.types import JsonObject

FINISHED = "finish was here"


async def note(session: AsyncSession, job: Job, result: JsonObject) -> JsonObject:
    """Leaves a line in the log, so that a test can count how often a job was finished."""
    await queue.append_lines(session, job.id, [(datetime.now(UTC), FINISHED)])
    return result


async def note_and_refuse(session: AsyncSession, job: Job, result: JsonObject) -> JsonObject:
    await note(session, job, result)
    raise Conflict("that name is taken")


async def note_and_stumble(session: AsyncSession, job: Job, result: JsonObject) -> JsonObject:
    await note(session, job, result)
    return {"missing": result["no such key"]}


KINDS: Mapping[str, JobKind] = {
    **{
        name: JobKind(f"sample_jobs:{name}", note)
        for name, function in getmembers(sample_jobs, isfunction)
        if function.__module__ == sample_jobs.__name__
    },
    "refused_at_finish": JobKind("sample_jobs:echo", note_and_refuse),
    "stumbles_at_finish": JobKind("sample_jobs:echo", note_and_stumble),
    "missing_function": JobKind("sample_jobs:nothing_here", note),
    "missing_module": JobKind("no_such_module:run", note),
}
