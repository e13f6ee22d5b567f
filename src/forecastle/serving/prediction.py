"""What comes back for a row, and what is kept of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelName:
    """One version of a model."""

    id: str
    name: str
    version: int


@dataclass(frozen=True, slots=True)
class TargetValue:
    """The prediction in the target's own units: a price, say, where the model predicts a return."""

    column: str
    """The target's expression."""
    value: float


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where something lies."""

    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class PredictionInterval:
    """Where the truth lies in a share `coverage` of cases, if it is as far off as it was out of sample in training."""

    coverage: float
    lower: float
    upper: float
    target: Bounds | None = None
    """The same in the target's own units; None where its present value is not known."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """Why an earlier version answered."""

    preferred: ModelName
    """The version that should have."""
    reason: str


@dataclass(slots=True, kw_only=True)  # not frozen, which would make it five times as slow to make
class Prediction:
    """One prediction. When it is returned, its record is committed."""

    id: str
    prediction: float | str
    """A number, or the label of the likeliest class."""
    confidence: float | None
    """Of a class, its probability; None for a regression, which says nothing of its certainty."""
    probabilities: Mapping[str, float] | None
    """By class; None for a regression."""
    model: ModelName
    model_version: int
    cached: bool
    """Whether the same model version was asked the same before, so that it was not run again."""
    latency_ms: float
    """From the question to the answer, its commit not included; the rows of a batch share it."""
    created_at: datetime
    target: TargetValue | None = None
    """None for classes, and where the target's present value is not known."""
    interval: PredictionInterval | None = None
    """Of a regression that was trained to give one."""
    features: Mapping[str, Any] | None = None
    """The features as they were computed, when a key and a time were given."""
    as_of: datetime | None = None
    """Time of the newest row of the dataset that they were computed from, when a key and a time were given."""
    fallback: Fallback | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Feedback:
    """What really happened after a prediction."""

    prediction_id: str
    actual_value: float | str
    score: float | None
    created_at: datetime


@dataclass(slots=True, kw_only=True)
class StoredPrediction(Prediction):
    """A prediction out of the history."""

    input: Mapping[str, Any]
    """`features` as sent; with a key and a time also `key`, `time` and `given`, and `features` as computed."""
    request_id: str | None
    feedback: Feedback | None = None
    """What its owner last said really happened."""
