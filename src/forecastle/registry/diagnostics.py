"""What a model's out-of-sample predictions look like beyond their averages. Part of the manifest, and small."""

import msgspec

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Histogram(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many values lie between each edge and the next; the outermost bins hold what lies beyond them too."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


class Band(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows whose predictions are near each other: what was predicted and what happened, on average."""

    predicted: float
    observed: float
    """Mean of the truth; for a class, the share of rows that belong to it."""
    rows: int


class Residuals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Truth less prediction, over the test rows of all folds."""

    quantiles: tuple[float, ...]
    """At `QUANTILES`."""
    folds: tuple[tuple[float, ...], ...]
    """The same within each fold."""
    histogram: Histogram
    bands: tuple[Band, ...]
    """By prediction, from the lowest tenth to the highest."""
    scatter: tuple[tuple[float, float], ...]
    """Prediction and truth of some rows, drawn evenly."""


class Reliability(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether probabilities come true as often as they say, over the test rows of all folds."""

    of: str | None
    """The class whose probability it is; None means that of the class predicted."""
    bands: tuple[Band, ...]
    """By probability, in tenths; those without rows are left out."""


class Trace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last test rows of one series, side by side with what was predicted for them, in the order of time."""

    times: tuple[str, ...]
    predicted: tuple[float, ...]
    observed: tuple[float, ...]


class LearningPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The headline measure after learning from so many rows of the last window."""

    rows: int
    value: float
    """On the window's test rows."""


class Diagnostics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything of this kind. What does not apply to a model is left out."""

    residuals: Residuals | None = None
    reliability: Reliability | None = None
    trace: Trace | None = None
    learning: tuple[LearningPoint, ...] = ()
