"""Whether one model's lead over another, on the same test windows, is more than the windows' spread."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, variance

from forecastle.registry.manifest import Manifest
from forecastle.registry.measures import direction

MIN_WINDOWS = 3
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Edge:
    """How far a model is ahead of another, or of a naive forecast, over the windows on which both were tested."""

    mean: float
    """Of the difference over the windows, in the measure's own unit; above 0 where it is better."""
    margin: float | None
    """What the mean would have to exceed to be more than the windows' spread; None for fewer than three windows."""
    windows: int
    won: int
    """Windows in which it was better."""
    clear: bool | None
    """Whether the difference is more than the windows' spread; None if there are too few windows to say."""

    def __str__(self) -> str:
        won = f"better in {self.won} of {self.windows} windows"
        if self.clear is None:
            return f"{won}: too few to say more"
        ahead = "clearly ahead" if self.mean > 0 else "clearly behind"
        return f"{won}, {ahead if self.clear else 'within their spread'}"


def lead(best: Manifest, other: Manifest, measure: str) -> Edge | None:
    """How far `best` is ahead of `other`, tested on the same windows, by a measure; None if some window lacks it."""
    pairs = zip(best.folds, other.folds, strict=True)
    return _edge(best, measure, [(mine.metrics.get(measure), theirs.metrics.get(measure)) for mine, theirs in pairs])


def lead_over_naive(manifest: Manifest, measure: str, baseline: str) -> Edge | None:
    """How far a model is ahead of one of its naive forecasts; None if some window lacks the measure."""
    naive = [fold.baselines.get(baseline, {}).get(measure) for fold in manifest.folds]
    own = [fold.metrics.get(measure) for fold in manifest.folds]
    return _edge(manifest, measure, list(zip(own, naive, strict=True)))


def _edge(manifest: Manifest, measure: str, pairs: Sequence[tuple[float | None, float | None]]) -> Edge | None:
    sign = 1.0 if direction(measure) == "desc" else -1.0
    differences = [sign * (mine - theirs) for mine, theirs in pairs if mine is not None and theirs is not None]
    if len(differences) < len(pairs) or not differences:
        return None
    mean = fmean(differences)
    margin = _margin(differences, fmean(fold.test_rows / fold.train_rows for fold in manifest.folds))
    won = sum(difference > 0 for difference in differences)
    return Edge(mean, margin, len(differences), won, None if margin is None else abs(mean) > margin)


def _margin(differences: list[float], share: float) -> float | None:
    """At 95 %, two-sided, by the corrected resampled t-test, which allows for windows that share training rows.

    Nadeau and Bengio, Inference for the Generalization Error, Machine Learning 52, 2003, eq. 8; `share` is test rows
    per training row.
    """
    windows = len(differences)
    if windows < MIN_WINDOWS:
        return None
    return student((1 + CONFIDENCE) / 2, windows - 1) * math.sqrt(variance(differences) * (1 / windows + share))


def student(probability: float, freedom: int) -> float:
    """The quantile of Student's t distribution, within 4 % for 2 degrees of freedom and 1 % for more.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    z = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, start=1))
