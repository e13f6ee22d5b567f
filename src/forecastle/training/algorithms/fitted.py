"""What every algorithm's `fit` takes and returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from forecastle.registry.manifest import Task
from forecastle.training.algorithms.catalogue import Setting
from forecastle.training.arrays import Floats, Integers
from forecastle.training.graphs import GraphBuilder

EXACT = 1e-9
"""Rounding that float64 on both sides allows."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to fit: `hyperparameters` are complete, and the same `seed` gives the same model."""

    task: Task
    hyperparameters: Mapping[str, Setting]
    seed: int


class Fitted(Protocol):
    """A fitted algorithm on preprocessed columns [N, P]; of a regression, on a target of mean 0 and deviation 1."""

    @property
    def atol(self) -> float:
        """How far, in absolute terms, rounding alone may take the graph from `predict`."""
        ...

    def predict(self, matrix: Floats) -> Floats:
        """The library's own prediction: [N] for a regression, probabilities [N, K] by class code otherwise."""
        ...

    def emit(self, graph: GraphBuilder, matrix: str) -> str:
        """Add the same computation to a graph; returns the name of its result, of the same shape."""
        ...

    def importances(self) -> Mapping[str, Floats]:
        """Importance of each of the P columns, by method: `coefficient`, `tree`, or nothing of the kind."""
        ...


class Booster(Protocol):
    """The module of an algorithm that adds up rounds of trees, so that it can be stopped early."""

    def best_rounds(
        self, matrix: Floats, target: Floats, held_matrix: Floats, held_target: Floats, options: Options
    ) -> int:
        """The number of rounds after which the loss on held-out rows [M, P], [M] was least.

        Boosting ends when it has not fallen for `early_stopping` rounds.
        """
        ...


def shares(weights: Floats) -> Floats:
    """Weights scaled to sum 1, all zero when there are none."""
    total = weights.sum()
    return weights / total if total > 0 else np.zeros_like(weights)


def pair(second: Floats) -> Floats:
    """Probabilities [N, 2] from that of the second class [N]."""
    return np.column_stack([1.0 - second, second])


def inverse_frequencies(codes: Integers) -> Floats:
    """The weight of each class: what brings all of them to the same total over rows of these class codes [N]."""
    counts = np.bincount(codes)
    return len(codes) / (len(counts) * counts)
