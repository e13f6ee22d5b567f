"""What the trials of a search are judged by."""

from collections.abc import Iterable, Mapping

from forecastle.errors import clip
from forecastle.registry.manifest import Task
from forecastle.registry.measures import HEADLINES, SKILL, direction
from forecastle.registry.models import Model
from forecastle.training.errors import BadRecipe
from forecastle.training.search.space import path_of
from forecastle.types import Json
from forecastle.wording import suggest

METRICS: Mapping[Task, tuple[str, ...]] = {
    "regression": ("rmse", "mae", "mse", "r2", "rmse_target_units", SKILL),
    "classification": (
        *("log_loss", "accuracy", "precision", "recall", "f1", "roc_auc", "brier", "calibration_error"),
        SKILL,
    ),
}
METHOD_FIELDS = frozenset({"features", "algorithm", "hyperparameters", "calibration", "interval", "seed"})
"""Fields that decide how well something is predicted. Any other decides what is predicted, and for which rows."""


def choose(wanted: str | None, task: Task, varied: Iterable[str], *, field: str = "search.metric") -> str:
    """The metric that was asked for, or the headline of the task.

    Where trials differ in what they predict, the default is the skill, the one measure that compares across targets
    and windows.

    Raises:
        BadRecipe: models of this task are not measured by it.
    """
    if wanted is None:
        return HEADLINES[task] if METHOD_FIELDS.issuperset(path_of(field)[0] for field in varied) else SKILL
    if wanted not in METRICS[task]:
        expected = f"one of {', '.join(METRICS[task])} for a {task}{suggest(wanted, METRICS[task])}"
        raise BadRecipe.at(field, expected=expected, found=clip(wanted))
    return wanted


def more_is_better(metric: str) -> bool:
    """Whether the best trial has the highest value."""
    return direction(metric) == "desc"


def of_model(metric: str, model: Model) -> float | None:
    """The metric of a model; None where it is not defined."""
    return model.skill if metric == SKILL else model.metrics.get(metric)


def of_result(metric: str, result: Mapping[str, Json]) -> float | None:
    """The metric in what a training job keeps; None where it is not defined."""
    measured = result.get("metrics")
    value = result.get(SKILL) if metric == SKILL else isinstance(measured, Mapping) and measured.get(metric)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
