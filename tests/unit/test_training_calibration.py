"""Calibration against what is known of it: it finds the distortion that was made, keeps order, and is never sure."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from forecastle.training import calibration
from forecastle.training.algorithms.fitted import pair
from forecastle.training.arrays import Floats, Integers
from forecastle.training.calibration import EASE, Isotonic, Platt, Temperature
from forecastle.training.errors import TrainingFailed
from forecastle.training.fields import CalibrationKind
from forecastle.training.metrics import calibration_error, log_loss


def drawn(count: int = 4000, *, seed: int = 0) -> tuple[Floats, Integers]:
    """True probabilities of the second class, and what came of them."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(1.5, 1.5, count)
    return truth, (rng.random(count) < truth).astype(np.int64)


def log_odds(probabilities: Floats) -> Floats:
    return np.asarray(np.log(probabilities) - np.log(1 - probabilities))


def sigmoid(score: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-score)))


def test_sigmoid_undoes_a_distortion_of_the_log_odds() -> None:
    truth, codes = drawn()
    boasted = pair(sigmoid(3.0 * log_odds(truth) + 1.0))
    found = calibration.fit("sigmoid", boasted, codes, classes=2)
    assert isinstance(found, Platt)
    assert found.slope == pytest.approx(1 / 3, rel=0.15)
    assert found.intercept == pytest.approx(-1 / 3, abs=0.1)
    fresh_truth, fresh = drawn(seed=1)
    before = pair(sigmoid(3.0 * log_odds(fresh_truth) + 1.0))
    after = found.apply(before)
    assert log_loss(fresh, after) < log_loss(fresh, before) - 0.1
    assert calibration_error(fresh, after) < 0.03 < calibration_error(fresh, before)


def test_sigmoid_is_the_logistic_regression_on_the_log_odds() -> None:
    truth, codes = drawn()
    found = calibration.fit("sigmoid", pair(truth), codes, classes=2)
    assert isinstance(found, Platt)
    eased = truth * (1 - 2 * EASE) + EASE
    oracle = LogisticRegression(C=1e9).fit(log_odds(eased)[:, None], codes)
    assert found.slope == pytest.approx(oracle.coef_[0, 0], rel=0.01)
    assert found.intercept == pytest.approx(oracle.intercept_[0], abs=0.01)


def test_a_small_sample_without_a_mistake_makes_nobody_certain() -> None:
    codes = np.array([0] * 10 + [1] * 10)
    found = calibration.fit("sigmoid", pair(np.where(codes == 1, 0.9, 0.1)), codes, classes=2)
    assert found.apply(pair(np.array([0.9])))[0, 1] == pytest.approx(11 / 12, abs=1e-3)


def test_a_model_that_is_wrong_about_the_direction_is_silenced_not_turned_round() -> None:
    truth, codes = drawn()
    found = calibration.fit("sigmoid", pair(1 - truth), codes, classes=2)
    assert isinstance(found, Platt)
    assert found.slope == 0
    assert found.apply(pair(truth))[:, 1] == pytest.approx(codes.mean(), abs=0.01)


def test_temperature_undoes_certainty_among_several_classes() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 4))
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    codes = (rng.random((4000, 1)) > truth.cumsum(axis=1)).sum(axis=1)
    boasted = np.exp(2.5 * logits) / np.exp(2.5 * logits).sum(axis=1, keepdims=True)
    found = calibration.fit("sigmoid", boasted, codes, classes=4)
    assert isinstance(found, Temperature)
    assert found.temperature == pytest.approx(2.5, rel=0.15)
    calibrated = found.apply(boasted)
    assert calibrated.sum(axis=1) == pytest.approx(1)
    assert (calibrated.argmax(axis=1) == boasted.argmax(axis=1)).all()


def test_isotonic_runs_through_the_middles_of_the_steps_that_fit_best() -> None:
    """Of fifty groups of twenty rows, each with one more row of the average share."""
    said = np.repeat(np.linspace(0.0105, 0.9905, 50), 20)
    codes = (np.random.default_rng(0).random(1000) < said**2).astype(np.int64)
    found = calibration.fit("isotonic", pair(said), codes, classes=2)
    assert isinstance(found, Isotonic)
    groups = said.reshape(50, 20)[:, 0]
    shares = (codes.reshape(50, 20).sum(axis=1) + codes.mean()) / 21
    steps = np.round(IsotonicRegression().fit(groups, shares).predict(groups), 9)
    for value in np.unique(steps):
        middle = pair(np.array([groups[steps == value].mean()]))
        assert found.apply(middle)[0, 1] == pytest.approx(value)


def test_isotonic_is_not_sure_of_what_few_rows_say() -> None:
    codes = np.array([0] * 20 + [1] * 20)
    found = calibration.fit("isotonic", pair(np.repeat([0.3, 0.7], 20)), codes, classes=2)
    assert found.apply(pair(np.array([0.0, 1.0])))[:, 1] == pytest.approx([0.5 / 21, 20.5 / 21])


def test_isotonic_mends_a_distortion_of_any_shape_and_keeps_the_order() -> None:
    truth, codes = drawn()
    found = calibration.fit("isotonic", pair(truth**3), codes, classes=2)
    fresh_truth, fresh = drawn(seed=1)
    after = found.apply(pair(fresh_truth**3))
    assert calibration_error(fresh, after) < 0.04 < calibration_error(fresh, pair(fresh_truth**3))
    assert (np.diff(after[np.argsort(fresh_truth), 1]) >= 0).all()
    assert 0 < after[:, 1].min() < after[:, 1].max() < 1


def test_isotonic_of_one_value_is_one_share() -> None:
    found = calibration.fit("isotonic", pair(np.full(8, 0.4)), np.array([0, 1] * 4), classes=2)
    assert found.apply(pair(np.array([0.0, 0.4, 1.0])))[:, 1] == pytest.approx(0.5)


@pytest.mark.parametrize("kind", ["sigmoid", "isotonic"])
def test_rows_of_one_class_teach_nothing(kind: CalibrationKind) -> None:
    with pytest.raises(TrainingFailed, match="the 20 rows held out of a window for it belong to one class"):
        calibration.fit(kind, pair(np.full(20, 0.4)), np.zeros(20, dtype=np.int64), classes=2)
