"""Pruning by univariate F-tests, against scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_selection import f_classif, f_regression

from forecastle.training import pruning
from forecastle.training.arrays import Floats
from forecastle.training.pruning import prune


def noise(rows: int, columns: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(0, 1, (rows, columns))


def kept(matrix: Floats, target: Floats, *, classes: bool = False, threshold: float = 0.05) -> list[int]:
    nothing = [None] * matrix.shape[1]
    order = list(range(matrix.shape[1]))
    return prune(matrix, target, nothing, order=order, threshold=threshold, classes=classes)


@given(seed=st.integers(0, 999), rows=st.integers(5, 80), strength=st.floats(0, 3))
def test_the_chance_of_a_number_is_that_of_scikit_learn(seed: int, rows: int, strength: float) -> None:
    matrix = noise(rows, 4, seed)
    target = strength * matrix[:, 0] + noise(rows, 1, seed + 1)[:, 0]
    codes = (target > np.median(target)).astype(np.float64) + (target > target.max() - 0.1)
    ours = [pruning._chance(column, target, None, classes=False) for column in matrix.T]
    assert ours == pytest.approx(f_regression(matrix, target)[1], rel=1e-6, abs=1e-12)
    ours = [pruning._chance(column, codes, None, classes=True) for column in matrix.T]
    assert ours == pytest.approx(f_classif(matrix, codes)[1], rel=1e-6, abs=1e-12)


def test_what_says_something_is_kept_in_its_order_and_noise_is_not() -> None:
    matrix = noise(500, 6)
    target = matrix[:, 4] - 2 * matrix[:, 1] + noise(500, 1, 9)[:, 0]
    order = [5, 4, 3, 2, 1, 0]
    assert prune(matrix, target, [None] * 6, order=order, threshold=0.001, classes=False) == [4, 1]
    assert prune(matrix, np.sign(target), [None] * 6, order=order, threshold=0.001, classes=True) == [4, 1]


def test_the_best_one_stays_where_none_says_anything() -> None:
    matrix, target = noise(100, 5), noise(100, 1, 7)[:, 0]
    chances = f_regression(matrix, target)[1]
    assert kept(matrix, target, threshold=chances.min() / 2) == [int(chances.argmin())]


def test_everything_stays_below_a_threshold_of_one() -> None:
    assert kept(noise(100, 5), noise(100, 1, 7)[:, 0], threshold=1.0) == [0, 1, 2, 3, 4]


def test_a_perfect_feature_stays_and_a_constant_or_empty_one_goes() -> None:
    target = noise(50, 1)[:, 0]
    matrix = np.column_stack([np.ones(50), 2 * target + 1, np.full(50, np.nan), 1e300 * noise(50, 1, 3)[:, 0]])
    assert kept(matrix, target) == [1]
    assert kept(np.ones((50, 2)), target) == [0]


def test_missing_numbers_are_left_out_of_their_own_test_only() -> None:
    matrix = noise(200, 2)
    target = matrix[:, 0] + noise(200, 1, 5)[:, 0]
    matrix[::2, 0] = np.nan
    there = slice(1, None, 2)
    expected = f_regression(matrix[there, :1], target[there])[1][0]
    assert pruning._chance(matrix[:, 0], target, None, classes=False) == pytest.approx(expected)


def test_a_category_is_as_good_as_its_best_level_times_their_number() -> None:
    codes = np.random.default_rng(2).integers(0, 4, 300).astype(np.float64)
    target = np.where(codes == 2, 0.5, 0.0) + noise(300, 1, 3)[:, 0]
    levels = [(codes == code).astype(np.float64) for code in range(4)]
    best = f_regression(np.column_stack(levels), target)[1].min()
    assert pruning._chance(codes, target, ("a", "b", "c", "d"), classes=False) == pytest.approx(4 * best)


def test_a_category_without_levels_is_the_last_to_stay() -> None:
    matrix = np.column_stack([np.full(50, -1.0), np.ones(50)])
    assert prune(matrix, noise(50, 1)[:, 0], [(), None], order=[0, 1], threshold=0.05, classes=False) == [1]
