"""Gradient-boosted trees by XGBoost, grown by histograms on one thread.

The library computes in float32, on columns and a target that were brought to deviation 1 in float64. Of classes it
learns what is to be added to the logarithms of their shares.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecastle.training import lean
from forecastle.training.algorithms import trees
from forecastle.training.algorithms.fitted import Options, inverse_frequencies, shares
from forecastle.training.arrays import Floats
from forecastle.training.errors import TrainingFailed
from forecastle.training.graphs import GraphBuilder

with lean.without("sklearn", "pandas"):  # as for LightGBM
    import xgboost

ROUNDING = 2.0**-24
"""Largest relative error of one operation in float32."""
SPREAD = 4.0
"""Rounding errors of T additions grow like a random walk, as the square root of T; times this, to be safe."""


@dataclass(frozen=True, slots=True)
class FittedBooster:
    """A fitted booster, whose trees give what is to be added to the start."""

    booster: xgboost.Booster
    start: Floats
    """What is predicted without trees, [outputs]: 0, or log-odds."""
    classes: int
    """Number of classes; 0 for a regression."""
    grown: tuple[trees.Tree, ...]

    @property
    def atol(self) -> float:
        """What rounding to float32 after each tree may amount to."""
        sums = np.zeros(len(self.start))
        for tree in self.grown:
            sums[tree.output] += np.abs(tree.leaves).max()
        return float(SPREAD * ROUNDING * np.sqrt(len(self.grown)) * sums.max())

    def predict(self, matrix: Floats) -> Floats:
        """Predictions [N], or probabilities [N, K]: the library's sum of the trees, the start and the link function."""
        added = self.booster.inplace_predict(trees.cut(matrix), predict_type="margin")
        score = np.asarray(added, dtype=np.float64).reshape(len(matrix), -1) + self.start
        if not self.classes:
            return score[:, 0]
        if self.classes == 2:
            score = np.hstack([np.zeros_like(score), score])
        growth = np.exp(score - score.max(axis=1, keepdims=True))
        return np.asarray(growth / growth.sum(axis=1, keepdims=True))

    def emit(self, graph: GraphBuilder, matrix: str) -> str:
        """Add the trees, the start and the link function to a graph."""
        inputs = trees.emit_single(graph, matrix)
        added = trees.emit(graph, inputs, self.grown, outputs=len(self.start))
        score = graph.add("Add", added, graph.constant(self.start))
        if not self.classes:
            return graph.vector(score)
        return graph.two_classes(score) if self.classes == 2 else graph.add("Softmax", score, axis=1)

    def importances(self) -> Mapping[str, Floats]:
        """Total gain of the splits on each column, as shares."""
        gains = np.zeros(self.booster.num_features())
        for name, gain in self.booster.get_score(importance_type="total_gain").items():
            gains[int(name.removeprefix("f"))] = gain
        return {"tree": shares(gains)}


def fit(matrix: Floats, target: Floats, options: Options) -> FittedBooster:
    """Fit on columns [N, P] and values or class codes [N].

    Raises:
        TrainingFailed: the library refuses the values, as those beyond the range of float32.
    """
    start = _start(target, options)
    booster = _train(matrix, target, start, options)
    classes = _classes(target, options)
    return FittedBooster(booster, start, classes, tuple(read_trees(bytes(booster.save_raw("json")))))


def best_rounds(matrix: Floats, target: Floats, held_matrix: Floats, held_target: Floats, options: Options) -> int:
    """The number of rounds after which the loss on held-out rows [M, P], [M] was least."""
    booster = _train(matrix, target, _start(target, options), options, held=(held_matrix, held_target))
    return int(booster.best_iteration) + 1


def _classes(target: Floats, options: Options) -> int:
    return int(target.max()) + 1 if options.task == "classification" else 0


