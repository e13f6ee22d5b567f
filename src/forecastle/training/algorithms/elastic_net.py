"""Linear regression with both penalties: min |y - Xw - b|² / 2N + alpha (l1_ratio |w|₁ + (1 - l1_ratio) |w|² / 2).

The target has deviation 1, so that `alpha` means the same whether prices or returns are predicted. At an alpha of
1 / l1_ratio or more every coefficient is 0.

Least angle regression (Efron et al., 2004) solves it exactly in finitely many steps, where coordinate descent takes
tens of thousands of passes over columns that resemble one another. Only columns that are equal throw it off the path;
from there coordinate descent, which does not mind those, goes on.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, lars_path_gram

from forecastle.training.algorithms.fitted import Options
from forecastle.training.algorithms.linear import FittedLine
from forecastle.training.arrays import Floats
from forecastle.training.errors import TrainingFailed

STEPS_A_COLUMN = 20
PASSES = 10_000
SOLVED = 1e-7
"""Largest error of the optimality conditions, on standardised columns and target, of a solution."""
USABLE = 1e-3
"""The same, of a solution that is good enough where none better is found."""


def fit(matrix: Floats, target: Floats, options: Options) -> FittedLine:
    """Fit on columns [N, P] and values [N].

    Raises:
        TrainingFailed: the columns resemble one another so much that no solution is found for so small a penalty.
    """
    alpha, share = float(options.hyperparameters["alpha"] or 0), float(options.hyperparameters["l1_ratio"] or 0)
    means, level = matrix.mean(axis=0), float(target.mean())
    coefficients = _solve(matrix - means, target - level, l1=alpha * share, l2=alpha * (1 - share))
    return FittedLine(coefficients, level - float(means @ coefficients))


def _solve(columns: Floats, values: Floats, *, l1: float, l2: float) -> Floats:
    products = columns.T @ columns / len(columns) + l2 * np.eye(columns.shape[1])
    agreement = columns.T @ values / len(columns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # how far each of them came is measured instead
        coefficients = _angles(products, agreement, l1)
        if _error(products, agreement, coefficients, l1) > SOLVED:
            coefficients = _descend(columns, values, coefficients, l1=l1, l2=l2)
    if not _error(products, agreement, coefficients, l1) <= USABLE:
        raise TrainingFailed(
            "elastic_net finds no solution among columns so much alike: raise hyperparameters.alpha, "
            "or lower hyperparameters.l1_ratio"
        )
    return coefficients


def _angles(products: Floats, agreement: Floats, l1: float) -> Floats:
    _, _, coefficients = lars_path_gram(
        Xy=agreement,
        Gram=products.copy(),
        n_samples=1,
        alpha_min=l1,
        max_iter=STEPS_A_COLUMN * len(agreement),
        return_path=False,
        method="lasso",
    )
    return np.asarray(coefficients)


def _descend(columns: Floats, values: Floats, start: Floats, *, l1: float, l2: float) -> Floats:
    model = ElasticNet(
        alpha=l1 + l2, l1_ratio=l1 / (l1 + l2), fit_intercept=False, warm_start=True, max_iter=PASSES, tol=SOLVED
    )
    model.coef_ = start
    return np.asarray(model.fit(columns, values).coef_)


def _error(products: Floats, agreement: Floats, coefficients: Floats, l1: float) -> float:
    """How far the coefficients are from the optimality conditions of the lasso (Karush, Kuhn, Tucker)."""
    slope = agreement - products @ coefficients
    errors = np.where(coefficients == 0, np.abs(slope) - l1, np.abs(slope - l1 * np.sign(coefficients)))
    return float(errors.max())
