"""Linear models against the library's solvers, and where those have a hard time."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, LinearRegression

from forecastle.training.algorithms import elastic_net, linear
from forecastle.training.algorithms.fitted import Options
from forecastle.training.algorithms.linear import FittedLine
from forecastle.training.arrays import Floats
from forecastle.training.errors import TrainingFailed


def columns(rows: int, count: int, *, alike: float = 1.0, seed: int = 0) -> Floats:
    """Standardised columns; the less `alike` is, the more they resemble one another."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(rows, 2)) @ rng.normal(size=(2, count))
    matrix = (1 - alike) * shared + alike * rng.normal(size=(rows, count))
    return np.asarray((matrix - matrix.mean(axis=0)) / matrix.std(axis=0))


def answer(matrix: Floats, *, seed: int = 1) -> Floats:
    noise = np.random.default_rng(seed).normal(size=len(matrix))
    values = 2 * matrix[:, 0] - matrix[:, 1] + noise
    return np.asarray((values - values.mean()) / values.std())


def net(matrix: Floats, target: Floats, alpha: float, share: float) -> FittedLine:
    return elastic_net.fit(matrix, target, Options("regression", {"alpha": alpha, "l1_ratio": share}, 0))


def test_least_squares_are_those_of_the_library() -> None:
    matrix = columns(200, 6)
    fitted = linear.fit(matrix, answer(matrix), Options("regression", {}, 0))
    oracle = LinearRegression().fit(matrix, answer(matrix))
    assert fitted.coefficients == pytest.approx(oracle.coef_)
    assert fitted.intercept == pytest.approx(oracle.intercept_)


def test_columns_that_say_the_same_share_it() -> None:
    matrix = columns(200, 2)
    doubled = np.column_stack([matrix, matrix[:, 0], np.full(200, 7.0)])
    fitted = linear.fit(doubled, answer(matrix), Options("regression", {}, 0))
    assert fitted.coefficients[0] == pytest.approx(fitted.coefficients[2])
    assert fitted.coefficients[3] == 0
    assert np.abs(fitted.coefficients).max() < 2


def test_noise_between_columns_that_all_but_say_the_same_is_no_direction_to_learn_from() -> None:
    matrix = columns(200, 2)
    nearly = np.column_stack([matrix, matrix[:, 0] + 1e-13 * columns(200, 1, seed=5)[:, 0]])
    assert np.abs(linear.fit(nearly, answer(matrix), Options("regression", {}, 0)).coefficients).max() < 2


@pytest.mark.parametrize("share", [0.01, 0.5, 1.0])
@pytest.mark.parametrize("alpha", [1e-4, 0.01, 0.3])
@pytest.mark.parametrize("shape", [(200, 6, 1.0), (60, 90, 1.0), (300, 20, 0.3)])
def test_the_elastic_net_is_that_of_the_library(alpha: float, share: float, shape: tuple[int, int, float]) -> None:
    rows, count, alike = shape
    matrix = columns(rows, count, alike=alike)
    fitted = net(matrix, answer(matrix), alpha, share)
    oracle = ElasticNet(alpha=alpha, l1_ratio=share, tol=1e-9, max_iter=200_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        oracle.fit(matrix, answer(matrix))
    assert fitted.predict(matrix) == pytest.approx(oracle.predict(matrix), abs=2e-3)


@pytest.mark.parametrize("share", [0.1, 1.0])
@pytest.mark.parametrize("alpha", [1e-4, 0.1])
def test_equal_and_opposite_columns_are_solved_to_the_optimum(alpha: float, share: float) -> None:
    matrix = columns(300, 5)
    matrix = np.column_stack([matrix, matrix, -matrix, np.zeros(300)])
    target = answer(matrix)
    fitted = net(matrix, target, alpha, share)
    slope = matrix.T @ (target - fitted.predict(matrix)) / len(matrix) - alpha * (1 - share) * fitted.coefficients
    assert np.abs(slope).max() <= alpha * share + 1e-5


def test_columns_that_all_but_equal_one_another_are_solved_within_a_moment() -> None:
    matrix = columns(500, 60, alike=1e-6)
    assert ((net(matrix, answer(matrix), 1e-4, 0.5).predict(matrix) - answer(matrix)) ** 2).mean() < 0.5


def test_a_heavy_penalty_silences_every_column() -> None:
    matrix = columns(100, 3)
    assert (net(matrix, answer(matrix), 2.0, 0.5).coefficients == 0).all()


def test_what_is_not_solved_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elastic_net, "USABLE", -1.0)
    matrix = columns(100, 3)
    with pytest.raises(TrainingFailed, match=r"raise hyperparameters.alpha, or lower hyperparameters.l1_ratio"):
        net(matrix, answer(matrix), 0.1, 0.5)
