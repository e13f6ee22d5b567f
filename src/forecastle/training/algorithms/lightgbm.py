"""Gradient-boosted trees by LightGBM, in its deterministic mode on one thread."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecastle.training import lean, openmp
from forecastle.training.algorithms import trees
from forecastle.training.algorithms.fitted import EXACT, Options, inverse_frequencies, pair, shares
from forecastle.training.arrays import Booleans, Floats, Integers
from forecastle.training.errors import TrainingFailed
from forecastle.training.graphs import GraphBuilder

openmp.load()  # before the library below, which cannot be imported without it

with lean.without("sklearn", "pandas"):  # a second of work and 70 MB for the estimators, which are not used here
    import lightgbm

ZERO_BOUND = float(np.float32(1e-35))
"""LightGBM reads inputs whose size is not above this as 0."""

ONE_ROW = 1.5
"""What is drawn is rounded down, and nothing can be learned from no row."""


@dataclass(frozen=True, slots=True)
class FittedBooster:
    """A fitted booster."""

    booster: lightgbm.Booster
    classes: int
    """Number of classes; 0 for a regression."""

    @property
    def atol(self) -> float:
        """Both sides add up in float64."""
        return EXACT

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
    classes = _classes(target, options)
    settings = _settings(len(matrix), classes, options)
    return FittedBooster(
        lightgbm.train(settings, _table(matrix, target, target, settings, options), _rounds(options)), classes
    )


def best_rounds(matrix: Floats, target: Floats, held_matrix: Floats, held_target: Floats, options: Options) -> int:
    """The number of rounds after which the loss on held-out rows [M, P], [M] was least."""
    settings = _settings(len(matrix), _classes(target, options), options)
    table = _table(matrix, target, target, settings, options)
    held = _table(held_matrix, held_target, target, settings, options, reference=table)
    patience = lightgbm.early_stopping(int(options.hyperparameters["early_stopping"] or 1), verbose=False)
    booster = lightgbm.train(settings, table, _rounds(options), valid_sets=[held], callbacks=[patience])
    return max(1, booster.best_iteration)


def _rounds(options: Options) -> int:
    return int(options.hyperparameters["n_estimators"] or 1)


def _classes(target: Floats, options: Options) -> int:
    return int(target.max()) + 1 if options.task == "classification" else 0


def _settings(rows: int, classes: int, options: Options) -> dict[str, Any]:
    left_out = {"n_estimators", "balanced", "early_stopping"}
    given = {name: value for name, value in options.hyperparameters.items() if value is not None}
    settings: dict[str, Any] = {name: value for name, value in given.items() if name not in left_out}
    settings |= _objective(classes)
    return settings | {
        "subsample": max(settings["subsample"], min(1.0, ONE_ROW / rows)),
        "bagging_freq": int(settings["subsample"] < 1),
        "seed": options.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }


def _table(
    matrix: Floats,
    target: Floats,
    learned_from: Floats,
    settings: dict[str, Any],
    options: Options,
    reference: lightgbm.Dataset | None = None,
) -> lightgbm.Dataset:
    """Rows as the library takes them; how much a class weighs is learned from the rows to be fitted."""
    weights = None
    if options.hyperparameters["balanced"]:
        weights = inverse_frequencies(learned_from.astype(np.int64))[target.astype(np.int64)]
    return lightgbm.Dataset(matrix, target, weight=weights, params=settings, reference=reference)


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
