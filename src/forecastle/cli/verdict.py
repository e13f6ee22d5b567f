"""Whether a model beats the naive forecasts, and by which measure that is judged."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from forecastle.registry.manifest import Task
from forecastle.registry.models import Model

MEASURES: Mapping[Task, str] = {"classification": "log_loss", "regression": "rmse"}
"""What is judged by. Less is better."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A model beside the best naive forecast, out of sample."""

    measure: str
    value: float
    baseline: float
    baseline_name: str

    @property
    def beats_it(self) -> bool:
        """Whether the model is better than the best naive forecast; a tie is none."""
        return self.value < self.baseline

    def __str__(self) -> str:
        return "beats it" if self.beats_it else "does not beat it"

    def as_json(self) -> dict[str, Any]:
        """The same for machines."""
        return {**asdict(self), "beats_it": self.beats_it}


def judge(model: Model) -> Verdict | None:
    """The verdict on a model; None where it or every baseline lacks the measure."""
    measure = MEASURES[model.task]
    naive = {name: measured[measure] for name, measured in model.baselines.items() if measure in measured}
    if measure not in model.metrics or not naive:
        return None
    best = min(naive, key=naive.__getitem__)
    return Verdict(measure, model.metrics[measure], naive[best], best)
