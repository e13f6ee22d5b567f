"""What every algorithm's `fit` takes and returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from forecastle.registry.manifest import Task
from forecastle.training.algorithms.catalogue import Setting
from forecastle.training.arrays import Floats
from forecastle.training.graphs import GraphBuilder


@dataclass(frozen=True, slots=True)
class Options:
    """How to fit: `hyperparameters` are complete, and the same `seed` gives the same model."""

    task: Task
    hyperparameters: Mapping[str, Setting]
    seed: int


class Fitted(Protocol):
    """A fitted algorithm on preprocessed columns [N, P]."""

    def predict(self, matrix: Floats) -> Floats:
        """The library's own prediction: [N] for a regression, probabilities [N, K] by class code otherwise."""
        ...

    def emit(self, graph: GraphBuilder, matrix: str) -> str:
        """Add the same computation to a graph; returns the name of its result, of the same shape."""
        ...

    def importances(self) -> Mapping[str, Floats]:
        """Importance of each of the P columns, by method: `coefficient` or `tree`."""
        ...


def shares(weights: Floats) -> Floats:
    """Weights scaled to sum 1, all zero when there are none."""
    total = weights.sum()
    return weights / total if total > 0 else np.zeros_like(weights)


def pair(second: Floats) -> Floats:
    """Probabilities [N, 2] from that of the second class [N]."""
    return np.column_stack([1.0 - second, second])
