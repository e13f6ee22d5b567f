"""Advancing a Bayesian search: the next trials are proposed and queued.

What is proposed is computed while no lock is held, for it may take a second where there are thousands of trials, and
written down only if nobody else has done so meanwhile.
"""

import asyncio
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.db import Database
from forecastle.errors import BadInput, NotFound
from forecastle.training import searches, submit, trials
from forecastle.training.recipe import Recipe
from forecastle.training.search import bayes
from forecastle.training.search.document import SearchPlan, parse_search
from forecastle.training.search.queueing import submit_trials
from forecastle.training.search.space import Parameters, apply
from forecastle.training.searches import Search
from forecastle.training.trials import Trial


async def propose_trials(database: Database, search: Search, *, now: datetime) -> None:
    """Start every trial that can be proposed now.

    Number n is proposed when all up to n - `parallel` have ended, and knows their results and no others, however fast
    the later ones were: so the same search proposes the same trials on any machine.
    """
    plan = parse_search(search.document)
    while True:
        async with database.read() as session:
            known = await trials.of_search(session, search.id)
        told = max(0, len(known) - plan.part.parallel + 1)
        if len(known) >= search.planned or not all(trial.ended for trial in known[:told]):
            return
        parameters = await asyncio.to_thread(
            bayes.propose, plan.space, known, told=told, metric=search.metric, seed=plan.part.seed
        )
        async with database.write() as session:
            if await searches.lock(session, search.id) is None:
                return
            if (await trials.count(session, search.id)).trials == len(known):
                await _start(session, search, plan, parameters, number=len(known), now=now)


async def _start(
    session: AsyncSession, search: Search, plan: SearchPlan, parameters: Parameters, *, number: int, now: datetime
) -> None:
    """One more trial; one whose recipe fits no table any more has failed."""
    try:
        recipe = Recipe.parse(apply(plan.base, parameters))
        order = submit.place(recipe, await submit.look_up(session, [recipe]), now=now, cohort=search.id)
    except (BadInput, NotFound) as error:
        failed = Trial(
            search_id=search.id,
            number=number,
            parameters=parameters,
            state="failed",
            reason=error.message,
            created_at=now,
            finished_at=now,
        )
        await trials.add(session, [failed])
    else:
        await submit_trials(session, search, [(parameters, order)], first=number, now=now)
