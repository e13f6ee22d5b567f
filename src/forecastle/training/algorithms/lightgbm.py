"""Gradient-boosted trees by LightGBM, in its deterministic mode on one thread."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecastle.training import openmp
from forecastle.training.algorithms import trees
from forecastle.training.algorithms.fitted import Options, pair, shares
from forecastle.training.arrays import Booleans, Floats, Integers
from forecastle.training.errors import TrainingFailed
from forecastle.training.graphs import GraphBuilder

openmp.load()  # before the library below, which cannot be imported without it

import lightgbm  # noqa: E402
from sklearn.utils.class_weight import compute_sample_weight  # noqa: E402

ZERO_BOUND = float(np.float32(1e-35))
"""LightGBM reads inputs whose size is not above this as 0."""


@dataclass(frozen=True, slots=True)
class FittedBooster:
    """A fitted booster."""

    booster: lightgbm.Booster
    classes: int
    """Number of classes; 0 for a regression."""

    def predict(self, matrix: Floats) -> Floats:
        """Predictions [N], or probabilities [N, K]."""
        predicted = np.asarray(self.booster.predict(matrix, num_threads=1), dtype=np.float64)
        return pair(predicted) if self.classes == 2 else predicted

    def emit(self, graph: GraphBuilder, matrix: str) -> str:
        """Add the trees and the link function to a graph."""
        outputs = self.classes if self.classes > 2 else 1
        score = trees.emit(graph, matrix, read_trees(self.booster.model_to_string(), outputs), outputs=outputs)
        if not self.classes:
            return graph.vector(score)
        return graph.two_classes(score) if self.classes == 2 else graph.add("Softmax", score, axis=1)

    def importances(self) -> Mapping[str, Floats]:
        """Total gain of the splits on each column, as shares."""
        return {"tree": shares(np.asarray(self.booster.feature_importance("gain"), dtype=np.float64))}


def fit(matrix: Floats, target: Floats, options: Options) -> FittedBooster:
    """Fit on columns [N, P] and values or class codes [N]."""
    classes = int(target.max()) + 1 if options.task == "classification" else 0
    settings: dict[str, Any] = {name: value for name, value in options.hyperparameters.items() if value is not None}
    rounds = settings.pop("n_estimators")
    weights = compute_sample_weight("balanced", target) if settings.pop("balanced") else None
    settings |= _objective(classes) | {
        "bagging_freq": int(settings["subsample"] < 1),
        "seed": options.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    table = lightgbm.Dataset(matrix, target, weight=weights, params=settings)
    return FittedBooster(lightgbm.train(settings, table, rounds), classes)


def _objective(classes: int) -> dict[str, Any]:
    if not classes:
        return {"objective": "regression"}
    return {"objective": "binary"} if classes == 2 else {"objective": "multiclass", "num_class": classes}


def read_trees(model: str, outputs: int) -> list[trees.Tree]:
    """The trees in a model's text form; the round-robin of outputs is LightGBM's.

    The format gives each tree's arrays on lines `name=values`, with 17 significant digits, so nothing is lost.
    """
    blocks = model.split("\nTree=")[1:]
    return [_tree(_fields(block), number % outputs) for number, block in enumerate(blocks)]


def _fields(block: str) -> dict[str, str]:
    lines = (line.partition("=") for line in block.split("\n\n", 1)[0].splitlines())
    return {name: value for name, _, value in lines}


def _tree(fields: Mapping[str, str], output: int) -> trees.Tree:
    leaves = _array(fields["leaf_value"])
    if len(leaves) == 1:
        return trees.Tree.constant(leaves[0], output)
    threshold = _array(fields["threshold"])
    return trees.Tree(
        feature=_array(fields["split_feature"]).astype(np.int64),
        threshold=np.where(threshold == -ZERO_BOUND, np.nextafter(threshold, -np.inf), threshold),
        missing_left=_missing_left(_array(fields["decision_type"]).astype(np.int64), threshold),
        left=_array(fields["left_child"]).astype(np.int64),
        right=_array(fields["right_child"]).astype(np.int64),
        leaves=leaves,
        output=output,
    )


def _array(text: str) -> Floats:
    return np.array(text.split(), dtype=np.float64)


def _missing_left(decision: Integers, threshold: Floats) -> Booleans:
    # bit 0: a set of categories; bit 1: missing goes left; bits 2 and 3: what counts as missing (none, zero, NaN)
    missing_is = decision >> 2 & 3
    if (decision & 1).any() or (missing_is == 1).any():
        raise TrainingFailed("a booster with category splits or with zero as missing cannot be exported")
    return np.where(missing_is == 2, (decision & 2).astype(bool), threshold >= 0)  # without NaN, NaN is read as 0
