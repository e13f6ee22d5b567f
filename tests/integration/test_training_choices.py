"""What is settled on the inner validation stretch, and what out-of-sample rows say of a model: in whole trainings."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from training_desk import DIRECTION, HEAT, Desk, people, prices, weather

from forecastle.training.errors import BadRecipe, TooFewRows
from forecastle.training.fitting import FittedRows
from forecastle.training.recipe import Recipe
from forecastle.training.splits import Window
from forecastle.training.steps import TRAINING, method
from forecastle.training.study import Study, Tables

STOPPED = {"n_estimators": 300, "early_stopping": 10, "learning_rate": 0.1}
MOST_TRADES: dict[str, Any] = {"features": ["age", "hours"], "missing": "median", "target": "rich"}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("algorithm", ["lightgbm", "xgboost"])
def test_the_rounds_found_are_recorded_for_each_window_and_shown(desk: Desk, algorithm: str) -> None:
    document = HEAT | {"algorithm": algorithm, "hyperparameters": STOPPED}
    document["split"] = {"kind": "walk_forward", "train": 400, "test": 150}
    trained = desk.train(desk.order(desk.add("weather", weather(), keys=("city",)), document))
    rounds = [fold.rounds for fold in trained.manifest.folds]
    assert len(rounds) == 2
    assert trained.manifest.rounds is not None
    for number in (*rounds, trained.manifest.rounds):
        assert number is not None
        assert 1 <= number < 300
    assert any(f"best after {rounds[0]} rounds" in line for line in trained.lines)


def test_without_early_stopping_no_rounds_are_recorded(desk: Desk) -> None:
    manifest = desk.train(desk.order(desk.add("prices", prices()), DIRECTION)).manifest
    assert manifest.rounds is None
    assert {fold.rounds for fold in manifest.folds} == {None}


def test_a_plain_table_stops_on_a_draw(desk: Desk) -> None:
    document = MOST_TRADES | {"algorithm": "lightgbm", "hyperparameters": STOPPED, "calibration": "sigmoid"}
    dataset = desk.add("people", people(), time="none")
    one, again = (desk.train(desk.order(dataset, document)).manifest for _ in range(2))
    assert one.rounds is not None
    assert (one.rounds, one.metrics, one.calibration) == (again.rounds, again.metrics, again.calibration)


# --- leaks -------------------------------------------------------------------------------------------------------


def changed_in_the_test(tables: Tables, study: Study, window: Window) -> Tables:
    """The tables with every number from the test window on replaced, and its text too."""
    time = tables.facts.time
    assert time is not None
    first = study.frame[time][int(study.samples.rows[window.test[0]])]
    late = pl.col(time) >= first

    def other(name: str, dtype: pl.DataType) -> pl.Expr:
        return pl.col(name) * -50 + 7 if dtype.is_numeric() else pl.lit("sun")

    columns = [
        pl.when(late).then(other(name, dtype)).otherwise(pl.col(name)).alias(name)
        for name, dtype in tables.frame.schema.items()
        if name != time and name not in tables.facts.keys
    ]
    return replace(tables, frame=tables.frame.with_columns(columns))


def fitted(recipe: Recipe, tables: Tables) -> tuple[Study, Window, FittedRows]:
    study = TRAINING.study(recipe, tables)
    (window,) = TRAINING.windows(study)
    return study, window, TRAINING.fit(study, method(study), window.train)


@pytest.mark.parametrize(
    "document",
    [
        {"algorithm": "lightgbm", "hyperparameters": STOPPED},
        {"algorithm": "xgboost", "hyperparameters": STOPPED},
        {"algorithm": "lightgbm", "hyperparameters": STOPPED, "target": "sky", "calibration": "sigmoid"},
        {"algorithm": "logistic", "target": "sky", "calibration": "isotonic"},
        {"algorithm": "nearest_neighbours", "target": "sky", "calibration": "sigmoid", "missing": "median"},
    ],
    ids=str,
)
def test_nothing_in_the_test_window_takes_part_in_a_choice(desk: Desk, document: dict[str, Any]) -> None:
    """Not in the number of rounds, nor in the calibration, nor in the fit that follows them."""
    target = {"column": document.get("target", "heat"), "horizon": 3}
    features = ["regime = mixture(heat)", "heat", "wind", "city"]
    order = desk.order(
        desk.add("weather", weather(), keys=("city",)), HEAT | document | {"target": target, "features": features}
    )
    tables = desk.tables(order)
    study, window, one = fitted(order.recipe, tables)
    changed, same, other = fitted(order.recipe, changed_in_the_test(tables, study, window))
    assert (changed.samples.target[window.test] != study.samples.target[window.test]).any()
    assert same.train.tolist() == window.train.tolist()
    assert one.rounds == other.rounds
    assert (one.learned.calibrator is None) == (document.get("calibration") is None)
    rows = study.samples.rows[window.train]
    assert (one.learned.predict(one.matrix(rows)) == other.learned.predict(other.matrix(rows))).all()


# --- calibration -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sigmoid", "isotonic"])
def test_figures_are_given_before_and_after_calibration(desk: Desk, kind: str) -> None:
    document = MOST_TRADES | {"algorithm": "lightgbm", "calibration": kind}
    dataset = desk.add("people", people(count=1500), time="none")
    trained = desk.train(desk.order(dataset, document))
    metrics = trained.manifest.metrics
    for name in ("log_loss", "brier", "calibration_error"):
        assert metrics[name] < metrics[f"{name}_uncalibrated"]
        assert f"{name}_uncalibrated" not in trained.manifest.baselines["prior"]
    learned = {"sigmoid": {"slope", "intercept"}, "isotonic": {"knots", "least", "most"}}[kind]
    assert trained.manifest.calibration is not None
    assert trained.manifest.calibration.keys() == learned
    plain = desk.train(desk.order(dataset, MOST_TRADES | {"algorithm": "lightgbm"}))
    assert plain.manifest.metrics["log_loss"] == pytest.approx(metrics["log_loss_uncalibrated"])
    row = [[66, 40]]
    one, other = (each.predictor.predict(each.predictor.encode(row)).probabilities for each in (trained, plain))
    assert one is not None
    assert other is not None
    assert 0 < one[0, 1] != other[0, 1]


def test_isotonic_is_for_two_classes(desk: Desk) -> None:
    document = {"features": ["age", "hours"], "missing": "median", "algorithm": "logistic", "target": "trade"}
    order = desk.order(desk.add("people", people(), time="none"), document | {"calibration": "isotonic"})
    with pytest.raises(BadRecipe, match="calibration: expected sigmoid for 3 classes, found isotonic"):
        desk.train(order)


def test_too_few_rows_to_choose_on_name_what_wants_them(desk: Desk) -> None:
    document = DIRECTION | {"calibration": "sigmoid", "split": {"kind": "walk_forward", "train": 40, "test": 20}}
    with pytest.raises(TooFewRows, match="calibration: expected at least 10 rows in the inner validation stretch"):
        desk.train(desk.order(desk.add("prices", prices(count=200)), document))


# --- intervals ---------------------------------------------------------------------------------------------------


def test_an_interval_covers_the_share_asked_for(desk: Desk) -> None:
    document = HEAT | {"interval": 0.8, "split": {"kind": "walk_forward", "train": 300, "test": 100}}
    manifest = desk.train(desk.order(desk.add("weather", weather(), keys=("city",)), document)).manifest
    found = manifest.interval
    assert found is not None
    first, *later = (fold.test_rows for fold in manifest.folds)
    assert (found.rows, found.measured_rows) == (first + sum(later), sum(later))
    assert found.lower < 0 < found.upper
    assert found.measured_coverage == pytest.approx(0.8, abs=0.04)
    assert found.upper - found.lower == pytest.approx(2 * 1.28 * manifest.metrics["rmse"], rel=0.15)


def test_too_few_rows_for_an_interval_are_refused(desk: Desk) -> None:
    order = desk.order(
        desk.add("prices", prices(count=60)),
        HEAT | {"features": ["close"], "target": {"column": "close", "horizon": 1}, "interval": 0.99},
    )
    with pytest.raises(TooFewRows, match=r"interval: expected at least 199 out-of-sample rows .* found 12"):
        desk.train(order)


# --- models that learn nothing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "nothing"),
    [
        ({"algorithm": "elastic_net", "hyperparameters": {"alpha": 100}}, True),
        ({"algorithm": "elastic_net", "hyperparameters": {"alpha": 0.001}}, False),
        ({"algorithm": "nearest_neighbours"}, False),
        ({"algorithm": "nearest_neighbours", "features": ["wind - wind"]}, True),
    ],
    ids=str,
)
def test_a_model_without_a_coefficient_says_so(desk: Desk, document: dict[str, Any], *, nothing: bool) -> None:
    trained = desk.train(desk.order(desk.add("weather", weather(), keys=("city",)), HEAT | document))
    assert any("no feature matters to this model" in line for line in trained.lines) == nothing
    assert set(trained.manifest.importances["permutation"]) == {each.name for each in trained.manifest.features}


# --- refused before there is a job -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"calibration": "sigmoid"}, "calibration: expected nothing for a regression, found sigmoid"),
        ({"calibration": "platt"}, "calibration: expected 'sigmoid' or 'isotonic', found \"platt\""),
        ({"interval": 1.0}, "interval: expected at most 0.999, found 1.0"),
        ({"interval": "wide"}, 'interval: expected a number, found "wide"'),
        (
            {"interval": 0.8, "algorithm": "logistic", "target": "sky"},
            "interval: expected nothing for a classification",
        ),
        ({"hyperparameters": {"early_stopping": 5}}, "hyperparameters.early_stopping: expected one of alpha for ridge"),
        (
            {"algorithm": "linear", "hyperparameters": {"alpha": 1}},
            "hyperparameters.alpha: expected nothing for linear",
        ),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_by_name(desk: Desk, document: dict[str, Any], message: str) -> None:
    dataset = desk.add("weather", weather(), keys=("city",))
    with pytest.raises(BadRecipe) as caught:
        desk.order(dataset, HEAT | document)
    assert message in caught.value.message
