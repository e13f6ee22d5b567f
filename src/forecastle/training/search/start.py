"""Starting a search: every recipe is checked before anything is queued, and what is known already is recognised."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.data.dataset import Dataset
from forecastle.data.storage import TableStore
from forecastle.db import Database
from forecastle.errors import BadInput, FieldProblem, clip
from forecastle.jobs.job import NO_TERMS, Terms
from forecastle.registry.artifacts import ArtifactStore
from forecastle.registry.manifest import Task
from forecastle.training import searches, submit
from forecastle.training.coverage import check_rows
from forecastle.training.errors import BadRecipe
from forecastle.training.order import Order
from forecastle.training.recipe import Recipe
from forecastle.training.search import judging, steer
from forecastle.training.search.document import PART, SearchPlan, parse_search
from forecastle.training.search.queueing import submit_trials
from forecastle.training.search.space import Choice, Dimension, Parameters, apply, path_of
from forecastle.training.searches import Search, Standing
from forecastle.types import new_id

REDRAWS = 20


@dataclass(frozen=True, slots=True)
class _Trial:
    """A recipe of the space."""

    parameters: Parameters
    number: int
    recipe: Recipe

    @classmethod
    def of(cls, plan: SearchPlan, parameters: Parameters, number: int) -> "_Trial":
        with _named(parameters, number):
            return cls(parameters, number, Recipe.parse(apply(plan.base, parameters)))

    def named(self) -> AbstractContextManager[None]:
        """Errors inside say which trial they are about."""
        return _named(self.parameters, self.number)


@contextmanager
def _named(parameters: Parameters, number: int) -> Iterator[None]:
    try:
        yield
    except BadInput as error:
        problems = [_in_space(problem, parameters) for problem in error.problems]
        chosen = ", ".join(f"{field} = {clip(value, 40)}" for field, value in parameters.items())
        what = error.message if problems == list(error.problems) else "; ".join(map(str, problems))
        raise BadRecipe(f"{what} (trial {number}: {clip(chosen, 200)})", problems=problems) from error


def _in_space(problem: FieldProblem, parameters: Parameters) -> FieldProblem:
    """A problem with a field that varies is one of the space."""
    for field in parameters:
        path = ".".join(path_of(field))
        if problem.field == path or problem.field.startswith(f"{path}."):
            return replace(problem, field=f"{PART}.space.{field}{problem.field.removeprefix(path)}")
    return problem


@dataclass(frozen=True, slots=True)
class CheckedSearch:
    """A search whose every recipe fits its tables, and what is submitted first."""

    search: Search
    orders: list[tuple[Parameters, Order]]


async def start_search(
    database: Database,
    store: TableStore,
    artifacts: ArtifactStore,
    document: Mapping[str, Any],
    *,
    owner: str | None,
    now: datetime,
    terms: Terms = NO_TERMS,
) -> Standing:
    """Start a search: its trials become jobs, all at once or, where one depends on others, the first of them.

    Raises:
        BadRecipe: a field of the search, or of a recipe in it, cannot be used.
        DatasetNotFound: a table does not exist.
        ModelNotFound: the parent does not exist.
        BadInput: the jobs' terms cannot be kept.
    """
    checked = await check_search(database, store, document, owner=owner, now=now, terms=terms)
    async with database.write() as session:
        await begin_search(session, checked, now=now)
    return await get_going(database, artifacts, checked, now=now)


async def check_search(
    database: Database,
    store: TableStore,
    document: Mapping[str, Any],
    *,
    owner: str | None,
    now: datetime,
    terms: Terms = NO_TERMS,
) -> CheckedSearch:
    """The first half of `start_search`: everything that can be refused is refused here."""
    terms.check()
    plan, trials = await asyncio.to_thread(_read, document)
    async with database.read() as session:
        tables = await submit.look_up(session, [trial.recipe for trial in trials])
    search_id = new_id(now)
    orders = await asyncio.to_thread(_place_all, trials, tables, store, now=now, cohort=search_id)
    search = Search(
        id=search_id,
        name=trials[0].recipe.name,
        method=plan.part.method,
        document={**document},
        metric=judging.choose(plan.part.metric, _task(orders), [each.field for each in plan.space.dimensions]),
        planned=plan.trials,
        terms=terms,
        owner=owner,
        created_at=now,
    )
    return CheckedSearch(search, [] if search.method == "bayes" else orders)


async def begin_search(session: AsyncSession, checked: CheckedSearch, *, now: datetime) -> None:
    """The second half: write the search down and queue the trials that are known from the beginning."""
    await searches.add(session, checked.search)
    await submit_trials(session, checked.search, checked.orders, first=0, now=now)


async def get_going(database: Database, artifacts: ArtifactStore, checked: CheckedSearch, *, now: datetime) -> Standing:
    """What follows at once, and how the search stands then. Left out, a runner would do it."""
    await steer.go_on(database, artifacts, checked.search.id, now=now)
    async with database.read() as session:
        return await searches.standing(session, await searches.get(session, checked.search.id))


def _read(document: Mapping[str, Any]) -> tuple[SearchPlan, list[_Trial]]:
    plan = parse_search(document)
    chosen = _every_choice(plan)
    return plan, [_Trial.of(plan, parameters, number) for number, parameters in enumerate(chosen)]


def _place_all(
    trials: Sequence[_Trial], tables: Mapping[str, Dataset], store: TableStore, *, now: datetime, cohort: str
) -> list[tuple[Parameters, Order]]:
    placed = []
    for trial in trials:
        with trial.named():
            order = submit.place(trial.recipe, tables, now=now, cohort=cohort)
            check_rows(trial.recipe, tables, store)
            placed.append((trial.parameters, order))
    return placed


def _task(orders: Sequence[tuple[Parameters, Order]]) -> Task:
    """The one task of all recipes."""
    tasks = {order.document["target"]["task"]: parameters for parameters, order in orders}
    if len(tasks) > 1:
        raise BadRecipe.at(f"{PART}.space", expected="recipes of one task", found=" and ".join(sorted(tasks)))
    (task,) = tasks
    return cast("Task", task)


def _every_choice(plan: SearchPlan) -> Iterator[Parameters]:
    """What is checked before anything is queued: every trial or, where later ones are not known, every single value."""
    match plan.part.method:
        case "grid":
            return plan.space.grid()
        case "random":
            return _draws(plan)
        case _:
            return _single_values(plan)


def _draws(plan: SearchPlan) -> Iterator[Parameters]:
    random, seen = Random(plan.part.seed), set()  # noqa: S311 - nobody is to be kept from guessing it
    for _ in range(plan.trials):
        for _ in range(REDRAWS):
            parameters = plan.space.draw(random)
            text = json.dumps(parameters, sort_keys=True, default=str)
            if text not in seen:
                break
        seen.add(text)
        yield parameters


def _single_values(plan: SearchPlan) -> Iterator[Parameters]:
    """Every value of every dimension once, beside the first value of the others."""
    for algorithm in plan.space.algorithms:
        common = {each.field: _ends(each)[0] for each in plan.space.common}
        if "algorithm" in common:
            common["algorithm"] = algorithm
        own = {each.field: _ends(each)[0] for each in plan.space.own(common)}
        yield common | own
        for each in (*plan.space.common, *plan.space.own(common)):
            if each.field != "algorithm":
                yield from (common | own | {each.field: value} for value in _ends(each)[1:])


def _ends(dimension: Dimension) -> Sequence[Any]:
    return (
        dimension.values
        if isinstance(dimension, Choice)
        else (dimension.read(dimension.low), dimension.read(dimension.high))
    )
