"""Metrics agree with scikit-learn's, and leave out what is undefined."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from forecastle.training import metrics


@given(seed=st.integers(0, 10_000), rows=st.integers(2, 60))
def test_regression_agrees_with_scikit_learn(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.normal(size=rows), rng.normal(size=rows)
    found = metrics.regression(truth, predicted)
    assert found["mse"] == pytest.approx(oracle.mean_squared_error(truth, predicted))
    assert found["mae"] == pytest.approx(oracle.mean_absolute_error(truth, predicted))
    assert found["rmse"] == pytest.approx(oracle.root_mean_squared_error(truth, predicted))
    assert found["r2"] == pytest.approx(oracle.r2_score(truth, predicted))


@given(seed=st.integers(0, 10_000), rows=st.integers(5, 60), classes=st.integers(2, 5))
def test_classification_agrees_with_scikit_learn(seed: int, rows: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, rows)
    probabilities = rng.dirichlet(np.ones(classes), rows)
    decided = probabilities.argmax(axis=1)
    found = metrics.classification(truth, probabilities)
    average = "binary" if classes == 2 else "macro"
    precision, recall, f1, _ = oracle.precision_recall_fscore_support(truth, decided, average=average, zero_division=0)
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(truth, decided))
    assert (found["precision"], found["recall"], found["f1"]) == pytest.approx((precision, recall, f1))
    assert found["log_loss"] == pytest.approx(oracle.log_loss(truth, probabilities, labels=range(classes)))
    outcomes = np.eye(classes)[truth]
    brier = ((probabilities - outcomes) ** 2).sum(axis=1).mean() / (2 if classes == 2 else 1)
    assert found["brier"] == pytest.approx(brier)
    expected = oracle.confusion_matrix(truth, decided, labels=range(classes))
    assert (metrics.confusion(truth, decided, classes=classes) == expected).all()


def test_probabilities_that_come_true_as_often_as_they_say_have_no_calibration_error() -> None:
    truth = np.array([0, 0, 0, 1] * 10 + [1, 1, 1, 0] * 10)
    second = np.repeat([0.25, 0.75], 40)
    assert metrics.calibration_error(truth, np.column_stack([1 - second, second])) == pytest.approx(0, abs=1e-15)
    boasted = np.repeat([0.05, 1.0], 40)
    found = metrics.calibration_error(truth, np.column_stack([1 - boasted, boasted]))
    assert found == pytest.approx((0.2 + 0.25) / 2)


def test_of_several_classes_the_certainty_of_the_likeliest_is_held_against_how_often_it_is_right() -> None:
    probabilities = np.tile([0.2, 0.7, 0.1], (10, 1))
    assert metrics.calibration_error(np.array([1] * 4 + [0] * 6), probabilities) == pytest.approx(0.3)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=50))
def test_the_area_under_the_curve_agrees_with_scikit_learn_ties_included(pairs: list[tuple[bool, int]]) -> None:
    truth = np.array([positive for positive, _ in pairs])
    score = np.array([value for _, value in pairs], dtype=np.float64)
    if truth.any() and not truth.all():
        assert metrics.roc_auc(truth, score) == pytest.approx(oracle.roc_auc_score(truth, score))


def test_what_is_undefined_is_left_out() -> None:
    assert "r2" not in metrics.regression(np.ones(5), np.zeros(5))
    assert "roc_auc" not in metrics.classification(np.zeros(5, dtype=np.int64), np.full((5, 2), 0.5))
    assert "mse" not in metrics.regression(np.array([1e300, -1e300]), np.array([-1e300, 1e300]))


def test_a_certain_error_costs_much_but_not_infinitely() -> None:
    certain = metrics.classification(np.array([1, 0]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert certain["log_loss"] == pytest.approx(-np.log(1e-15) / 2)


def test_averages_are_taken_over_what_every_fold_measured() -> None:
    assert metrics.average([{"a": 1.0, "b": 2.0}, {"a": 3.0}]) == {"a": 2.0}
    folds = [{"mean": {"a": 1.0}, "climatology": {"a": 1.0}}, {"mean": {"a": 2.0}}]
    assert metrics.average_each(folds) == {"mean": {"a": 1.5}}
