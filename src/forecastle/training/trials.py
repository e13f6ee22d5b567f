"""The trials of searches, kept for good: how often one tried before a model was chosen is part of what it is worth."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.db.paging import MAX_LIMIT
from forecastle.errors import BadInput
from forecastle.jobs.machine import ENDED
from forecastle.jobs.tables import JobRow
from forecastle.registry.measures import direction
from forecastle.training.states import TRIAL_STATES, TrialState
from forecastle.training.tables import TrialRow

MODELLED: tuple[TrialState, ...] = ("completed", "duplicate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One trial of a search, as it stood when it was read."""

    search_id: str
    number: int
    """0, 1, 2, … within the search."""
    parameters: dict[str, Any]
    """What it chose, by the dotted name of the recipe's field."""
    state: TrialState
    fingerprint: str | None = None
    model_id: str | None = None
    """The model that it made or found; of one under way, the model to be."""
    job_id: str | None = None
    borrowed: bool = False
    """Its model was there before, or another training makes it."""
    wanted: bool = False
    """Somebody outside the search waits for its job too, so that it is not stopped early."""
    value: float | None = None
    """The search's metric, averaged over the folds it went through."""
    folds: tuple[float, ...] = ()
    """The metric in each fold, as far as its worker told."""
    reason: str | None = None
    """Why it has no model."""
    created_at: datetime
    finished_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether its state is final."""
        return self.state != "running"

    @property
    def has_model(self) -> bool:
        """Whether there is a model to show for it, and a number to rank it by."""
        return self.state in MODELLED and self.value is not None


_FIELDS = tuple(field.name for field in fields(Trial))


async def add(session: AsyncSession, trials: Iterable[Trial]) -> None:
    """Write new trials down."""
    rows = [asdict(trial) | {"folds": list(trial.folds)} for trial in trials]
    if rows:
        await session.execute(insert(TrialRow), rows)


async def end(
    session: AsyncSession,
    trial: Trial,
    state: TrialState,
    *,
    now: datetime,
    reason: str | None = None,
    value: float | None = None,
) -> None:
    """Give a trial under way its final state."""
    ended = {"state": state, "finished_at": now, "reason": reason, "value": value}
    await session.execute(update(TrialRow).where(*_under_way(trial)).values(**ended))


async def note_folds(session: AsyncSession, trial: Trial, folds: Sequence[float]) -> None:
    """Keep what a trial under way measured in its folds so far."""
    await session.execute(update(TrialRow).where(*_under_way(trial)).values(folds=list(folds)))


async def may_stop(session: AsyncSession, trial: Trial) -> bool:
    """Whether the job of a trial under way is its own, and nobody else waits for it."""
    if trial.borrowed or trial.wanted or trial.job_id is None:
        return False
    sharing = select(func.count()).where(TrialRow.job_id == trial.job_id, TrialRow.state == "running")
    return await session.scalar(sharing) == 1


async def of_search(session: AsyncSession, search_id: str) -> tuple[Trial, ...]:
    """All its trials, by number."""
    return await _read(session, TrialRow.search_id == search_id)


async def of_job(session: AsyncSession, job_id: str) -> tuple[Trial, ...]:
    """The trials under way that wait for this job."""
    return await _read(session, TrialRow.job_id == job_id, TrialRow.state == "running")


async def over(session: AsyncSession, search_id: str) -> tuple[Trial, ...]:
    """Its trials under way whose job has ended or is not there."""
    statement = (
        select(TrialRow)
        .outerjoin(JobRow, JobRow.id == TrialRow.job_id)
        .where(TrialRow.search_id == search_id, TrialRow.state == "running")
        .where(or_(JobRow.status.is_(None), JobRow.status.in_(ENDED)))
        .order_by(TrialRow.number)
    )
    return tuple(map(_trial, await session.scalars(statement.execution_options(populate_existing=True))))


async def count_under_way(session: AsyncSession, search_id: str) -> int:
    """How many of its trials have not ended."""
    here = (TrialRow.search_id == search_id, TrialRow.state == "running")
    return await session.scalar(select(func.count()).where(*here)) or 0


async def ranked(
    session: AsyncSession, search_id: str, metric: str, *, limit: int = MAX_LIMIT, offset: int = 0
) -> tuple[Trial, ...]:
    """Its trials, the best first; those without a value come last, by number.

    Raises:
        BadInput: `limit` is out of range, or `offset` below 0.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise BadInput.at("limit", expected=f"1 to {MAX_LIMIT}", found=limit)
    if offset < 0:
        raise BadInput.at("offset", expected="0 or more", found=offset)
    complete = TrialRow.state.in_(MODELLED)
    value = TrialRow.value.desc() if direction(metric) == "desc" else TrialRow.value
    statement = (
        select(TrialRow)
        .where(TrialRow.search_id == search_id)
        .order_by(complete.desc(), TrialRow.value.is_(None), value, TrialRow.number)
    )
    rows = await session.scalars(statement.limit(limit).offset(offset))
    return tuple(map(_trial, rows))


