"""Random forest: the average of trees grown on bootstrap samples."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from forecastle.training.algorithms import trees
from forecastle.training.algorithms.fitted import EXACT, Options, shares
from forecastle.training.arrays import Floats
from forecastle.training.graphs import GraphBuilder


@dataclass(frozen=True, slots=True)
class FittedForest:
    """A fitted forest. The library compares float32 inputs with float64 thresholds, and so does the graph."""

    model: Any
    classes: int
    """Number of classes; 0 for a regression."""

    @property
    def atol(self) -> float:
        """Both sides add up in float64."""
        return EXACT

    def predict(self, matrix: Floats) -> Floats:
        """Predictions [N], or probabilities [N, K]."""
        inputs = trees.cut(matrix)
        return np.asarray(self.model.predict_proba(inputs) if self.classes else self.model.predict(inputs))

    def emit(self, graph: GraphBuilder, matrix: str) -> str:
        """Add the trees and their average to a graph."""
        inputs = trees.emit_single(graph, matrix)
        outputs = [1] if self.classes == 2 else range(max(self.classes, 1))
        grown = [
            _tree(estimator.tree_, value=value, output=output)
            for output, value in enumerate(outputs)
            for estimator in self.model.estimators_
        ]
        total = trees.emit(graph, inputs, grown, outputs=len(outputs))
        average = graph.add("Div", total, graph.constant(float(len(self.model.estimators_))))
        if not self.classes:
            return graph.vector(average)
        return graph.complement(average) if self.classes == 2 else average

    def importances(self) -> Mapping[str, Floats]:
        """Mean decrease of impurity, as shares."""
        return {"tree": shares(np.asarray(self.model.feature_importances_, dtype=np.float64))}


def _tree(tree: Any, *, value: int, output: int) -> trees.Tree:
    is_leaf = tree.children_left < 0
    values = tree.value[:, 0, value]
    if is_leaf[0]:
        return trees.Tree.constant(values[0], output)
    new_id = np.where(is_leaf, ~(np.cumsum(is_leaf) - 1), np.cumsum(~is_leaf) - 1)
    inner = ~is_leaf
    return trees.Tree(
        feature=tree.feature[inner],
        threshold=tree.threshold[inner],
        missing_left=np.zeros(inner.sum(), dtype=bool),
        left=new_id[tree.children_left[inner]],
        right=new_id[tree.children_right[inner]],
        leaves=values[is_leaf],
        output=output,
    )


def fit(matrix: Floats, target: Floats, options: Options) -> FittedForest:
    """Fit on columns [N, P] and values or class codes [N]."""
    inputs = trees.cut(matrix)
    common: dict[str, Any] = {
        "n_estimators": options.hyperparameters["n_estimators"],
        "max_depth": options.hyperparameters["max_depth"],
        "min_samples_leaf": options.hyperparameters["min_samples_leaf"],
        "random_state": options.seed,
        "n_jobs": 1,
    }
    share = options.hyperparameters["max_features"]
    if options.task == "regression":
        return FittedForest(RandomForestRegressor(max_features=share or 1.0, **common).fit(inputs, target), classes=0)
    weight = "balanced" if options.hyperparameters["balanced"] else None
    model = RandomForestClassifier(max_features=share or "sqrt", class_weight=weight, **common).fit(inputs, target)
    return FittedForest(model, classes=len(model.classes_))
