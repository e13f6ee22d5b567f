"""What every algorithm must do, for every task it has."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

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
from forecastle.training.fields import CalibrationKind
from forecastle.training.learn import Learned, Method, best_rounds, calibrate, learn
from forecastle.training.metrics import log_loss, mean_squared_error
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
        return Method(self.algorithm.name, options, range(features), "abcdef"[:features], fills, self.classes)

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
    assert np.isfinite(found).all()
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


def test_it_is_the_same_in_every_process() -> None:
    """Fitted here and in a process that hashes text differently, all of them give the same graphs."""
    done = subprocess.run(
        [sys.executable, __file__],
        env=os.environ | {"PYTHONHASHSEED": "4321", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == digests()


def digests() -> dict[str, str]:
    """The hash of each case's graph."""
    matrix = numbers(4, rows=150)
    fitted = {
        str(case): learn(case.method(4, subsample=0.7, n_estimators=4), matrix, case.target(matrix), [None] * 4)
        for case in CASES
    }
    return {name: hashlib.sha256(graph_of(learned, features=4)).hexdigest() for name, learned in fitted.items()}


def test_the_order_of_the_columns_is_irrelevant(case: Case) -> None:
    matrix, other = numbers(4), numbers(4, seed=6)
    categories: list[Categories | None] = [None, ("a", "b", "c"), None, None]
    for each in (matrix, other):
        each[:, 1] = np.random.default_rng(2).integers(-1, 3, len(each))
    turned = [3, 1, 0, 2]
    method = case.method(4, colsample_bytree=0.6, max_features=0.5)
    again = replace(method, order=[turned.index(column) for column in method.order])
    one = learn(method, matrix, case.target(matrix), categories)
    same = learn(again, matrix[:, turned], case.target(matrix), [categories[column] for column in turned])
    assert (one.predict(other) == same.predict(other[:, turned])).all()


def test_the_fit_and_the_prediction_leave_their_inputs_alone(case: Case) -> None:
    matrix, target = numbers(3), case.target(numbers(3))
    for array in (matrix, target):
        array.flags.writeable = False
    method = case.method(3, fills=True, balanced=bool(case.classes))
    learned = learn(method, matrix, target, [None] * 3)
    learned.predict(matrix)
    assert (matrix == numbers(3)).all()


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


@pytest.mark.parametrize("size", [1e-12, 1e12])
def test_it_learns_from_tiny_and_from_large_numbers(case: Case, size: float) -> None:
    matrix = numbers(3) * [1.0, size, 1.0 / size]
    target = case.target(numbers(3)) * (1.0 if case.classes else size)
    learned = learn(case.method(3), matrix, target, [None] * 3)
    graph = graph_of(learned, features=3)
    assert export.prove(graph, learned, matrix).max_abs_difference <= 1e-5 * np.abs(target).max()
    plain = learn(case.method(3), numbers(3), case.target(numbers(3)), [None] * 3).predict(numbers(3))
    assert learned.predict(matrix) / (1.0 if case.classes else size) == pytest.approx(plain, rel=0.2, abs=0.2)


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


def test_balanced_weights_give_a_rare_class_its_due(case: Case) -> None:
    """The rare one is the first, so that no order of the classes can be right by accident."""
    if not case.classes:
        return
    matrix = numbers(2)
    target = np.where(matrix[:, 0] + 0.5 * matrix[:, 1] < -1.4, 0.0, 1.0 + (matrix[:, 1] > 0) * (case.classes > 2))
    classes = int(target.max()) + 1
    plain, balanced = (
        learn(replace(case.method(2, balanced=weighed), classes=classes), matrix, target, [None] * 2).predict(
            numbers(2, seed=6)
        )
        for weighed in (False, True)
    )
    assert balanced[:, 0].mean() > plain[:, 0].mean() * 1.1


def bounds() -> list[Any]:
    """Each hyperparameter at either end of its range, where that is no matter of hours."""
    largest = {"n_estimators": 50, "n_neighbours": 400, "max_iter": 200, "early_stopping": 50}
    return [
        pytest.param(case, entry.name, value, id=f"{case}-{entry.name}-{value}")
        for case in CASES
        for entry in case.algorithm.hyperparameters
        if case.classes in {0, 3} and not (entry.name == "balanced" and not case.classes)
        for value in (
            (False, True) if entry.kind == "switch" else (entry.minimum, largest.get(entry.name, entry.maximum))
        )
    ]