async def mark_wanted(session: AsyncSession, job_ids: Collection[str]) -> None:
    """Somebody outside of their search waits for these jobs."""
    if job_ids:
        here = (TrialRow.job_id.in_(job_ids), TrialRow.state == "running")
        await session.execute(update(TrialRow).where(*here).values(wanted=True))


async def count_states(session: AsyncSession, search_ids: Sequence[str]) -> dict[str, dict[TrialState, int]]:
    """How many trials of each search are in each state; states that no trial is in are missing."""
    statement = (
        select(TrialRow.search_id, TrialRow.state, func.count())
        .where(TrialRow.search_id.in_(search_ids))
        .group_by(TrialRow.search_id, TrialRow.state)
    )
    found = {(search_id, state): number for search_id, state, number in await session.execute(statement)}
    return {
        search_id: {state: found[search_id, state] for state in TRIAL_STATES if (search_id, state) in found}
        for search_id in search_ids
    }


@dataclass(frozen=True, slots=True)
class Counts:
    """How many trials of a search there are."""

    trials: int
    """So far."""
    distinct: int
    """Different recipes among them."""
    known: int
    """Those whose model was there before, or was being made already."""


async def count(session: AsyncSession, search_id: str) -> Counts:
    """How many trials a search has."""
    known = func.coalesce(func.sum(case((TrialRow.borrowed, 1), else_=0)), 0)
    numbers = select(func.count(), func.count(TrialRow.fingerprint.distinct()), known)
    return Counts(*(await session.execute(numbers.where(TrialRow.search_id == search_id))).one())


@dataclass(frozen=True, slots=True)
class Tried:
    """How much was tried in the searches that a model came out of, or was met in."""

    searches: int
    trials: int
    """All of them, repetitions included."""
    distinct: int
    """Different recipes among them."""


async def behind(session: AsyncSession, model_id: str) -> Tried:
    """How many trials stand behind a model: what its numbers must be judged against. All 0 for one not searched for."""
    searches = select(TrialRow.search_id).where(TrialRow.model_id == model_id)
    counts = select(
        func.count(TrialRow.search_id.distinct()), func.count(), func.count(TrialRow.fingerprint.distinct())
    )
    row = (await session.execute(counts.where(TrialRow.search_id.in_(searches)))).one()
    return Tried(*row)


async def _read(session: AsyncSession, *conditions: ColumnElement[bool]) -> tuple[Trial, ...]:
    statement = select(TrialRow).where(*conditions).order_by(TrialRow.search_id, TrialRow.number)
    rows = await session.scalars(statement.execution_options(populate_existing=True))
    return tuple(map(_trial, rows))


def _under_way(trial: Trial) -> tuple[ColumnElement[bool], ...]:
    return TrialRow.search_id == trial.search_id, TrialRow.number == trial.number, TrialRow.state == "running"


def _trial(row: TrialRow) -> Trial:
    return Trial(**{name: getattr(row, name) for name in _FIELDS} | {"folds": tuple(row.folds)})
