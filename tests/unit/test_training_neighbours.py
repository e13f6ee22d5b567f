"""Nearest neighbours against the library's, and where distances tie or nearly tie."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from forecastle.registry.manifest import Task
from forecastle.training.algorithms import nearest_neighbours
from forecastle.training.algorithms.fitted import Options
from forecastle.training.algorithms.nearest_neighbours import FittedNeighbours
from forecastle.training.arrays import Floats
from forecastle.training.errors import TrainingFailed
from forecastle.training.graphs import INPUT, GraphBuilder


def fit(matrix: Floats, target: Floats, task: Task = "regression", **settings: Any) -> FittedNeighbours:
    usual = {"n_neighbours": 5, "by_distance": False, "balanced": False}
    return nearest_neighbours.fit(matrix, target, Options(task, usual | settings, 0))


def graph_answers(fitted: FittedNeighbours, matrix: Floats) -> Floats:
    graph = GraphBuilder()
    model = graph.finish(fitted.emit(graph, INPUT), name="out", features=matrix.shape[1], classes=len(fitted.weights))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: Floats = session.run(None, {INPUT: matrix})[0]
    return found


def numbers(rows: int, columns: int = 4, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=(rows, columns))


@pytest.mark.parametrize("by_distance", [False, True])
def test_values_are_those_of_the_library(*, by_distance: bool) -> None:
    matrix, target, asked = numbers(300), numbers(300, 1, seed=1)[:, 0], numbers(100, seed=2)
    found = fit(matrix, target, by_distance=by_distance).predict(asked)
    oracle = KNeighborsRegressor(5, weights="distance" if by_distance else "uniform").fit(matrix, target).predict(asked)
    assert np.mean(np.isclose(found, oracle, atol=1e-3)) > 0.97  # the grid may swap two that are all but equally far


@pytest.mark.parametrize("by_distance", [False, True])
def test_probabilities_are_those_of_the_library(*, by_distance: bool) -> None:
    matrix, asked = numbers(300), numbers(100, seed=2)
    target = np.digitize(matrix[:, 0], [-0.5, 0.5]).astype(np.float64)
    found = fit(matrix, target, "classification", by_distance=by_distance).predict(asked)
    library = KNeighborsClassifier(5, weights="distance" if by_distance else "uniform").fit(matrix, target)
    assert np.mean(np.isclose(found, library.predict_proba(asked), atol=1e-3).all(axis=1)) > 0.97


def test_of_equal_distances_the_earlier_row_is_nearer_here_and_in_the_graph() -> None:
    corners = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]] * 50)
    fitted = fit(corners, np.arange(200.0), n_neighbours=3)
    asked = np.array([[0.0, 0.0], [0.5, 0.5], [1.0, 0.0]])
    assert fitted.predict(asked) == pytest.approx([(0 + 1 + 2) / 3, (0 + 1 + 4) / 3, (0 + 4 + 8) / 3])
    assert graph_answers(fitted, asked) == pytest.approx(fitted.predict(asked), rel=1e-12)


@pytest.mark.parametrize("by_distance", [False, True])
def test_near_ties_are_broken_alike_by_both(*, by_distance: bool) -> None:
    """Rows of a lattice, each asked from a hair's breadth beside its middles, with values that tell them all apart."""
    lattice: Floats = np.stack(np.meshgrid(*[np.arange(-3.0, 4.0)] * 3), axis=-1).reshape(-1, 3) / 7
    fitted = fit(lattice, np.arange(float(len(lattice))) ** 2, n_neighbours=4, by_distance=by_distance)
    hairs = np.random.default_rng(0).choice([-1e-15, 0.0, 1e-15, 1e-9], size=(5, *lattice.shape))
    asked = (lattice + 0.5 / 7 + hairs).reshape(-1, 3)
    assert graph_answers(fitted, asked) == pytest.approx(fitted.predict(asked), rel=1e-12)


def test_many_columns_are_added_up_exactly() -> None:
    """In float64 the order of additions would decide between these; on the grid it does not."""
    rng = np.random.default_rng(0)
    matrix = rng.permuted(np.tile(rng.normal(size=300), (200, 1)), axis=1)  # all of the same length
    fitted = fit(matrix, np.arange(200.0) ** 2, n_neighbours=7)
    asked = np.concatenate([matrix, np.zeros((1, 300)), 1e6 * matrix])
    assert graph_answers(fitted, asked) == pytest.approx(fitted.predict(asked), rel=1e-12)


def test_a_row_of_the_training_answers_for_itself_when_weighed_by_distance() -> None:
    matrix, target = numbers(50), np.arange(50.0)
    fitted = fit(matrix, target, by_distance=True)
    assert fitted.predict(matrix) == pytest.approx(target)
    assert graph_answers(fitted, matrix) == pytest.approx(target)


def test_large_batches_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = fit(numbers(50), np.arange(50.0))
    whole = fitted.predict(numbers(33, seed=1))
    monkeypatch.setattr(nearest_neighbours, "HELD_DISTANCES", 120)
    assert (fitted.predict(numbers(33, seed=1)) == whole).all()


@pytest.mark.parametrize(
    ("rows", "columns", "neighbours", "message"),
    [
        (20, 1, 21, "n_neighbours: expected at most the 20 training rows of a window, found 21"),
        (50_001, 1, 5, "at most 50,000 rows, 2,048 columns and 10,000,000 numbers, found 50,001 rows of 1 columns"),
        (10, 2_049, 5, "found 10 rows of 2,049 columns"),
        (10_000, 1_001, 5, "found 10,000 rows of 1,001 columns; train on fewer, or with another algorithm"),
    ],
)
def test_what_is_too_much_to_carry_is_refused(rows: int, columns: int, neighbours: int, message: str) -> None:
    with pytest.raises(TrainingFailed, match=message):
        fit(np.zeros((rows, columns)), np.zeros(rows), n_neighbours=neighbours)