@pytest.mark.parametrize(("case", "name", "value"), bounds())
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # ten iterations are allowed, and too few
def test_the_ends_of_a_hyperparameters_range_are_usable(case: Case, name: str, value: float) -> None:
    matrix = numbers(3)
    given: dict[str, Any] = {name: value}
    check(learn(case.method(3, **given), matrix, case.target(matrix), [None] * 3), numbers(3, seed=6))


BOOSTERS = [case for case in CASES if "early_stopping" in {entry.name for entry in case.algorithm.hyperparameters}]


@pytest.mark.parametrize("case", BOOSTERS, ids=str)
def test_early_stopping_finds_the_round_after_which_it_only_learns_noise(case: Case) -> None:
    matrix, held = numbers(3), numbers(3, seed=6)
    rng = np.random.default_rng(1)
    method = case.method(3, n_estimators=150, early_stopping=10, learning_rate=0.2)

    def found(target: Floats, held_target: Floats) -> int:
        return best_rounds(method, matrix, target, held, held_target, [None] * 3)

    signal, truth = case.target(matrix), case.target(held, seed=1)
    rounds = found(signal, truth)
    assert 1 <= rounds < 150
    assert found(signal, truth) == rounds
    noise = rng.permutation(signal)
    assert found(noise, rng.permutation(truth)) < rounds
    assert found(signal, np.where(truth == 0, 99, truth)) < 150  # a class that only the held-out rows have
    for count in (1, rounds):
        learned = learn(method.with_rounds(count), matrix, signal, [None] * 3)
        check(learned, held)


@pytest.mark.parametrize("case", BOOSTERS, ids=str)
def test_the_rounds_found_lose_less_than_all_of_them(case: Case) -> None:
    matrix, held = numbers(3), numbers(3, seed=6)
    target, truth = case.target(matrix), case.target(held, seed=1)
    method = case.method(3, n_estimators=300, early_stopping=20, learning_rate=0.3)
    rounds = best_rounds(method, matrix, target, held, truth, [None] * 3)

    def loss(count: int) -> float:
        predicted = learn(method.with_rounds(count), matrix, target, [None] * 3).predict(held)
        return log_loss(truth.astype(int), predicted) if case.classes else mean_squared_error(truth, predicted)

    assert loss(rounds) < min(loss(1), loss(300))


def test_a_class_that_a_window_has_not_seen_has_probability_zero(case: Case) -> None:
    if not case.classes:
        return
    matrix = numbers(2)
    method = Method(
        case.algorithm.name, case.method(2).options, range(2), "ab", fills_missing=False, classes=case.classes + 2
    )
    learned = learn(method, matrix, case.target(matrix) + 1, [None] * 2)
    predicted = learned.predict(matrix)
    assert predicted.shape == (ROWS, case.classes + 2)
    assert (predicted[:, [0, -1]] == 0).all()
    assert predicted.sum(axis=1) == pytest.approx(1)
    check(learned, matrix)


@pytest.mark.parametrize("kind", ["sigmoid", "isotonic"])
def test_calibrated_probabilities_are_part_of_the_graph(case: Case, kind: CalibrationKind) -> None:
    if not case.classes or (kind == "isotonic" and case.classes > 2):
        return
    matrix, held = numbers(3), numbers(3, seed=6)
    learned = learn(case.method(3), matrix, case.target(matrix), [None] * 3)
    calibrator = calibrate(kind, learned, held, case.target(held).astype(np.int64))
    calibrated = replace(learned, calibrator=calibrator)
    check(calibrated, numbers(3, seed=7))
    check(calibrated, 1e6 * numbers(3, seed=7))
    if case.classes == 2:
        order = np.argsort(learned.predict(held)[:, 1], kind="stable")
        assert (np.diff(calibrated.predict(held)[order, 1]) >= -1e-12).all()


def test_another_models_graph_is_found_out(case: Case) -> None:
    matrix = numbers(3)
    one, other = (learn(case.method(3), matrix, case.target(matrix * sign), [None] * 3) for sign in (1, -1))
    with pytest.raises(ExportMismatch) as caught:
        export.prove(graph_of(one, features=3), other, matrix)
    assert caught.value.difference > 1e-6


def test_the_catalogue_names_a_module_for_every_algorithm(case: Case) -> None:
    assert callable(import_module(case.algorithm.module).fit)


if __name__ == "__main__":
    print(json.dumps(digests()))  # noqa: T201  read by the test that starts it
