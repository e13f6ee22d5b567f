"""Advancing searches: what became of their jobs is written down, and what follows from it is queued.

Everything is read from the database and written back in transactions that lock the search, so that a restart goes on
where it was and no two runners advance a search twice.
"""

from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.clock import Clock
from forecastle.db import Database
from forecastle.db.errors import DatabaseUnavailable, StatementTimeout
from forecastle.errors import ForecastleError
from forecastle.jobs import queue
from forecastle.jobs.job import Job
from forecastle.registry.artifacts import ArtifactStore
from forecastle.training import searches, trials
from forecastle.training.search import breeding, judging
from forecastle.training.search.proposing import propose_trials
from forecastle.training.searches import Search
from forecastle.training.states import TrialState
from forecastle.training.trials import Trial

OUTAGES = (DatabaseUnavailable, StatementTimeout)

log = structlog.get_logger("forecastle.training")


async def steer(database: Database, artifacts: ArtifactStore, clock: Clock) -> None:
    """Advance every search that has something to be done; one that cannot go on does not hold up the others."""
    async with database.read() as session:
        due = await searches.due(session)
    for search_id in due:
        try:
            await go_on(database, artifacts, search_id, now=clock.now())
        except OUTAGES:
            raise
        except Exception as error:  # the edge of one search: whatever it is, the others go on
            log.exception("a search cannot go on", search=search_id)
            async with database.write() as session:
                outcome = {"error": str(error) if isinstance(error, ForecastleError) else "internal error"}
                await searches.finish(session, search_id, "failed", now=clock.now(), outcome=outcome)


async def go_on(database: Database, artifacts: ArtifactStore, search_id: str, *, now: datetime) -> None:
    """Do everything for one search that can be done now."""
    search = await _advance_alone(database, artifacts, search_id, now=now)
    if search is not None and search.method == "bayes":
        await propose_trials(database, search, now=now)
        await _advance_alone(database, artifacts, search_id, now=now)


async def _advance_alone(
    database: Database, artifacts: ArtifactStore, search_id: str, *, now: datetime
) -> Search | None:
    """The search, if it runs."""
    async with database.write() as session:
        search = await searches.lock(session, search_id)
        if search is not None:
            await advance(session, artifacts, search, now=now)
        return search


async def advance(session: AsyncSession, artifacts: ArtifactStore, search: Search, *, now: datetime) -> None:
    """Write down what ended, breed what follows from it, and end the search if that was all.

    The search must be locked, or made in this transaction.
    """
    await _record(session, search, now=now)
    if await trials.count_under_way(session, search.id):
        return
    if search.method == "evolve":
        if not await breeding.breed(session, artifacts, search, now=now):
            await breeding.promote(session, search, now=now)
    elif (await trials.count(session, search.id)).trials >= search.planned:
        await _finish(session, search, now=now)


async def _record(session: AsyncSession, search: Search, *, now: datetime) -> None:
    """Give the trials whose jobs have ended their final state."""
    over = await trials.over(session, search.id)
    jobs = await queue.get_all(session, [trial.job_id for trial in over if trial.job_id])
    for trial in over:
        await _end(session, search, trial, jobs.get(trial.job_id or ""), now=now)


async def _end(session: AsyncSession, search: Search, trial: Trial, job: Job | None, *, now: datetime) -> None:
    if job is None:
        return await trials.end(session, trial, "failed", now=now, reason="its job is gone")
    if job.status == "completed":
        value = judging.of_result(search.metric, job.result or {})
        state: TrialState = "duplicate" if trial.borrowed else "completed"
        reason = None if value is not None else f"{search.metric} is not defined for it"
        return await trials.end(session, trial, state, now=now, value=value, reason=reason)
    if job.status == "cancelled":
        return await trials.end(session, trial, "cancelled", now=now, reason=job.message)
    return await trials.end(session, trial, "failed", now=now, reason=job.error)


async def _finish(session: AsyncSession, search: Search, *, now: datetime) -> None:
    """End a search."""
    (best,) = await trials.ranked(session, search.id, search.metric, limit=1)
    if not best.has_model:
        await searches.finish(session, search.id, "failed", now=now)
        return
    outcome = {"best": best.number, "model_id": best.model_id, "value": best.value}
    await searches.finish(session, search.id, "completed", now=now, outcome=outcome)
    log.info("search completed", search=search.id, best=best.model_id)
