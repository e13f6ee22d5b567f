"""Searches on the command line: their progress, and the leaderboard of their trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import pstdev
from typing import Any, Self

from rich.markup import escape
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.cli.console import emit_table, err, hint, plain
from forecastle.cli.trainings import score
from forecastle.errors import BadInput, clip
from forecastle.features.expressions import parse_entry
from forecastle.registry import models
from forecastle.registry.errors import ModelNotFound
from forecastle.registry.models import Model
from forecastle.training import searches, trials
from forecastle.training.searches import Standing
from forecastle.training.trials import Trial

SHOWN = 20
CELL = 44


@dataclass(frozen=True, slots=True)
class Hunt:
    """A search, how far it is, and its best trials with their models."""

    source: str
    """The file or the model that it comes from, or its id."""
    standing: Standing
    best: tuple[tuple[Trial, Model | None], ...] = ()

    @property
    def label(self) -> str:
        """Name and method."""
        return f"{self.standing.search.name} · {self.standing.search.method}"

    @property
    def ended(self) -> bool:
        """Whether every trial has ended."""
        return self.standing.search.status != "running"

    @property
    def is_whole(self) -> bool:
        """Whether it ended as it should, with no trial lost."""
        lost = self.standing.states.keys() & {"failed", "cancelled"}
        return not lost and self.standing.search.status in {"running", "completed"}

    @property
    def progress(self) -> tuple[float, str]:
        """The share of trials that have ended, and the best so far."""
        planned = self.standing.search.planned
        over = self.standing.counts.trials - self.standing.states.get("running", 0)
        best = self.standing.best
        found = f", best {self.standing.search.metric} {best.value:.5g}" if best and best.value is not None else ""
        return (1.0 if self.ended else over / planned), f"{over} of {planned} trials{found}"

    async def look(self, session: AsyncSession) -> Self:
        """The same as it stands now."""
        search = await searches.get(session, self.standing.search.id)
        return replace(self, standing=await searches.standing(session, search))

    async def with_best(self, session: AsyncSession, *, limit: int = SHOWN) -> Self:
        """The same with its best trials and their models."""
        search = self.standing.search
        ranked = await trials.ranked(session, search.id, search.metric, limit=limit)
        return replace(self, best=tuple([(trial, await _model(session, trial)) for trial in ranked]))

    @property
    def facts(self) -> dict[str, Any]:
        """What is printed of it as JSON."""
        search, counts = self.standing.search, self.standing.counts
        return {
            "recipe": self.source,
            "search_id": search.id,
            "name": search.name,
            "method": search.method,
            "metric": search.metric,
            "status": search.status,
            "planned": search.planned,
            **plain(counts),
            "states": self.standing.states,
            "outcome": search.outcome,
            "best": [{**plain(trial), "version": model.version if model else None} for trial, model in self.best],
        }


async def _model(session: AsyncSession, trial: Trial) -> Model | None:
    if not trial.has_model:
        return None
    try:
        return await models.get(session, str(trial.model_id))
    except ModelNotFound:  # it was removed since
        return None


def show(hunt: Hunt) -> None:
    """Print the leaderboard, how many trials there were, and what to do next."""
    search = hunt.standing.search
    fields = list(dict.fromkeys(field for trial, _ in hunt.best for field in trial.parameters))
    names = {field: field.removeprefix("hyperparameters.") for field in fields}
    emit_table(
        ["trial", "state", search.metric, "± over folds", "best naive forecast", "model", *names.values()],
        [_row(trial, model, fields) for trial, model in hunt.best],
    )
    for trial, _ in hunt.best:
        if trial.state == "failed":
            err.print(f"[red]✗[/] {escape(f'trial {trial.number}: {trial.reason}')}", highlight=False, soft_wrap=True)
    err.print(escape(_summary(hunt)), highlight=False, soft_wrap=True)
    if not hunt.ended:
        hint(f"forecastle searches show {search.id} --watch")
    elif hunt.standing.best:
        hint(f"forecastle models show {hunt.standing.best.model_id}    forecastle searches show {search.id}")


def _row(trial: Trial, model: Model | None, fields: Sequence[str]) -> list[object]:
    value = None if trial.value is None else f"{trial.value:.5g}"
    spread = f"{pstdev(trial.folds):.2g}" if len(trial.folds) > 1 else None
    _, _, naive, said = score(model)
    made = f"{model.name} v{model.version}" if model else None
    chosen = [brief(trial.parameters[field]) if field in trial.parameters else None for field in fields]
    return [trial.number, trial.state, value, spread, said and f"{naive}, {said}", made, *chosen]


def _summary(hunt: Hunt) -> str:
    """Such as `search 01…: 60 trials of 60 different recipes, 12 of them known before: 58 completed, 2 stopped`."""
    search, counts = hunt.standing.search, hunt.standing.counts
    states = ", ".join(f"{number} {state}" for state, number in hunt.standing.states.items())
    known = f", {counts.known:,} of them known before" if counts.known else ""
    text = f"search {search.id}: {counts.trials:,} trials of {counts.distinct:,} different recipes{known}: {states}"
    stage = (search.outcome or {}).get("stage")
    return f"{text}; the best is now in {stage}" if stage else text


def brief(value: object) -> str:
    """A parameter in one short line: names in place of expressions, `key=value` in place of tables."""
    if isinstance(value, Mapping):
        return clip(" ".join(f"{name}={brief(entry)}" for name, entry in value.items()), CELL)
    if isinstance(value, list | tuple):
        names = ", ".join(_name(entry) for entry in value)
        return names if len(names) <= CELL else f"{len(value)}: {clip(names, CELL)}"
    return f"{value:.6g}" if isinstance(value, float) else clip(value, CELL)


def _name(entry: object) -> str:
    try:
        return parse_entry(entry)[0] if isinstance(entry, str) else str(entry)
    except BadInput:
        return str(entry)
