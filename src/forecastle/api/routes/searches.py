"""Searches: many recipes of one cohort, their trials, and evolution."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from pydantic import WithJsonSchema

from forecastle.api.depends import EditorDep, ServicesDep, TermsDep, UserDep
from forecastle.api.routes import PREFIX
from forecastle.api.routes.training import partial_schema
from forecastle.errors import Forbidden
from forecastle.registry import models
from forecastle.training import searches, trials
from forecastle.training.documents import schema_of
from forecastle.training.errors import BadRecipe
from forecastle.training.search.document import SearchPart, is_search
from forecastle.training.search.evolution import Rules
from forecastle.training.search.evolve import parse_rules, start_evolution
from forecastle.training.search.start import start_search
from forecastle.training.searches import Search, Standing
from forecastle.training.states import Method, SearchStatus, TrialState
from forecastle.training.trials import Trial, Tried
from forecastle.types import Page

router = APIRouter(prefix=PREFIX, tags=["training"])

SearchBody = Annotated[
    dict[str, Any],
    WithJsonSchema(partial_schema("name", "search", search=schema_of(SearchPart))),
    Body(description="A recipe with a part `search`; a field that the space varies may be missing from the recipe."),
]
RulesBody = Annotated[
    dict[str, Any], WithJsonSchema(schema_of(Rules)), Body(description="How far to go, and what to promote.")
]


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """A search and how far it is. Its id is the cohort of its models."""

    id: str
    name: str
    method: Method
    metric: str
    status: SearchStatus
    planned: int
    """The most trials that there will be."""
    trials: int
    """How many there are so far."""
    known: int
    """How many of them were known, or being trained, before: nothing was fitted for them."""
    distinct: int
    """How many different recipes there are among them."""
    states: dict[TrialState, int]
    best: Trial | None
    outcome: dict[str, Any] | None
    document: dict[str, Any]
    owner: str | None
    created_at: datetime
    finished_at: datetime | None


@router.post(
    "/train/search",
    status_code=202,
    responses={200: {"model": SearchAnswer, "description": "Every model is known already; the search has ended."}},
)
async def train_search(
    services: ServicesDep, editor: EditorDep, document: SearchBody, terms: TermsDep, response: Response
) -> SearchAnswer:
    """Start a search. Every recipe is checked before anything is queued; what was trained before is recognised."""
    if not is_search(document):
        raise BadRecipe.at("search", expected="a table that says what varies", found="nothing")
    standing = await start_search(
        services.database,
        services.tables,
        services.artifacts,
        document,
        owner=editor.id,
        now=services.clock.now(),
        terms=terms,
    )
    return _started(standing, response)


@router.post(
    "/models/{model_id}/evolve",
    status_code=202,
    responses={200: {"model": SearchAnswer, "description": "Every model is known already; the evolution has ended."}},
)
async def evolve_model(
    services: ServicesDep,
    editor: EditorDep,
    model_id: str,
    terms: TermsDep,
    response: Response,
    rules: RulesBody | None = None,
) -> SearchAnswer:
    """Train children of a model with ever fewer features. Only an admin may have the best promoted (`stage`)."""
    parsed = parse_rules(rules or {})
    if parsed.stage is not None and editor.role != "admin":
        raise Forbidden("only an admin may have a model promoted: leave out stage")
    standing = await start_evolution(
        services.database, services.artifacts, model_id, parsed, owner=editor.id, now=services.clock.now(), terms=terms
    )
    return _started(standing, response)


@router.get("/searches")
async def list_searches(
    services: ServicesDep,
    user: UserDep,
    status: Annotated[SearchStatus | None, Query(description="Only searches of this status.")] = None,
    model: Annotated[str | None, Query(description="Only searches that made this model, or met it.")] = None,
    mine: Annotated[bool, Query(description="Only your own searches.")] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    cursor: Annotated[str | None, Query(description="The `next` of an earlier page.")] = None,
) -> Page[Search]:
    """Searches, the newest first."""
    async with services.database.read() as session:
        return await searches.list_searches(
            session, status, model=model, owner=user.id if mine else None, limit=limit, cursor=cursor
        )


@router.get("/searches/{search_id}")
async def get_search(services: ServicesDep, _user: UserDep, search_id: str) -> SearchAnswer:
    """One search: how many trials there were, what became of them, and the best."""
    async with services.database.read() as session:
        return _answer(await searches.standing(session, await searches.get(session, search_id)))


@router.get("/searches/{search_id}/trials")
async def list_trials(
    services: ServicesDep,
    _user: UserDep,
    search_id: str,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Page[Trial]:
    """The trials of a search, the best first; those without a model come last, with the reason."""
    async with services.database.read() as session:
        search = await searches.get(session, search_id)
        return Page(await trials.ranked(session, search.id, search.metric, limit=limit, offset=offset))


@router.post("/searches/{search_id}/cancel")
async def cancel_search(services: ServicesDep, editor: EditorDep, search_id: str) -> SearchAnswer:
    """Cancel a search and its trials under way; models that it made stay."""
    async with services.database.write() as session:
        search = await searches.get(session, search_id)
        if editor.role != "admin" and search.owner != editor.id:
            raise Forbidden("only its owner or an admin may cancel a search")
        search = await searches.cancel(session, search_id, now=services.clock.now())
        return _answer(await searches.standing(session, search))


@router.get("/models/{model_id}/trials")
async def count_model_trials(services: ServicesDep, _user: UserDep, model_id: str) -> Tried:
    """How many trials stand behind a model, one removed since included: what its measures must be judged against."""
    async with services.database.read() as session:
        tried = await trials.behind(session, model_id)
        if not tried.searches:
            await models.get(session, model_id)
        return tried


def _started(standing: Standing, response: Response) -> SearchAnswer:
    if standing.search.status != "running":
        response.status_code = 200
    return _answer(standing)


def _answer(standing: Standing) -> SearchAnswer:
    search = standing.search
    return SearchAnswer(
        id=search.id,
        name=search.name,
        method=search.method,
        metric=search.metric,
        status=search.status,
        planned=search.planned,
        trials=standing.counts.trials,
        known=standing.counts.known,
        distinct=standing.counts.distinct,
        states=standing.states,
        best=standing.best,
        outcome=search.outcome,
        document=search.document,
        owner=search.owner,
        created_at=search.created_at,
        finished_at=search.finished_at,
    )
