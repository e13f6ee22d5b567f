"""Linear regression with an L2 penalty: min |y - Xw - b|² + alpha |w|²."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge

from forecastle.training.algorithms.fitted import Options
from forecastle.training.arrays import Floats
from forecastle.training.graphs import GraphBuilder


@dataclass(frozen=True, slots=True)
class FittedRidge:
    """A fitted linear regression."""

    model: Any

    def predict(self, matrix: Floats) -> Floats:
        """Predictions [N]."""
        return np.asarray(self.model.predict(matrix), dtype=np.float64)

    def emit(self, graph: GraphBuilder, matrix: str) -> str:
        """Add the linear form to a graph."""
        return graph.vector(graph.affine(matrix, self.model.coef_[:, None], [self.model.intercept_]))

    def importances(self) -> Mapping[str, Floats]:
        """Absolute coefficients of the standardised columns."""
        return {"coefficient": np.abs(self.model.coef_)}


def fit(matrix: Floats, target: Floats, options: Options) -> FittedRidge:
    """Fit on columns [N, P] and values [N]."""
    return FittedRidge(Ridge(alpha=options.hyperparameters["alpha"], solver="cholesky").fit(matrix, target))
