"""Logistic regression with an L2 penalty, multinomial for more than two classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from forecastle.training.algorithms.fitted import EXACT, Options
from forecastle.training.arrays import Floats
from forecastle.training.graphs import GraphBuilder


@dataclass(frozen=True, slots=True)
class FittedLogistic:
    """A fitted logistic regression."""

    model: Any

    @property
    def atol(self) -> float:
        """Both sides add up in float64."""
        return EXACT

    def predict(self, matrix: Floats) -> Floats:
        """Probabilities [N, K]."""
        return np.asarray(self.model.predict_proba(matrix), dtype=np.float64)

    def emit(self, graph: GraphBuilder, matrix: str) -> str:
        """Add the linear forms and their sigmoid or softmax to a graph."""
        score = graph.affine(matrix, self.model.coef_.T, self.model.intercept_)
        return graph.two_classes(score) if len(self.model.classes_) == 2 else graph.add("Softmax", score, axis=1)

    def importances(self) -> Mapping[str, Floats]:
        """Absolute coefficients of the standardised columns, averaged over the classes."""
        return {"coefficient": np.abs(self.model.coef_).mean(axis=0)}


def fit(matrix: Floats, target: Floats, options: Options) -> FittedLogistic:
    """Fit on columns [N, P] and class codes [N]."""
    model = LogisticRegression(
        C=options.hyperparameters["c"],
        max_iter=options.hyperparameters["max_iter"],
        class_weight="balanced" if options.hyperparameters["balanced"] else None,
    )
    return FittedLogistic(model.fit(matrix, target))
