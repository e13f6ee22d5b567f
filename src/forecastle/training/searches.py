"""Searches: what was looked for, in what way, and what became of it."""

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.db.paging import newest_first
from forecastle.jobs import queue
from forecastle.jobs.errors import JobEnded
from forecastle.jobs.job import NO_TERMS, Terms
from forecastle.jobs.machine import ENDED
from forecastle.jobs.tables import JobRow
from forecastle.training import trials
from forecastle.training.errors import SearchEnded, SearchNotFound
from forecastle.training.states import Method, SearchStatus, TrialState
from forecastle.training.tables import SearchRow, TrialRow
from forecastle.training.trials import Counts, Trial
from forecastle.types import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One search, as it stood when it was read. Its id is the cohort of the models that it made."""

    id: str
    name: str
    method: Method
    document: dict[str, Any]
    """As it was asked for."""
    metric: str
    planned: int
    """The most trials that there will be."""
    terms: Terms = NO_TERMS
    """On what terms its jobs are run."""
    status: SearchStatus = "running"
    outcome: dict[str, Any] | None = None
    """What it came to, once it has ended."""
    owner: str | None = None
    created_at: datetime
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a search is."""

    search: Search
    counts: Counts
    states: dict[TrialState, int]
    """How many trials are in each state; states that no trial is in are missing."""
    best: Trial | None
    """None as long as no trial has a model and a value."""


_FIELDS = tuple(field.name for field in fields(Search))


async def add(session: AsyncSession, search: Search) -> None:
    """Write a new search down."""
    await session.execute(insert(SearchRow).values(**asdict(search)))


async def get(session: AsyncSession, search_id: str, *, owner: str | None = None) -> Search:
    """The search of that id, if `owner` is None or owns it.

    Raises:
        SearchNotFound: there is none, or it is someone else's.
    """
    row = await session.get(SearchRow, search_id, populate_existing=True)
    if row is None or owner not in {None, row.owner}:
        raise SearchNotFound(search_id)
    return _search(row)


async def list_searches(
    session: AsyncSession,
    status: SearchStatus | None = None,
    *,
    model: str | None = None,
    owner: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Search]:
    """One page of searches, newest first; with `model` those that made or met it.

    Raises:
        BadInput: `limit` is out of range, or `cursor` not the `next` of an earlier page.
    """
    statement = select(SearchRow)
    for column, wanted in ((SearchRow.status, status), (SearchRow.owner, owner)):
        if wanted is not None:
            statement = statement.where(column == wanted)
    if model is not None:
        statement = statement.where(
            SearchRow.id.in_(select(TrialRow.search_id).where(TrialRow.model_id == model, TrialRow.value.is_not(None)))
        )
    return await newest_first(session, statement, SearchRow, _search, limit=limit, cursor=cursor)


async def standing(session: AsyncSession, search: Search) -> Standing:
    """How far it is, and what is the best so far."""
    states = (await trials.count_states(session, [search.id]))[search.id]
    best = await trials.ranked(session, search.id, search.metric, limit=1)
    counts = await trials.count(session, search.id)
    return Standing(search, counts, states, next((trial for trial in best if trial.has_model), None))


async def due(session: AsyncSession) -> list[str]:
    """Ids of the searches with something to be done: a job that a trial waits for has ended, or no trial waits."""
    waits = TrialRow.state == "running"
    over = (
        select(TrialRow.search_id)
        .outerjoin(JobRow, JobRow.id == TrialRow.job_id)
        .where(waits, or_(JobRow.status.is_(None), JobRow.status.in_(ENDED)))
    )
    waiting = select(TrialRow.search_id).where(waits, TrialRow.search_id == SearchRow.id).exists()
    statement = select(SearchRow.id).where(SearchRow.status == "running", or_(SearchRow.id.in_(over), ~waiting))
    return list(await session.scalars(statement.order_by(SearchRow.id)))


async def lock(session: AsyncSession, search_id: str) -> Search | None:
    """The search, if it runs; until the end of the transaction nobody else advances it."""
    statement = select(SearchRow).where(SearchRow.id == search_id, SearchRow.status == "running")
    row = await session.scalar(statement.with_for_update().execution_options(populate_existing=True))
    return None if row is None else _search(row)


async def finish(
    session: AsyncSession, search_id: str, status: SearchStatus, *, now: datetime, outcome: dict[str, Any] | None = None
) -> None:
    """End a search that runs."""
    here = (SearchRow.id == search_id, SearchRow.status == "running")
    await session.execute(update(SearchRow).where(*here).values(status=status, outcome=outcome, finished_at=now))


async def cancel(session: AsyncSession, search_id: str, *, now: datetime, owner: str | None = None) -> Search:
    """End a search and the trials under way; jobs that somebody else waits for go on. One cancelled before stays.

    Raises:
        SearchNotFound: there is no such search, or `owner` is given and it is someone else's.
        SearchEnded: it has come to its end.
    """
    search = await get(session, search_id, owner=owner)
    locked = await session.scalar(select(SearchRow.status).where(SearchRow.id == search_id).with_for_update())
    if locked == "running":
        under_way = [trial for trial in await trials.of_search(session, search_id) if not trial.ended]
        await _cancel_jobs(session, under_way, now=now)
        for trial in under_way:
            await trials.end(session, trial, "cancelled", now=now, reason="the search was cancelled")
        await finish(session, search_id, "cancelled", now=now)
    elif locked != "cancelled":
        raise SearchEnded(search.id, str(locked))
    return await get(session, search_id)


async def _cancel_jobs(session: AsyncSession, under_way: Collection[Trial], *, now: datetime) -> None:
    for trial in under_way:
        if await trials.may_stop(session, trial):
            try:
                await queue.cancel(session, str(trial.job_id), now=now)
            except JobEnded:
                continue  # it was a moment ago


def _search(row: SearchRow) -> Search:
    return Search(**{name: getattr(row, name) for name in _FIELDS} | {"terms": Terms(**row.terms)})
