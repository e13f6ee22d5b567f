"""Stopping trials that are hopeless against their siblings at the same fold, so that workers do something better."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import fmean
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.jobs import queue
from forecastle.jobs.job import Job
from forecastle.jobs.journal import Measured
from forecastle.training import searches, trials
from forecastle.training.search.document import PART, Prune, SearchPart
from forecastle.training.search.judging import METHOD_FIELDS, more_is_better
from forecastle.training.search.space import path_of
from forecastle.training.searches import Search
from forecastle.training.trials import Trial


async def hear(session: AsyncSession, job: Job, measured: Sequence[Measured], now: datetime) -> None:
    """Keep what a training measured with the trials that wait for it, and stop it if it is hopeless."""
    for trial in await trials.of_job(session, job.id):
        search = await searches.get(session, trial.search_id)
        folds = extend(trial.folds, measured, search.metric)
        await trials.note_folds(session, trial, folds)
        rule = _rule(search)
        if rule is None or measured[-1].step + 1 == measured[-1].steps:  # a trial that is through keeps its model
            continue
        reason = await _hopeless(session, search, trial, folds, rule)
        if reason is not None and await trials.may_stop(session, trial):
            await queue.move(session, job.id, "cancelled", finished_at=now, message=f"stopped early: {reason}")
            await trials.end(session, trial, "stopped", now=now, reason=reason, value=fmean(folds))


def extend(folds: Sequence[float], measured: Sequence[Measured], metric: str) -> tuple[float, ...]:
    """The folds' values with new ones; a training that was started again begins anew, a gap ends the row."""
    known = tuple(folds)
    for each in measured:
        if each.step <= len(known) and metric in each.values:
            known = (*known[: each.step], each.values[metric])
    return known


def verdict(folds: Sequence[float], siblings: Sequence[Sequence[float]], rule: Prune, metric: str) -> str | None:
    """Why a trial with these folds is hopeless, or None: too few of its siblings are worse at the same fold.

    Args:
        folds: its values so far.
        siblings: those of the others, as far as they have come.
        rule: when to begin, and how strict to be.
        metric: what the values are.
    """
    done = len(folds)
    rivals = [fmean(each[:done]) for each in siblings if len(each) >= done]
    if done < rule.folds or len(rivals) < rule.siblings:
        return None
    mine, sign = fmean(folds), 1 if more_is_better(metric) else -1
    better = sum(sign * rival > sign * mine for rival in rivals)
    if better <= rule.keep * len(rivals):
        return None
    return f"{metric} {mine:.5g} after fold {done}, where {better} of {len(rivals)} siblings were better"


async def _hopeless(
    session: AsyncSession, search: Search, trial: Trial, folds: Sequence[float], rule: Prune
) -> str | None:
    if not folds:
        return None
    siblings = await trials.of_search(session, search.id)
    mine = _yardstick(trial.parameters)
    comparable = [
        each.folds for each in siblings if each.number != trial.number and _yardstick(each.parameters) == mine
    ]
    return verdict(folds, comparable, rule, search.metric)


def _rule(search: Search) -> Prune | None:
    part = search.document.get(PART)
    return SearchPart.model_validate(part).prune if part else None


def _yardstick(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a trial chose about its target and windows: only trials that agree there are compared fold by fold."""
    return {field: value for field, value in parameters.items() if path_of(field)[0] not in METHOD_FIELDS}
