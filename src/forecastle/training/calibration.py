"""Calibration: a map from a model's probabilities to ones that come true as often as they say.

It is learned on rows that the model has not seen, keeps the order of the probabilities, and becomes part of the graph.
The optimisers are imported where they are used: a worker that calibrates nothing need not carry them.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from forecastle.training.arrays import Floats, Integers
from forecastle.training.errors import TrainingFailed
from forecastle.training.fields import CalibrationKind
from forecastle.training.graphs import GraphBuilder

EASE = 1e-3
"""Probabilities are drawn in by this before their logarithm is taken, for votes and averages may say 0."""
COLDEST, HOTTEST = 0.05, 20.0
BIN = 1e-3
"""Probabilities of one such bin are taken together before an isotonic fit, lest it has steps too steep to compute."""
GROUP = 20
"""And about so many rows, lest it learns from single ones."""


class Calibrator(Protocol):
    """A fitted map of probabilities [N, K] onto probabilities [N, K]."""

    @property
    def steepness(self) -> float:
        """By what factor it may enlarge an error of the model's rounding."""
        ...

    @property
    def learned(self) -> dict[str, float]:
        """What it learned, by name."""
        ...

    def apply(self, probabilities: Floats) -> Floats:
        """The calibrated probabilities."""
        ...

    def emit(self, graph: GraphBuilder, probabilities: str) -> str:
        """Add the same to a graph; returns the name of its result."""
        ...


@dataclass(frozen=True, slots=True)
class Platt:
    """For two classes: `slope` x log-odds + `intercept` are the new log-odds (Platt, 1999)."""

    slope: float
    intercept: float

    @property
    def steepness(self) -> float:
        """That of the log-odds."""
        return max(1.0, self.slope)

    @property
    def learned(self) -> dict[str, float]:
        """1 and 0 change nothing."""
        return {"slope": self.slope, "intercept": self.intercept}

    def apply(self, probabilities: Floats) -> Floats:
        """The calibrated probabilities."""
        second = _sigmoid(self.slope * _log_odds(probabilities) + self.intercept)
        return np.column_stack([1.0 - second, second])

    def emit(self, graph: GraphBuilder, probabilities: str) -> str:
        """Add the same to a graph."""
        eased = _emit_eased(graph, probabilities, classes=2)
        first, second = (graph.add("Log", graph.columns(eased, [place])) for place in (0, 1))
        odds = graph.add("Sub", second, first)
        scaled = graph.add("Mul", odds, graph.constant(self.slope))
        return graph.two_classes(graph.add("Add", scaled, graph.constant(self.intercept)))


@dataclass(frozen=True, slots=True)
class Temperature:
    """For more classes: the softmax of the logarithms over a temperature (Guo et al., 2017); hot is less certain."""

    temperature: float
    classes: int

    @property
    def steepness(self) -> float:
        """That of the logarithms."""
        return max(1.0, 1.0 / self.temperature)

    @property
    def learned(self) -> dict[str, float]:
        """1 changes nothing."""
        return {"temperature": self.temperature}

    def apply(self, probabilities: Floats) -> Floats:
        """The calibrated probabilities."""
        return _softmax(np.log(_eased(probabilities)) / self.temperature)

    def emit(self, graph: GraphBuilder, probabilities: str) -> str:
        """Add the same to a graph."""
        logarithms = graph.add("Log", _emit_eased(graph, probabilities, classes=self.classes))
        return graph.add("Softmax", graph.add("Div", logarithms, graph.constant(self.temperature)), axis=1)


@dataclass(frozen=True, slots=True)
class Isotonic:
    """For two classes: straight lines between the middles of the steps that fit best (Oron & Flournoy, 2017).

    Unlike the steps themselves this is continuous, so that rounding moves no prediction over an edge.
    """

    knots: Floats
    """Probabilities of the second class, ascending."""
    values: Floats
    """What they become, ascending."""

    @property
    def steepness(self) -> float:
        """Of the steepest line."""
        return float(max(1.0, self._slopes.max(initial=1.0)))

    @property
    def learned(self) -> dict[str, float]:
        """Its size and reach."""
        return {"knots": float(len(self.knots)), "least": float(self.values[0]), "most": float(self.values[-1])}

    @property
    def _slopes(self) -> Floats:
        return np.diff(self.values) / np.diff(self.knots)

    def apply(self, probabilities: Floats) -> Floats:
        """The calibrated probabilities; beyond the knots those of the outermost."""
        second = np.interp(probabilities[:, 1], self.knots, self.values)
        return np.column_stack([1.0 - second, second])

    def emit(self, graph: GraphBuilder, probabilities: str) -> str:
        """Add the same to a graph, as a sum of ramps, one for each change of slope."""
        second = graph.columns(probabilities, [1])
        inside = graph.add("Clip", second, graph.constant(self.knots[0]), graph.constant(self.knots[-1]))
        starts = self.knots[: max(1, len(self.knots) - 1)]
        turns = np.diff(self._slopes, prepend=0.0) if len(self.knots) > 1 else np.zeros(1)
        beyond = graph.add("Max", graph.add("Sub", inside, graph.constant(starts[None, :])), graph.constant(0.0))
        rise = graph.add("MatMul", beyond, graph.constant(turns[:, None]))
        return graph.complement(graph.add("Add", rise, graph.constant(self.values[0])))


