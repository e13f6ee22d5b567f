"""What every algorithm must do, for every task it has."""

from dataclasses import dataclass
from importlib import import_module

import numpy as np
import onnxruntime
import pytest

from forecastle.registry.manifest import Task
from forecastle.training import export
from forecastle.training.algorithms import catalogue
from forecastle.training.algorithms.catalogue import ALGORITHMS, Algorithm
from forecastle.training.algorithms.fitted import Options
from forecastle.training.arrays import Floats
from forecastle.training.errors import ExportMismatch
from forecastle.training.learn import Learned, Method, learn
from forecastle.training.preprocess import Categories

ROWS = 400
SMALL = {"n_estimators": 12}
MEASURE = {name: ["coefficient"] for name in ("linear", "ridge", "elastic_net", "logistic")} | {
    "nearest_neighbours": []
}


@dataclass(frozen=True, slots=True)
class Case:
    algorithm: Algorithm
    task: Task
    classes: int

    def __str__(self) -> str:
        return f"{self.algorithm.name}-{self.task}" + (f"-{self.classes}" if self.classes else "")

    def method(self, features: int, *, seed: int = 1, fills: bool = False, **hyperparameters: float) -> Method:
        known = {entry.name for entry in self.algorithm.hyperparameters}
        given = {name: value for name, value in (SMALL | hyperparameters).items() if name in known}
        options = Options(self.task, catalogue.complete(self.algorithm, given), seed)
        return Method(self.algorithm.name, options, range(features), fills, self.classes)

    def target(self, matrix: Floats, *, seed: int = 0) -> Floats:
        """Something that depends on the columns, with noise."""
        noise = np.random.default_rng(seed).normal(size=len(matrix))
        signal: Floats = np.nan_to_num(matrix).clip(-10, 10).sum(axis=1) + 0.3 * noise
        if not self.classes:
            return signal
        bounds = np.quantile(signal, np.arange(1, self.classes) / self.classes)
        return np.digitize(signal, bounds).astype(np.float64)


CASES = [
    Case(algorithm, task, classes)
    for algorithm in ALGORITHMS.values()
    for task in algorithm.tasks
    for classes in ((0,) if task == "regression" else (2, 3, 7))
]


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def numbers(columns: int, *, rows: int = ROWS, seed: int = 5) -> Floats:
    return np.random.default_rng(seed).normal(size=(rows, columns))


def graph_of(learned: Learned, *, features: int) -> bytes:
    return export.build(learned, features=features)


def answers(graph: bytes, matrix: Floats) -> Floats:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    found: Floats = session.run(None, {"features": matrix})[0]
    return found


def check(learned: Learned, matrix: Floats) -> bytes:
    """The graph predicts what the trainer predicts, with the right shape; for classes, probabilities."""
    graph = graph_of(learned, features=matrix.shape[1])
    parity = export.prove(graph, learned, matrix)
    assert parity.rows == len(matrix)
    found = answers(graph, matrix)
    assert found.dtype == np.float64
    assert found.shape == ((len(matrix), learned.classes) if learned.classes else (len(matrix),))
    if learned.classes:
        assert (found >= 0).all()
        assert found.sum(axis=1) == pytest.approx(1)
    return graph


def test_it_exports_what_it_predicts(case: Case) -> None:
    matrix = numbers(5)
    learned = learn(case.method(5), matrix, case.target(matrix), [None] * 5)
    check(learned, matrix)
    check(learned, numbers(5, seed=6))


def test_it_learns_something(case: Case) -> None:
    matrix = numbers(2)
    target = case.target(matrix)
    method = case.method(2, n_estimators=60, min_samples_leaf=2, learning_rate=0.2)
    predicted = learn(method, matrix, target, [None] * 2).predict(numbers(2, seed=6))
    truth = case.target(numbers(2, seed=6))
    if case.classes:
        likeliest = np.bincount(truth.astype(int)).max() / len(truth)
        assert (predicted.argmax(axis=1) == truth).mean() > likeliest + 0.1
    else:
        assert ((predicted - truth) ** 2).mean() < 0.5 * truth.var()


def test_it_is_reproducible_by_its_seed(case: Case) -> None:
    matrix = numbers(5)
    method = case.method(5, max_features=0.5, subsample=0.7, colsample_bytree=0.6)
    first, again = (graph_of(learn(method, matrix, case.target(matrix), [None] * 5), features=5) for _ in range(2))
    assert first == again


def test_one_row_at_a_time_equals_many(case: Case) -> None:
    matrix = numbers(4)
    graph = graph_of(learn(case.method(4), matrix, case.target(matrix), [None] * 4), features=4)
    many = answers(graph, matrix[:50])
    alone = np.concatenate([answers(graph, row[None]) for row in matrix[:50]])
    assert alone == pytest.approx(many, rel=1e-12, abs=1e-14)
    assert answers(graph, matrix[:0]).shape == (0, *many.shape[1:])


def test_one_feature_is_enough(case: Case) -> None:
    matrix = numbers(1)
    check(learn(case.method(1), matrix, case.target(matrix), [None]), matrix)