def _start(target: Floats, options: Options) -> Floats:
    if options.task == "regression":
        return np.zeros(1)
    counts = np.bincount(target.astype(np.int64))
    levels: Floats = np.zeros(len(counts)) if options.hyperparameters["balanced"] else np.log(counts / counts.sum())
    return levels[1:] - levels[:1] if len(levels) == 2 else levels


def _train(
    matrix: Floats, target: Floats, start: Floats, options: Options, held: tuple[Floats, Floats] | None = None
) -> xgboost.Booster:
    settings = {name: value for name, value in options.hyperparameters.items() if value is not None}
    rounds, patience = int(settings["n_estimators"] or 1), int(settings.get("early_stopping") or 1)
    left_out = ("n_estimators", "balanced", "early_stopping")
    learner: dict[str, Any] = {name: value for name, value in settings.items() if name not in left_out}
    learner |= _objective(_classes(target, options))
    learner |= {"tree_method": "hist", "seed": options.seed, "nthread": 1, "verbosity": 0}
    try:
        table = _table(matrix, target, target, start, options)
        if held is None:
            return xgboost.train(learner, table, rounds)
        watched = [(_table(*held, target, start, options), "held_out")]
        return xgboost.train(learner, table, rounds, evals=watched, early_stopping_rounds=patience, verbose_eval=False)
    except xgboost.core.XGBoostError as error:
        reason = str(error).strip().splitlines()[0]
        raise TrainingFailed(f"xgboost cannot learn from these values: {reason}") from error


def _objective(classes: int) -> dict[str, Any]:
    if not classes:
        return {"objective": "reg:squarederror", "base_score": 0.0}
    if classes == 2:
        return {"objective": "binary:logistic", "base_score": 0.5}  # a probability: log-odds of 0
    return {"objective": "multi:softprob", "num_class": classes, "base_score": 0.0}


def _table(matrix: Floats, target: Floats, learned_from: Floats, start: Floats, options: Options) -> xgboost.DMatrix:
    """Rows as the library takes them; how much a class weighs is learned from the rows to be fitted."""
    if options.task == "regression":
        return xgboost.DMatrix(trees.cut(matrix), target, nthread=1)
    weights = None
    if options.hyperparameters["balanced"]:
        weights = inverse_frequencies(learned_from.astype(np.int64))[target.astype(np.int64)]
    begin = np.tile(start, (len(target), 1))
    return xgboost.DMatrix(trees.cut(matrix), target, weight=weights, base_margin=begin, nthread=1)


def read_trees(model: bytes) -> list[trees.Tree]:
    """The trees in a model's JSON form, in which numbers are spelled so that float32 reads them back exactly.

    Raises:
        TrainingFailed: a tree splits by sets of categories.
    """
    booster = json.loads(model)["learner"]["gradient_booster"]["model"]
    return [_tree(tree, output) for tree, output in zip(booster["trees"], booster["tree_info"], strict=True)]


def _tree(tree: Mapping[str, Any], output: int) -> trees.Tree:
    if any(tree["split_type"]):
        raise TrainingFailed("a booster with category splits cannot be exported")
    left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
    conditions = np.array(tree["split_conditions"], dtype=np.float32)
    is_leaf = left < 0
    leaves = conditions[is_leaf].astype(np.float64)
    if is_leaf[0]:
        return trees.Tree.constant(leaves[0], output)
    inner = ~is_leaf
    place = np.where(is_leaf, ~(np.cumsum(is_leaf) - 1), np.cumsum(inner) - 1)
    # a row goes left below the threshold: up to the next smaller number, for there is none between them in float32
    return trees.Tree(
        feature=np.array(tree["split_indices"])[inner],
        threshold=np.nextafter(conditions[inner], np.float32(-np.inf)).astype(np.float64),
        missing_left=np.array(tree["default_left"])[inner].astype(bool),
        left=place[left[inner]],
        right=place[right[inner]],
        leaves=leaves,
        output=output,
    )