def fit(kind: CalibrationKind, probabilities: Floats, codes: Integers, *, classes: int) -> Calibrator:
    """Learn from predictions [N, K] for rows that the model has not seen, and their class codes [N].

    Args:
        kind: `sigmoid` has one number to learn, or two for two classes; `isotonic` needs two classes and many rows.
        probabilities: of the K classes that the model knows.
        codes: 0 to K - 1.
        classes: number of all classes of the recipe.

    Raises:
        TrainingFailed: the rows belong to one class.
    """
    if len(np.unique(codes)) < 2:
        raise TrainingFailed(f"calibration: the {len(codes):,} rows held out of a window for it belong to one class")
    if classes > 2:
        return _fit_temperature(probabilities, codes)
    return _fit_platt(probabilities, codes) if kind == "sigmoid" else _fit_isotonic(probabilities[:, 1], codes)


def _fit_platt(probabilities: Floats, codes: Integers) -> Platt:
    """Least log loss against Platt's targets, which keep a small sample from being certain; the order is kept."""
    from scipy.optimize import minimize  # noqa: PLC0415

    odds = _log_odds(probabilities)
    positives = int(codes.sum())
    targets = np.where(codes == 1, (positives + 1) / (positives + 2), 1 / (len(codes) - positives + 2))

    def loss(line: Floats) -> tuple[float, Floats]:
        score = line[0] * odds + line[1]
        error = _sigmoid(score) - targets
        value = np.mean(np.logaddexp(0.0, score) - targets * score)
        return float(value), np.array([np.mean(error * odds), np.mean(error)])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0.0, None), (None, None)])
    return Platt(float(found.x[0]), float(found.x[1]))


def _fit_temperature(probabilities: Floats, codes: Integers) -> Temperature:
    from scipy.optimize import minimize_scalar  # noqa: PLC0415

    logarithms = np.log(_eased(probabilities))

    def loss(log_temperature: float) -> float:
        calibrated = _softmax(logarithms / np.exp(log_temperature))
        return -float(np.mean(np.log(calibrated[np.arange(len(codes)), codes])))

    found = minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return Temperature(float(np.exp(found.x)), probabilities.shape[1])


def _fit_isotonic(second: Floats, codes: Integers) -> Isotonic:
    """Steps over groups of rows, each of which has one more row of the average share: few rows are not sure of it."""
    from sklearn.isotonic import isotonic_regression  # noqa: PLC0415

    _, place, counts = np.unique(np.floor(second / BIN), return_inverse=True, return_counts=True)
    group = np.unique((np.cumsum(counts) - counts) // GROUP, return_inverse=True)[1][place]
    rows = np.bincount(group)
    shares = (np.bincount(group, codes) + codes.mean()) / (rows + 1)
    fitted = isotonic_regression(shares, sample_weight=rows + 1.0)
    values, step = np.unique(fitted, return_inverse=True)
    knots = np.bincount(step[group], second) / np.bincount(step[group])
    return Isotonic(knots, values)


def _eased(probabilities: Floats) -> Floats:
    return np.asarray(probabilities * (1 - probabilities.shape[1] * EASE) + EASE)


def _emit_eased(graph: GraphBuilder, probabilities: str, *, classes: int) -> str:
    return graph.add("Add", graph.add("Mul", probabilities, graph.constant(1 - classes * EASE)), graph.constant(EASE))


def _log_odds(probabilities: Floats) -> Floats:
    logarithms = np.log(_eased(probabilities))
    return np.asarray(logarithms[:, 1] - logarithms[:, 0])


def _sigmoid(score: Floats) -> Floats:
    return np.exp(-np.logaddexp(0.0, -score))


def _softmax(score: Floats) -> Floats:
    growth = np.exp(score - score.max(axis=1, keepdims=True))
    return np.asarray(growth / growth.sum(axis=1, keepdims=True))