def test_a_constant_feature_does_no_harm(case: Case) -> None:
    matrix = np.column_stack([numbers(1), np.full(ROWS, 3.0)])
    learned = learn(case.method(2), matrix, case.target(matrix), [None] * 2)
    check(learned, matrix)
    check(learned, matrix + np.array([[0, 100]]))  # it is not constant for ever


def test_nothing_but_a_constant_feature_gives_a_constant_prediction(case: Case) -> None:
    matrix = np.full((ROWS, 1), 3.0)
    learned = learn(case.method(1), matrix, case.target(numbers(1)), [None])
    check(learned, matrix)
    assert np.ptp(learned.predict(matrix), axis=0).max() == 0


def test_categories_known_and_unknown(case: Case) -> None:
    categories: list[Categories | None] = [("a", "b", "c"), None, ("x",)]
    rng = np.random.default_rng(2)
    matrix = np.column_stack([rng.integers(-1, 3, ROWS), rng.normal(size=ROWS), rng.integers(-1, 1, ROWS)])
    learned = learn(case.method(3), matrix, case.target(matrix), categories)
    check(learned, export.probes(matrix, tuple(categories), fills_missing=False))


def test_nothing_but_categories(case: Case) -> None:
    matrix = np.random.default_rng(2).integers(-1, 3, (ROWS, 2)).astype(np.float64)
    categories: list[Categories | None] = [("a", "b", "c"), ("x", "y", "z")]
    check(learn(case.method(2), matrix, case.target(matrix), categories), matrix)


def test_missing_numbers_are_filled_inside_the_graph(case: Case) -> None:
    matrix = numbers(3)
    matrix[np.random.default_rng(3).random(matrix.shape) < 0.2] = np.nan
    learned = learn(case.method(3, fills=True), matrix, case.target(matrix), [None] * 3)
    check(learned, export.probes(matrix, (None,) * 3, fills_missing=True))
    assert np.isfinite(answers(graph_of(learned, features=3), np.full((1, 3), np.nan))).all()


def test_arrays_in_any_layout_give_the_same_model(case: Case) -> None:
    matrix = numbers(4)
    target = case.target(matrix)
    plain = learn(case.method(4), matrix, target, [None] * 4)
    strided = np.zeros((ROWS * 2, 8))
    strided[::2, ::2] = matrix
    other = learn(case.method(4), strided[::2, ::2], np.repeat(target, 2)[::2], [None] * 4)
    assert graph_of(plain, features=4) == graph_of(other, features=4)
    assert (plain.predict(np.asfortranarray(matrix)) == plain.predict(matrix)).all()


@pytest.mark.parametrize("size", [1e-300, 1e-40, 1e-35, 1e30, 1e60, 1e300])
def test_extreme_values_are_predicted_alike(case: Case, size: float) -> None:
    matrix = numbers(3)
    learned = learn(case.method(3), matrix, case.target(matrix), [None] * 3)
    graph = graph_of(learned, features=3)
    extreme = np.sign(matrix) * size
    with np.errstate(over="ignore"):
        expected = learned.predict(extreme)
    assert answers(graph, extreme) == pytest.approx(expected, rel=1e-9, abs=learned.atol)


def test_values_around_a_threshold_go_the_same_way(case: Case) -> None:
    """Integers and their neighbours: thresholds lie on or between them, and float32 cannot tell all of them apart."""
    matrix = np.random.default_rng(4).integers(-3, 4, (ROWS, 2)) / 2.0
    matrix[:, 1] += 16_777_216  # beyond which float32 skips integers
    learned = learn(case.method(2), matrix, case.target(matrix - [[0, 16_777_216]]), [None] * 2)
    halves = np.concatenate([matrix, matrix + 0.25, matrix - 0.25])
    check(learned, np.concatenate([halves, np.nextafter(halves, np.inf), np.nextafter(halves, -np.inf)]))


def test_importances_are_given_for_every_column(case: Case) -> None:
    matrix = np.column_stack([numbers(1), np.full(ROWS, 3.0)])
    learned = learn(case.method(2), matrix, case.target(matrix), [None] * 2)
    found = learned.fitted.importances()
    assert list(found) == MEASURE.get(case.algorithm.name, ["tree"])
    for weights in found.values():
        assert weights.shape == (2,)
        assert weights[0] > weights[1] == 0


def test_a_class_that_a_window_has_not_seen_has_probability_zero(case: Case) -> None:
    if not case.classes:
        return
    matrix = numbers(2)
    method = Method(
        case.algorithm.name, case.method(2).options, range(2), fills_missing=False, classes=case.classes + 2
    )
    learned = learn(method, matrix, case.target(matrix) + 1, [None] * 2)
    predicted = learned.predict(matrix)
    assert predicted.shape == (ROWS, case.classes + 2)
    assert (predicted[:, [0, -1]] == 0).all()
    assert predicted.sum(axis=1) == pytest.approx(1)


def test_another_models_graph_is_found_out(case: Case) -> None:
    matrix = numbers(3)
    one, other = (learn(case.method(3), matrix, case.target(matrix * sign), [None] * 3) for sign in (1, -1))
    with pytest.raises(ExportMismatch) as caught:
        export.prove(graph_of(one, features=3), other, matrix)
    assert caught.value.difference > 1e-6


def test_the_catalogue_names_a_module_for_every_algorithm(case: Case) -> None:
    assert callable(import_module(case.algorithm.module).fit)
