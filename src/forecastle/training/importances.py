"""How much each feature matters to a model."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from forecastle.training.arrays import Floats, Integers

REPEATS = 5
MAX_ROWS = 2_000
MIN_ROWS = 100


def by_feature(columns: Mapping[str, Floats], sources: Integers, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Importances of the algorithm's columns, by method, added up over the columns that come from one feature."""
    return {
        method: dict(zip(names, np.bincount(sources, weights, minlength=len(names)).tolist(), strict=True))
        for method, weights in columns.items()
    }


def permutation(
    matrix: Floats, names: Sequence[str], *, loss: Callable[[Floats, Integers], float], seed: int, budget: int
) -> dict[str, float]:
    """Mean growth of the loss over five shuffles of each feature's column (Breiman, 2001).

    Args:
        matrix: [N, F] input matrix of held-out rows; a seeded draw is used if there are many.
        names: of the F features.
        loss: of predicting a matrix, given the positions in `matrix` that its rows' truths are those of.
        seed: of the shuffles.
        budget: how many rows may be predicted in all, unless so few are left that nothing can be said.
    """
    rng = np.random.default_rng(seed)
    most = max(MIN_ROWS, min(MAX_ROWS, budget // (REPEATS * len(names))))
    rows = np.sort(rng.permutation(len(matrix))[:most])
    shown = matrix[rows]
    base = loss(np.tile(shown, (REPEATS, 1)), np.tile(rows, REPEATS))  # as often, so that no change is exactly 0
    return {name: _growth(shown, rows, feature, loss, rng) - base for feature, name in enumerate(names)}


def all_alike(measured: Mapping[str, Mapping[str, float]]) -> bool:
    """Whether no feature matters by a model's own measure, or, if it has none, by permutation."""
    own = {name: weights for name, weights in measured.items() if name != "permutation"} or measured
    return not any(any(weights.values()) for weights in own.values())


def _growth(
    shown: Floats, rows: Integers, feature: int, loss: Callable[[Floats, Integers], float], rng: np.random.Generator
) -> float:
    shuffled = np.tile(shown, (REPEATS, 1))
    column = [rng.permutation(shown[:, feature]) for _ in range(REPEATS)]
    shuffled[:, feature] = np.concatenate(column)
    return loss(shuffled, np.tile(rows, REPEATS))
