"""Queueing the trials of a search, or finding their models."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.training import submit, trials
from forecastle.training.order import Order
from forecastle.training.search import judging
from forecastle.training.search.space import Parameters
from forecastle.training.searches import Search
from forecastle.training.trials import Trial


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
