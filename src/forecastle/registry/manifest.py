"""The manifest: everything about a model that is not its graph. It travels with the artifact as JSON."""

from datetime import datetime
from typing import Any, Literal

import msgspec

Task = Literal["regression", "classification"]


class FeatureColumn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input of the model.

    `name` is what a caller uses, `expression` how it is computed from the dataset. A category's values are sent as
    text; `categories` are those seen in the training window, in the order of their codes 0, 1, … A value that was not
    seen, or is missing, has the code -1.
    """

    name: str
    expression: str
    kind: Literal["number", "category"] = "number"
    categories: tuple[str, ...] = ()


class TargetFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model predicts: `transform` of `expression`, `horizon` rows ahead."""

    expression: str
    transform: str
    horizon: int


class Fold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One train/test window and what was measured there. Bounds are times, or row numbers without a time column."""

    train_rows: int
    test_rows: int
    dropped_rows: int
    train_start: str
    train_end: str
    test_start: str
    test_end: str
    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]
    confusion: tuple[tuple[int, ...], ...] = ()
    """Test rows by true class (outer) and predicted class (inner), in the order of the classes."""


class Parity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The proof that the graph equals the trainer: |graph - trainer| <= atol + rtol * |trainer| on `rows` rows."""

    rows: int
    max_abs_difference: float
    atol: float
    rtol: float


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model's description. Metrics are averages over the folds, all out of sample."""

    format: int = 1
    id: str
    name: str
    fingerprint: str
    task: Task
    algorithm: str
    recipe: dict[str, Any]
    dataset: str
    dataset_sha256: str
    features: tuple[FeatureColumn, ...]
    feature_version: int
    """Version of the feature code; part of the fingerprint."""
    feature_states: dict[str, dict[str, float]]
    """What fitted features learned in the training window, by expression."""
    target: TargetFacts
    classes: tuple[str, ...] = ()
    """Class labels in the order of the graph's probabilities; empty for regression."""
    missing: Literal["drop", "median"] = "drop"
    """`drop`: a missing number is refused at prediction; `median`: the graph fills it in."""
    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]
    """Metrics of each naive forecast on the same test rows, by its name."""
    folds: tuple[Fold, ...]
    importances: dict[str, dict[str, float]]
    """By method (permutation, tree, coefficient), then by feature name."""
    parity: Parity
    trained_rows: int
    trained_until: str | None = None
    """Time of the last row fitted on; None without a time column."""
    fit_seconds: float
    parent: str | None = None
    created_at: datetime
    software: dict[str, str]
    """Versions of the libraries that made it."""


def encode(manifest: Manifest) -> bytes:
    """The manifest as JSON."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2)


def decode(data: bytes) -> Manifest:
    """The manifest from its JSON.

    Raises:
        msgspec.ValidationError: it is not a manifest.
    """
    return msgspec.json.decode(data, type=Manifest)
