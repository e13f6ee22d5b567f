"""Fitting once: preprocessing and algorithm on the rows of one window."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

import numpy as np

from forecastle.training.algorithms import catalogue
from forecastle.training.algorithms.fitted import Fitted, Options
from forecastle.training.arrays import Floats, Integers
from forecastle.training.errors import TrainingFailed
from forecastle.training.preprocess import Categories, Preprocessor, fit


@dataclass(frozen=True, slots=True)
class Method:
    """How each window is learned from."""

    algorithm: str
    options: Options
    order: Sequence[int]
    """Positions of the features in the order the algorithm sees them, which does not depend on the declared one."""
    fills_missing: bool
    classes: int
    """Number of classes; 0 for a regression."""


@dataclass(frozen=True, slots=True)
class Learned:
    """A fitted model on the input matrix [N, F]."""

    preprocessor: Preprocessor
    fitted: Fitted
    seen: Integers
    """Codes of the classes that the training rows held, ascending."""
    classes: int
    """Number of all classes; 0 for a regression."""

    def predict(self, matrix: Floats) -> Floats:
        """Predictions [N], or probabilities [N, K]: 0 for a class that was not seen."""
        predicted = self.fitted.predict(self.preprocessor.transform(matrix))
        if not self.classes:
            return predicted
        probabilities = np.zeros((len(matrix), self.classes))
        probabilities[:, self.seen] = predicted
        return probabilities


def learn(method: Method, matrix: Floats, target: Floats, categories: Sequence[Categories | None]) -> Learned:
    """Fit on the input matrix [N, F], encoded with `categories`, and the values or class codes [N] of a window.

    Raises:
        TrainingFailed: the rows hold one class only, or nothing to learn from.
    """
    entry = catalogue.find(method.algorithm)
    preprocessor = fit(
        matrix,
        categories,
        order=method.order,
        fill_missing=method.fills_missing,
        standardise=entry.standardises,
    )
    seen = np.unique(target).astype(np.int64) if method.classes else np.empty(0, dtype=np.int64)
    if method.classes and len(seen) < 2:
        raise TrainingFailed(f"all {len(target):,} training rows of a window belong to one class")
    answers = np.searchsorted(seen, target).astype(np.float64) if method.classes else target
    fitted = import_module(entry.module).fit(preprocessor.transform(matrix), answers, method.options)
    return Learned(preprocessor, fitted, seen, method.classes)
