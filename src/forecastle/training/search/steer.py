"""Advancing searches: what became of their jobs is written down, and what follows from it is queued.

Everything is read from the database and written back in the transaction that locks the search, so that a restart goes
on where it was and no two runners advance a search twice.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.clock import Clock
from forecastle.db import Database
from forecastle.db.errors import DatabaseUnavailable, StatementTimeout
from forecastle.errors import BadInput, ForecastleError, NotFound
from forecastle.jobs import queue
from forecastle.jobs.job import Job
from forecastle.registry import models
from forecastle.registry.artifacts import ArtifactStore
from forecastle.registry.describe import rank, read_manifest
from forecastle.training import searches, submit, trials
from forecastle.training.order import Order
from forecastle.training.recipe import Recipe
from forecastle.training.search import bayes, evolution, judging
from forecastle.training.search.document import SearchPlan, parse_search
from forecastle.training.search.evolution import Rules
from forecastle.training.search.space import Parameters, apply
from forecastle.training.searches import Search
from forecastle.training.states import TrialState
from forecastle.training.trials import Trial

OUTAGES = (DatabaseUnavailable, StatementTimeout)
AT_ONCE = 16
"""Trials that are proposed in one transaction at most."""

log = structlog.get_logger("forecastle.training")


async def steer(database: Database, artifacts: ArtifactStore, clock: Clock) -> None:
    """Advance every search that has something to be done; one that cannot go on does not hold up the others."""
    async with database.read() as session:
        due = await searches.due(session)
    for search_id in due:
        try:
            while await _advance_alone(database, artifacts, search_id, now=clock.now()):
                pass
        except OUTAGES:
            raise
        except Exception as error:  # the edge of one search: whatever it is, the others go on
            log.exception("a search cannot go on", search=search_id)
            async with database.write() as session:
                outcome = {"error": str(error) if isinstance(error, ForecastleError) else "internal error"}
                await searches.finish(session, search_id, "failed", now=clock.now(), outcome=outcome)


async def _advance_alone(database: Database, artifacts: ArtifactStore, search_id: str, *, now: datetime) -> bool:
    """Whether there is more to do at once."""
    async with database.write() as session:
        search = await searches.lock(session, search_id)
        return search is not None and await advance(session, artifacts, search, now=now)


async def advance(session: AsyncSession, artifacts: ArtifactStore, search: Search, *, now: datetime) -> bool:
    """Write down what ended, queue what follows, and end the search if that was all; whether there is more to do now.

    The search must be locked, or made in this transaction.
    """
    await _record(session, search, now=now)
    if search.method == "bayes" and await _propose(session, search, now=now) == AT_ONCE:
        return True
    if await trials.count_under_way(session, search.id):
        return False
    if search.method != "evolve":
        await _finish(session, search, now=now)
    elif not await _breed(session, artifacts, search, now=now):
        await _promote(session, search, now=now)
    return False


async def submit_trials(
    session: AsyncSession, search: Search, orders: Sequence[tuple[Parameters, Order]], *, first: int, now: datetime
) -> tuple[Trial, ...]:
    """Queue trials, or find their models; their numbers begin with `first`."""
    in_turn = now + timedelta(microseconds=first)  # after those that were submitted at the same moment
    made = await submit.submit_orders(
        session, [order for _, order in orders], owner=search.owner, now=in_turn, terms=search.terms
    )
    begun = []
    for number, ((parameters, _), found) in enumerate(zip(orders, made, strict=True), start=first):
        trial = Trial(
            search_id=search.id,
            number=number,
            parameters=parameters,
            state="running",
            fingerprint=found.fingerprint,
            model_id=found.model_id,
            job_id=found.job.id if found.job else None,
            borrowed=found.duplicate,
            created_at=now,
        )
        if found.model is not None:
            value = judging.of_model(search.metric, found.model)
            trial = replace(trial, state="duplicate", value=value, finished_at=now)
        begun.append(trial)
    await trials.add(session, begun)
    return tuple(begun)


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


async def _propose(session: AsyncSession, search: Search, *, now: datetime) -> int:
    """Start the next trials of a Bayesian search; how many there were.

    Number n is proposed when all up to n - `parallel` have ended, and knows their results and no others, however fast
    the later ones were: so the same search proposes the same trials on any machine.
    """
    plan = parse_search(search.document)
    every = list(await trials.of_search(session, search.id))
    known = len(every)
    while len(every) < search.planned and len(every) - known < AT_ONCE:
        told = max(0, len(every) - plan.part.parallel + 1)
        if not all(trial.ended for trial in every[:told]):
            break
        parameters = await asyncio.to_thread(
            bayes.propose, plan.space, every, told=told, metric=search.metric, seed=plan.part.seed
        )
        every.append(await _try(session, search, plan, parameters, number=len(every), now=now))
    return len(every) - known


async def _try(
    session: AsyncSession, search: Search, plan: SearchPlan, parameters: Parameters, *, number: int, now: datetime
) -> Trial:
    try:
        recipe = Recipe.parse(apply(plan.base, parameters))
        order = submit.place(recipe, await submit.look_up(session, [recipe]), now=now, cohort=search.id)
    except (BadInput, NotFound) as error:
        trial = Trial(
            search_id=search.id,
            number=number,
            parameters=parameters,
            state="failed",
            reason=error.message,
            created_at=now,
            finished_at=now,
        )
        await trials.add(session, [trial])
        return trial
    (trial,) = await submit_trials(session, search, [(parameters, order)], first=number, now=now)
    return trial


async def _breed(session: AsyncSession, artifacts: ArtifactStore, search: Search, *, now: datetime) -> bool:
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
    return not child.ended or await _breed(session, artifacts, search, now=now)


async def _promote(session: AsyncSession, search: Search, *, now: datetime) -> None:
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


async def _finish(session: AsyncSession, search: Search, *, now: datetime) -> None:
    """End a search."""
    (best,) = await trials.ranked(session, search.id, search.metric, limit=1)
    if not best.has_model:
        await searches.finish(session, search.id, "failed", now=now)
        return
    outcome = {"best": best.number, "model_id": best.model_id, "value": best.value}
    await searches.finish(session, search.id, "completed", now=now, outcome=outcome)
    log.info("search completed", search=search.id, best=best.model_id)
