"""The manifest: everything about a model that is not its graph. It travels with the artifact as JSON."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from forecastle.registry.diagnostics import Diagnostics

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
    whole_up_to: float | None = None
    """Only whole numbers up to this size are taken; None takes any finite number."""


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
    rounds: int | None = None
    """Boosting rounds, if their number was found by stopping early."""
    embargoed_rows: int = 0
    """Left out because they follow the test stretch too closely; `dropped_rows` because of their label."""
    outside_rows: int = 0
    """Left out, of both stretches, because the recipe's `where` is not true for them."""
    warm_up_rows: int = 0
    """Left out, of both stretches and before the first, for want of the history that some feature needs."""


class Parity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The proof that the graph equals the trainer: |graph - trainer| <= atol + rtol * |trainer| on `rows` rows."""

    rows: int
    max_abs_difference: float
    atol: float
    rtol: float


class Interval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to add to a prediction for the interval that covers a share of outcomes, from `rows` out-of-sample rows."""

    coverage: float
    """The share asked for."""
    lower: float
    upper: float
    rows: int
    measured_coverage: float | None = None
    """The share of rows inside the interval made of what was known before their window; None if that was too little."""
    measured_rows: int = 0
    """How many rows that were: those of the first window have nothing before them."""


class Regime(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model was confined to: rows for which `expression` is true; `states` are what that learned."""

    expression: str
    states: dict[str, dict[str, float]]
    outside_rows: int
    """Usable rows for which it is not true."""


class Leakage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether it is proved that nothing in the training looked ahead.

    What was changed after `cuts` changed nothing in `rows` rows of `features` features before them, nor what was
    learned and predicted there.
    """

    status: Literal["proven", "not checked"] = "not checked"
    cuts: int = 0
    rows: int = 0
    features: int = 0


class UploadFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is known of a model that was made elsewhere."""

    description: str = ""
    file_sha256: str
    """Of the file as it was sent; the graph that is served holds its nodes between our own input and output."""
    file_bytes: int
    dtypes: tuple[str, ...]
    """What the graph takes for each feature; one alone is that of all."""
    opsets: dict[str, int]
    """Version of each operator set, by domain."""
    ir_version: int
    producer: str = ""
    """The tool that wrote the file, as it says itself."""
    operators: dict[str, int]
    """How often each stands in the graph."""
    sample_rows: int
    """Rows that it was tried on."""
    largest_difference: float | None = None
    """From the answers that were expected for those rows; None if none were given."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model's description. Metrics are averages over the folds, all out of sample.

    Of an uploaded model nothing is known of its training: recipe, metrics, folds and importances are empty, the dataset
    has no name, and there is no parity.
    """

    format: int = 1
    id: str
    name: str
    origin: Literal["trained", "uploaded"] = "trained"
    upload: UploadFacts | None = None
    """Of an uploaded model."""
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
    parity: Parity | None
    """None of an uploaded model, whose trainer is not known."""
    leakage: Leakage = Leakage()
    regime: Regime | None = None
    pruned: tuple[str, ...] = ()
    """Features that say too little of the target by themselves, and that the model does not look at."""
    rounds: int | None = None
    """Boosting rounds, if their number was found by stopping early."""
    calibration: dict[str, float] | None = None
    """What the calibration of its probabilities learned, by name; it is part of the graph."""
    interval: Interval | None = None
    """Of a regression whose recipe asks for it."""
    diagnostics: Diagnostics = Diagnostics()
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
