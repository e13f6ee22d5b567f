"""Linear models on standardised columns, and linear regression by least squares among them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lstsq

from forecastle.training.algorithms.fitted import EXACT, Options
from forecastle.training.arrays import Floats
from forecastle.training.graphs import GraphBuilder

NEGLIGIBLE = 1e-10
"""Directions in which the columns vary less than this share of the widest count as constant."""


@dataclass(frozen=True, slots=True)
class FittedLine:
    """A linear form: `columns @ coefficients + intercept`."""

    coefficients: Floats
    intercept: float

    @property
    def atol(self) -> float:
        """Both sides add up in float64."""
        return EXACT

    def predict(self, matrix: Floats) -> Floats:
        """Predictions [N]."""
        return np.asarray(matrix @ self.coefficients + self.intercept)

    def emit(self, graph: GraphBuilder, matrix: str) -> str:
        """Add the linear form to a graph."""
        return graph.vector(graph.affine(matrix, self.coefficients[:, None], [self.intercept]))

    def importances(self) -> Mapping[str, Floats]:
        """Absolute coefficients of the standardised columns."""
        return {"coefficient": np.abs(self.coefficients)}


def fit(matrix: Floats, target: Floats, options: Options) -> FittedLine:  # noqa: ARG001  has none
    """Fit on columns [N, P] and values [N]: of all that fit best, the one with the smallest coefficients.

    So a constant column gets 0, and columns that say the same share what they say.
    """
    means, level = matrix.mean(axis=0), float(target.mean())
    coefficients = lstsq(matrix - means, target - level, cond=NEGLIGIBLE)[0]
    return FittedLine(coefficients, level - float(means @ coefficients))
