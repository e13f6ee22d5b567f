"""What a measure says: whether more or less of it is better, and how far a model is ahead of the naive forecasts."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from forecastle.registry.manifest import Task

Direction = Literal["asc", "desc"]

HIGHER_IS_BETTER = frozenset({"accuracy", "f1", "precision", "r2", "recall", "roc_auc", "skill"})
"""Of every other measure less is better: they are errors and losses."""

UNCALIBRATED = "_uncalibrated"
"""End of the name of a measure as it was before probabilities were calibrated."""

HEADLINES: Mapping[Task, str] = {"classification": "log_loss", "regression": "rmse"}
"""The measure that a model of a task is judged by; of both, less is better."""

SKILL = "skill"

NOTHING = 1e-6
"""A share of the naive loss that is no lead: what is left where rounding alone tells a model from a constant."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A model beside the best naive forecast of the same test rows, by the headline measure of its task."""

    measure: str
    value: float
    baseline: float
    baseline_name: str

    @property
    def beats_it(self) -> bool:
        """Whether the model is better than the best naive forecast; a tie to six digits is none."""
        return self.value < self.baseline * (1.0 - NOTHING)

    @property
    def skill(self) -> float | None:
        """1 - model's loss / naive loss: 1 is perfect, 0 no better, below 0 worse; None if the naive one is perfect."""
        if self.baseline <= 0:
            return None
        skill = 1.0 - self.value / self.baseline
        return skill if math.isfinite(skill) else None

    def __str__(self) -> str:
        return "beats it" if self.beats_it else "does not beat it"

    def as_json(self) -> dict[str, Any]:
        """The same for machines."""
        return {**asdict(self), "beats_it": self.beats_it}


def direction(measure: str) -> Direction:
    """In which direction the best comes first."""
    return "desc" if measure.removesuffix(UNCALIBRATED) in HIGHER_IS_BETTER else "asc"


def verdict(task: Task, metrics: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]]) -> Verdict | None:
    """The headline measure beside the best naive forecast's; None where one of them is missing."""
    measure = HEADLINES[task]
    naive = {name: measured[measure] for name, measured in baselines.items() if measure in measured}
    if measure not in metrics or not naive:
        return None
    best = min(naive, key=naive.__getitem__)
    return Verdict(measure, metrics[measure], naive[best], best)


def skill(task: Task, metrics: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]]) -> float | None:
    """`Verdict.skill`, where there is a verdict. The one measure that compares across tasks and datasets."""
    found = verdict(task, metrics, baselines)
    return found.skill if found else None
