"""Fitting once: preprocessing and algorithm on the rows of one window."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, cast

import numpy as np

from forecastle.training import calibration
from forecastle.training.algorithms import catalogue
from forecastle.training.algorithms.fitted import Booster, Fitted, Options
from forecastle.training.arrays import Floats, Integers
from forecastle.training.calibration import Calibrator
from forecastle.training.errors import TrainingFailed
from forecastle.training.fields import CalibrationKind
from forecastle.training.graphs import INPUT, GraphBuilder
from forecastle.training.preprocess import Categories, Preprocessor, fit
from forecastle.training.pruning import prune


@dataclass(frozen=True, slots=True)
class Method:
    """How each window is learned from."""

    algorithm: str
    options: Options
    order: Sequence[int]
    """Positions of the features in the order the algorithm sees them, which does not depend on the declared one."""
    names: Sequence[str]
    """Of the features, by position."""
    fills_missing: bool
    classes: int
    """Number of classes; 0 for a regression."""
    calibration: CalibrationKind | None = None
    prune: float | None = None
    """Features whose univariate F-test has no smaller p are left out."""

    @property
    def stops_early(self) -> bool:
        """Whether the number of rounds is still to be found."""
        return self.options.hyperparameters.get("early_stopping") is not None

    def with_rounds(self, rounds: int) -> "Method":
        """The same with the number of rounds settled."""
        settled = {**self.options.hyperparameters, "n_estimators": rounds, "early_stopping": None}
        return replace(self, options=replace(self.options, hyperparameters=settled))


@dataclass(frozen=True, slots=True)
class Learned:
    """A fitted model on the input matrix [N, F]."""

    preprocessor: Preprocessor
    fitted: Fitted
    seen: Integers
    """Codes of the classes that the training rows held, ascending."""
    classes: int
    """Number of all classes; 0 for a regression."""
    level: float = 0.0
    scale: float = 1.0
    """Of a regression: mean and deviation of the target, which algorithms see brought to 0 and 1."""
    calibrator: Calibrator | None = None

    @property
    def atol(self) -> float:
        """How far, in absolute terms, rounding alone may take the graph from `predict`."""
        return self.fitted.atol * (self.calibrator.steepness if self.calibrator else self.scale)

    @property
    def uncalibrated(self) -> "Learned":
        """The same as it was before calibration."""
        return replace(self, calibrator=None)

    def predict(self, matrix: Floats) -> Floats:
        """Predictions [N], or probabilities [N, K]: 0 for a class that was not seen."""
        predicted = self.fitted.predict(self.preprocessor.transform(matrix))
        if not self.classes:
            return predicted * self.scale + self.level
        probabilities = np.zeros((len(matrix), self.classes))
        probabilities[:, self.seen] = self.calibrator.apply(predicted) if self.calibrator else predicted
        return probabilities

    def emit(self, graph: GraphBuilder) -> str:
        """Add the same to a graph, from its input on; returns the name of the result."""
        predicted = self.fitted.emit(graph, self.preprocessor.emit(graph, INPUT))
        if not self.classes:
            scaled = graph.add("Mul", predicted, graph.constant(self.scale))
            return graph.add("Add", scaled, graph.constant(self.level))
        if self.calibrator:
            predicted = self.calibrator.emit(graph, predicted)
        return self._emit_unseen(graph, predicted) if len(self.seen) < self.classes else predicted

    def _emit_unseen(self, graph: GraphBuilder, probabilities: str) -> str:
        first = graph.columns(probabilities, [0])
        padded = graph.add("Concat", probabilities, graph.add("Sub", first, first), axis=1)
        places = np.full(self.classes, len(self.seen))
        places[self.seen] = np.arange(len(self.seen))
        return graph.columns(padded, places)


def learn(method: Method, matrix: Floats, target: Floats, categories: Sequence[Categories | None]) -> Learned:
    """Fit on the input matrix [N, F], encoded with `categories`, and the values or class codes [N] of a window.

    Raises:
        TrainingFailed: the rows hold one class only, or nothing to learn from.
    """
    begun = _begin(method, matrix, target, categories)
    columns = begun.preprocessor.transform(matrix)
    fitted = _module(method).fit(columns, begun.answers(target), method.options)
    return Learned(begun.preprocessor, fitted, begun.seen, method.classes, begun.level, begun.scale)


def best_rounds(
    method: Method,
    matrix: Floats,
    target: Floats,
    held_matrix: Floats,
    held_target: Floats,
    categories: Sequence[Categories | None],
) -> int:
    """The number of rounds after which the loss on held-out rows was least; a class among them only is left out.

    Raises:
        TrainingFailed: as `learn`; or none of the held-out rows has a class that was seen.
    """
    begun = _begin(method, matrix, target, categories)
    usable = np.isin(held_target, begun.seen) if method.classes else np.ones(len(held_target), dtype=bool)
    if not usable.any():
        raise TrainingFailed("early_stopping: no class of the inner validation stretch occurs before it")
    columns, held = map(begun.preprocessor.transform, (matrix, held_matrix[usable]))
    booster = cast("Booster", _module(method))
    return booster.best_rounds(columns, begun.answers(target), held, begun.answers(held_target[usable]), method.options)


def calibrate(kind: CalibrationKind, learned: Learned, matrix: Floats, codes: Integers) -> Calibrator:
    """Learn how to calibrate a model from rows [N, F] that it has not seen, and their class codes [N].

    Raises:
        TrainingFailed: the rows hold one class only, of those that the model has seen.
    """
    usable = np.isin(codes, learned.seen)
    probabilities = learned.uncalibrated.predict(matrix[usable])[:, learned.seen]
    places = np.searchsorted(learned.seen, codes[usable])
    return calibration.fit(kind, probabilities, places, classes=learned.classes)


@dataclass(frozen=True, slots=True)
class _Begun:
    preprocessor: Preprocessor
    seen: Integers
    level: float
    scale: float

    def answers(self, target: Floats) -> Floats:
        """Values brought to mean 0 and deviation 1; classes by their place among those seen."""
        if len(self.seen):
            return np.searchsorted(self.seen, target).astype(np.float64)
        return (target - self.level) / self.scale


def _begin(method: Method, matrix: Floats, target: Floats, categories: Sequence[Categories | None]) -> _Begun:
    seen = np.unique(target).astype(np.int64) if method.classes else np.empty(0, dtype=np.int64)
    if method.classes and len(seen) < 2:
        raise TrainingFailed(f"all {len(target):,} training rows of a window belong to one class")
    standardises = catalogue.find(method.algorithm).standardises
    preprocessor = fit(
        matrix,
        categories,
        names=method.names,
        order=_order(method, matrix, target, categories),
        fill_missing=method.fills_missing,
        standardise=standardises,
    )
    level, scale = (0.0, 1.0) if method.classes else _moments(target)
    return _Begun(preprocessor, seen, level, scale)


def _order(method: Method, matrix: Floats, target: Floats, categories: Sequence[Categories | None]) -> Sequence[int]:
    if method.prune is None:
        return method.order
    classes = bool(method.classes)
    return prune(matrix, target, categories, order=method.order, threshold=method.prune, classes=classes)


def _moments(target: Floats) -> tuple[float, float]:
    with np.errstate(over="ignore", invalid="ignore"):
        level, scale = float(target.mean()), float(target.std())
    if not (np.isfinite(level) and np.isfinite(scale)):
        largest = float(np.abs(target).max())
        raise TrainingFailed(
            f"values of the target ({largest:g}) are too large to standardise; divide them or take their log"
        )
    return (level, scale) if scale > 0 and target.min() < target.max() else (level, 1.0)


def _module(method: Method) -> Any:
    return import_module(catalogue.find(method.algorithm).module)
