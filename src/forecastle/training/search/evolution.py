"""Evolution: a model has children with ever fewer features, each chosen by what mattered to the one before.

A generation drops the features that do not matter at all; where there are none, the lowest quarter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from forecastle.features.expressions import parse_entry
from forecastle.registry.describe import PREFERENCE, Ranking
from forecastle.registry.manifest import Manifest
from forecastle.registry.models import Stage
from forecastle.training.fields import Part
from forecastle.training.offspring import recipe_of
from forecastle.training.recipe import Recipe
from forecastle.training.search.judging import more_is_better
from forecastle.training.trials import Trial


class Rules(Part):
    """How far an evolution goes, and what its best model must do to be promoted."""

    generations: Annotated[int, Field(strict=True, ge=1, le=20)] = 4
    """How many at most."""
    keep: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 5
    """So many features are left at least."""
    drop: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.25
    """The share of features that goes when all of them matter."""
    metric: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """What the best is chosen by; by default the headline of the task."""
    least_improvement: Annotated[float, Field(ge=0, le=1_000)] = 0.0
    """How much better than the original, as a share of the original's value, it must be to be promoted."""
    stage: Stage | None = None
    """Where it is promoted to; None leaves every model where it is."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """The best of an evolution beside the original."""

    best: Trial
    improvement: float
    """As a share of the original's value; negative if it is worse."""
    earned: bool
    """Whether it is a child, and better by enough."""


def survivors(ranking: Ranking, rules: Rules) -> tuple[str, ...] | None:
    """The names of the features that the next generation keeps; None if there is nothing more to drop."""
    if ranking.method is None:
        return None
    size = PREFERENCE[ranking.method]
    names = tuple(each.feature for each in ranking.features)
    mattering = sum(size(each.importance) > 0 for each in ranking.features)
    left = mattering if mattering < len(names) else len(names) - max(1, int(len(names) * rules.drop))
    kept = max(left, rules.keep)
    return names[:kept] if kept < len(names) else None


def child_of(manifest: Manifest, features: Sequence[str]) -> Recipe:
    """The recipe of a model's child that keeps these features, in the order of the parent's."""
    parent = recipe_of(manifest)
    kept = tuple(entry for entry in parent.features if parse_entry(entry)[0] in features)
    return parent.model_copy(update={"features": kept, "parent": manifest.id})


def promotion(trials: Sequence[Trial], rules: Rules, metric: str) -> Promotion | None:
    """What became of the original, which is the first trial; None if it has no value to be compared with."""
    sign = 1 if more_is_better(metric) else -1
    values = [(sign * trial.value, trial) for trial in trials if trial.has_model and trial.value is not None]
    if not values or values[0][1].number != 0:
        return None
    original = values[0][0]
    highest, best = max(values, key=lambda each: each[0])
    improvement = (highest - original) / (abs(original) or 1.0)
    return Promotion(best, improvement, earned=best.number > 0 and improvement >= rules.least_improvement)
