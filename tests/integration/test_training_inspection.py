"""What a training keeps for the report of its model."""

from pathlib import Path

import pytest
from training_desk import DIRECTION, HEAT, Desk, people, prices, weather

from forecastle.registry import manifest as manifests
from forecastle.training import metrics
from forecastle.training.fitting import fit_rows
from forecastle.training.inspection import TRACED
from forecastle.training.steps import TRAINING, method


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_regression_in_time_shows_residuals_a_trace_and_what_fewer_rows_taught(desk: Desk) -> None:
    order = desk.order(desk.add("weather", weather(), keys=("city",)), HEAT)
    manifest = desk.train(order).manifest
    (fold,) = manifest.folds
    found = manifest.diagnostics
    assert found.reliability is None
    assert found.residuals is not None
    assert sum(found.residuals.histogram.counts) == fold.test_rows
    assert found.residuals.quantiles == found.residuals.folds[0]
    assert found.trace is not None
    assert len(found.trace.times) == len(found.trace.predicted) == len(found.trace.observed) <= TRACED
    assert found.trace.times[-1] == fold.test_end
    assert list(found.trace.times) == sorted(set(found.trace.times)), "of one series only"
    assert [point.rows for point in found.learning] == [fold.train_rows // 16, fold.train_rows // 4, fold.train_rows]
    assert found.learning[-1].value == fold.metrics["rmse"]


def test_the_learning_curve_learns_from_the_rows_nearest_to_the_test(desk: Desk) -> None:
    order = desk.order(desk.add("weather", weather(), keys=("city",)), HEAT)
    manifest = desk.train(order).manifest
    study = desk.study(order)
    (window,) = TRAINING.divide(study)
    few = fit_rows(study, method(study), window.train[-(len(window.train) // 16) :])
    predicted = few.learned.predict(few.matrix(study.samples.rows[window.test]))
    expected = metrics.regression(study.samples.target[window.test], predicted)["rmse"]
    assert manifest.diagnostics.learning[0].value == pytest.approx(expected, rel=1e-12)


def test_classes_show_whether_probabilities_come_true(desk: Desk) -> None:
    manifest = desk.train(desk.order(desk.add("prices", prices()), DIRECTION)).manifest
    found = manifest.diagnostics
    assert (found.residuals, found.trace) == (None, None)
    assert found.reliability is not None
    assert found.reliability.of == manifest.classes[1]
    assert sum(band.rows for band in found.reliability.bands) == sum(fold.test_rows for fold in manifest.folds)


def test_a_table_without_time_has_no_trace(desk: Desk) -> None:
    document = {"features": ["trade"], "algorithm": "ridge", "target": "age"}
    manifest = desk.train(desk.order(desk.add("people", people(), time="none"), document)).manifest
    assert manifest.diagnostics.trace is None
    assert manifest.diagnostics.residuals is not None


def test_too_few_rows_to_take_parts_of_make_no_learning_curve(desk: Desk) -> None:
    table = {name: values[:100] for name, values in people().items()}
    document = {"features": ["trade"], "algorithm": "ridge", "target": "age"}
    manifest = desk.train(desk.order(desk.add("people", table, time="none"), document)).manifest
    assert manifest.diagnostics.learning == ()


def test_a_manifest_stays_small(desk: Desk) -> None:
    document = DIRECTION | {"split": {"kind": "walk_forward", "train": 100, "test": 10}}
    manifest = desk.train(desk.order(desk.add("prices", prices()), document)).manifest
    assert len(manifest.folds) > 40
    assert len(manifests.encode(manifest)) < 200_000
    assert manifests.decode(manifests.encode(manifest)) == manifest
