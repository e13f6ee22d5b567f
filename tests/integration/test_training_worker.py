"""A training from a table on disk to a stored model, and the traps on the way."""

import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from training_desk import DAYS, DIRECTION, HEAT, QUICK, Desk, people, prices, weather

from forecastle.data.errors import TableMissing
from forecastle.errors import BadInput
from forecastle.features.errors import BadExpression, TooManyMissing
from forecastle.features.kept import CHECKSUMS
from forecastle.training import export
from forecastle.training.errors import BadRecipe, ExportMismatch, LeakageFound, TooFewRows, TrainingFailed
from forecastle.training.evaluate import evaluate
from forecastle.training.fitting import fit_rows
from forecastle.training.order import Order
from forecastle.training.splits import Window
from forecastle.training.steps import TRAINING, method, windows
from forecastle.training.study import Study


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_series_model_is_trained_proved_stored_and_described(desk: Desk) -> None:
    trained = desk.train(desk.order(desk.add("weather", weather(), keys=("city",)), HEAT))
    manifest = trained.manifest
    assert [column.name for column in manifest.features] == ["heat", "mean7", "city", "wind", "season"]
    assert manifest.features[2].categories == ("Oslo", "Rome")
    assert (manifest.task, manifest.classes, manifest.target.horizon) == ("regression", (), 1)
    assert manifest.trained_rows == 2 * (DAYS - 7)
    assert manifest.trained_until == "2017-03-09T00:00:00+00:00"
    assert set(manifest.baselines) == {"mean", "persistence", "climatology"}
    assert manifest.metrics["rmse"] < manifest.baselines["persistence"]["rmse"]
    assert manifest.metrics.keys() == {"mse", "mae", "rmse", "r2", "rmse_target_units"}
    assert manifest.metrics["rmse"] == manifest.metrics["rmse_target_units"]
    (fold,) = manifest.folds
    assert fold.train_end < fold.test_start
    assert fold.dropped_rows == 2
    assert manifest.importances.keys() == {"permutation", "coefficient"}
    assert manifest.importances["permutation"].keys() == {column.name for column in manifest.features}
    assert manifest.parity is not None
    assert manifest.parity.rows > fold.test_rows
    assert manifest.parity.max_abs_difference < 1e-10
    rows = trained.predictor.encode([[10.0, 9.0, "Oslo", 1.0, 0.5], [10.0, 9.0, "Rome", 1.0, 0.5]])
    oslo, rome = trained.predictor.predict(rows).values
    assert isinstance(oslo, float)
    assert isinstance(rome, float)
    assert rome > oslo


def test_phases_and_progress_are_reported_in_order(desk: Desk) -> None:
    trained = desk.train(desk.order(desk.add("prices", prices()), DIRECTION))
    statuses = [report.status for report in trained.reports]
    assert statuses == sorted(statuses, key=["preprocessing", "training"].index)
    assert set(statuses) == {"preprocessing", "training"}
    shares = [report.share for report in trained.reports]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert any("window 2 of 3: accuracy" in line for line in trained.lines)


@pytest.mark.parametrize("removed", ["prices", "index"])
def test_a_waiting_job_names_the_dataset_that_was_removed_before_it_ran(desk: Desk, removed: str) -> None:
    tables = {"prices": desk.add("prices", prices()), "index": desk.add("index", prices(seed=1))}
    order = desk.order(tables["prices"], DIRECTION | {"context": ["index"]}, {"index": tables["index"]})
    desk.store.remove(tables[removed].sha256)
    with pytest.raises(TableMissing, match=f"dataset '{removed}' was removed, or its file datasets/.* is lost"):
        desk.train(order)


def test_walk_forward_measures_every_window_and_averages(desk: Desk) -> None:
    manifest = desk.train(desk.order(desk.add("prices", prices()), DIRECTION)).manifest
    assert [fold.test_rows for fold in manifest.folds] == [150] * 3
    assert manifest.metrics["accuracy"] == pytest.approx(np.mean([fold.metrics["accuracy"] for fold in manifest.folds]))
    for fold in manifest.folds:
        assert np.sum(fold.confusion) == fold.test_rows
        assert np.trace(fold.confusion) / fold.test_rows == pytest.approx(fold.metrics["accuracy"])
    assert set(manifest.baselines) == {"prior"}
    of_decisions, of_probabilities = {"accuracy", "precision", "recall", "f1"}, {"log_loss", "brier", "roc_auc"}
    assert manifest.metrics.keys() == {*of_decisions, *of_probabilities, "calibration_error"}


@pytest.mark.parametrize("algorithm", ["logistic", "random_forest", "lightgbm", "xgboost", "nearest_neighbours"])
def test_a_plain_table_with_gaps_and_categories(desk: Desk, algorithm: str) -> None:
    document = {
        "features": ["age", "trade", "hours"],
        "algorithm": algorithm,
        "target": "rich",
        "missing": "median",
    }
    trained = desk.train(desk.order(desk.add("people", people(), time="none"), document))
    assert trained.manifest.classes == ("no", "yes")
    assert trained.manifest.metrics["accuracy"] > trained.manifest.baselines["prior"]["accuracy"]
    assert trained.manifest.trained_until is None
    assert set(trained.manifest.baselines) == {"prior"}
    output = trained.predictor.predict(
        trained.predictor.encode([[66, "smith", None], [20, "baker", 30], [20, None, 1]])
    )
    assert output.values == ["yes", "no", "no"]


def test_a_number_may_be_a_class(desk: Desk) -> None:
    table = people() | {"grade": [value // 15 for value in people()["age"]]}
    document = {
        "features": ["age"],
        "algorithm": "random_forest",
        "target": {"column": "grade", "task": "classification"},
    }
    manifest = desk.train(desk.order(desk.add("people", table, time="none"), document)).manifest
    assert manifest.classes == ("1", "2", "3", "4")
    assert manifest.metrics["accuracy"] > 0.95


def test_returns_are_measured_in_prices_too(desk: Desk) -> None:
    document = DIRECTION | {"algorithm": "ridge", "hyperparameters": {}}
    document["target"] = {"column": "close", "transform": "log_return"}
    manifest = desk.train(desk.order(desk.add("prices", prices()), document)).manifest
    assert 0.005 < manifest.metrics["rmse"] < 0.02
    assert 0.5 < manifest.metrics["rmse_target_units"] < 5
    # no change, in returns, is the present price, in prices
    assert manifest.baselines["persistence"]["rmse_target_units"] == pytest.approx(1, rel=0.5)


def test_the_declared_order_is_that_of_the_input_and_changes_no_prediction(desk: Desk) -> None:
    dataset = desk.add("weather", weather(), keys=("city",))
    settings = {"algorithm": "lightgbm", "hyperparameters": QUICK | {"colsample_bytree": 0.5}}
    forwards = desk.train(desk.order(dataset, HEAT | settings))
    backwards = desk.train(desk.order(dataset, HEAT | settings | {"features": HEAT["features"][::-1]}))
    names = [column.name for column in forwards.manifest.features]
    assert [column.name for column in backwards.manifest.features] == names[::-1]
    row = {"heat": 12.5, "mean7": 11.0, "city": "Rome", "wind": 2.0, "season": -0.3}
    one, other = (each.predictor.predict(each.predictor.encode([row])).values for each in (forwards, backwards))
    assert one == other
    assert forwards.manifest.metrics == backwards.manifest.metrics


def test_context_series_join_by_time(desk: Desk) -> None:
    market, index = desk.add("market", prices()), desk.add("QQQ", prices(seed=1))
    document = DIRECTION | {"features": ["ret(close, 1)", "ret(close_QQQ, 1)"], "context": ["QQQ"]}
    manifest = desk.train(desk.order(market, document, {"QQQ": index})).manifest
    assert [column.name for column in manifest.features] == ["ret(close, 1)", "ret(close_QQQ, 1)"]


def test_only_the_selected_keys_are_learned_from(desk: Desk) -> None:
    dataset = desk.add("weather", weather(), keys=("city",))
    manifest = desk.train(desk.order(dataset, HEAT | {"keys": ["rome"]})).manifest
    assert manifest.features[2].categories == ("Rome",)
    assert manifest.trained_rows == DAYS - 7


# --- traps -------------------------------------------------------------------------------------------------------


def changed_after(study: Study, window: Window) -> pl.DataFrame:
    """The study's table with every number after the training window replaced."""
    last = int(study.samples.rows[window.train[-1]]) + window.dropped
    late = pl.int_range(pl.len()) > last
    return study.frame.with_columns(
        pl.when(late).then(pl.col(name) * 50 + 7).otherwise(pl.col(name)).alias(name)
        for name, dtype in study.frame.schema.items()
        if dtype.is_numeric()
    )


@pytest.mark.parametrize("algorithm", ["ridge", "lightgbm"])
def test_nothing_is_fitted_on_what_lies_after_the_training_window(desk: Desk, algorithm: str) -> None:
    """Not the scaler, the regimes, the fill values, nor the model."""
    document = {
        "features": ["regime = mixture(ret(close, 1))", "level = close", "volume", "sma(close, 5)"],
        "algorithm": algorithm,
        "hyperparameters": QUICK if algorithm == "lightgbm" else {},
        "target": {"column": "close", "transform": "pct_change"},
        "missing": "median",
    }
    order = desk.order(desk.add("prices", prices()), document)
    study = desk.study(order)
    (window,) = windows(study)
    tables = replace(desk.tables(order), frame=changed_after(study, window))
    changed = TRAINING.study(order.recipe, tables)
    level = study.plan.names.index("level")
    assert not np.array_equal(changed.matrix.column(level).values, study.matrix.column(level).values)
    one, other = (fit_rows(each, method(each), window.train) for each in (study, changed))
    assert one.states
    assert one.states == other.states
    matrix = one.matrix(study.samples.rows[window.train])
    assert (one.learned.predict(matrix) == other.learned.predict(matrix)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": ["close", "far = mean(close, 5000)"]}, r"features: .* usable rows of .* lack far, found 0"),
        ({"target": {"column": "close", "horizon": DAYS - 5}}, r"target: .* in which the label is known, found \d"),
    ],
    ids=["warm-up", "horizon"],
)
def test_a_table_without_usable_rows_says_what_took_them(desk: Desk, change: dict[str, Any], message: str) -> None:
    document = {"features": ["close"], "algorithm": "ridge", "target": {"column": "close", "horizon": 1}, **change}
    with pytest.raises(TooFewRows, match=message):
        windows(desk.study(desk.order(desk.add("prices", prices()), document)))


def test_a_category_of_the_test_window_is_unknown_to_its_model(desk: Desk) -> None:
    table = weather()
    table["sky"] = [
        "comet" if day >= "2016-12-01" else sky for day, sky in zip(table["date"], table["sky"], strict=True)
    ]
    order = desk.order(desk.add("weather", table, keys=("city",)), HEAT | {"features": ["heat", "sky"]})
    study = desk.study(order)
    (window,) = windows(study)
    assert fit_rows(study, method(study), window.train).categories[1] == ("rain", "sun")
    assert desk.train(order).manifest.features[1].categories == ("comet", "rain", "sun")


def test_a_classifier_compares_a_price_with_a_price_never_with_a_return(desk: Desk) -> None:
    study = desk.study(desk.order(desk.add("prices", prices()), DIRECTION))
    close = study.frame["close"].to_numpy()
    rows = study.samples.rows
    assert (study.samples.codes == (close[rows + 1] >= close[rows])).all()
    assert study.samples.classes == ("0", "1")


def test_no_label_reaches_into_the_test_window(desk: Desk) -> None:
    document = DIRECTION | {"target": {"column": "close", "transform": "log_return", "horizon": 10}}
    study = desk.study(desk.order(desk.add("prices", prices()), document))
    for window in windows(study):
        assert window.dropped == 10
        rows = study.samples.rows
        assert (rows[window.train] + 10 < rows[window.test[0]]).all()


def test_persistence_of_the_rows_own_value_is_the_last_one_of_its_key(desk: Desk) -> None:
    document = {"features": ["lag(heat, 1)"], "algorithm": "ridge", "target": "heat"}
    study = desk.study(desk.order(desk.add("weather", weather(), keys=("city",)), document))
    frame = study.frame.with_columns(before=pl.col("heat").shift(1).over("city"))
    assert study.samples.unchanged is not None
    assert study.samples.unchanged.tolist() == frame["before"].gather(study.samples.rows).to_list()


def test_one_thread_whatever_the_machine(desk: Desk) -> None:
    dataset = desk.add("prices", prices())
    for algorithm in ("random_forest", "lightgbm"):
        study = desk.study(desk.order(dataset, DIRECTION | {"algorithm": algorithm}))
        fitted: Any = evaluate(study, method(study), windows(study)[0]).learned.fitted
        threads = fitted.model.n_jobs if algorithm == "random_forest" else fitted.booster.params["num_threads"]
        assert threads == 1


def test_a_model_that_has_learned_nothing_says_so(desk: Desk) -> None:
    document = HEAT | {"algorithm": "lightgbm", "hyperparameters": {"n_estimators": 2, "min_child_samples": 100_000}}
    trained = desk.train(desk.order(desk.add("weather", weather(), keys=("city",)), document))
    assert any("predicts the same for every row" in line for line in trained.lines)


def test_a_graph_that_differs_from_its_trainer_fails_the_job(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "RTOL", -1.0)
    with pytest.raises(ExportMismatch, match="differs from the trainer"):
        desk.train(desk.order(desk.add("prices", prices()), DIRECTION))
    assert not (desk.home / "artifacts").exists()


# --- what cannot be trained --------------------------------------------------------------------------------------


def test_too_many_missing_values_are_refused_by_name(desk: Desk) -> None:
    document = {"features": ["age", "hours"], "algorithm": "logistic", "target": "rich"}
    order = desk.order(desk.add("people", people(), time="none"), document)
    with pytest.raises(TooManyMissing, match=r"limit is 2%: hours"):
        desk.train(order)


def test_too_few_rows_say_how_many(desk: Desk) -> None:
    dataset = desk.add("prices", prices(count=60))
    with pytest.raises(TooFewRows, match=r"at least 450 distinct times .* 300 to train and 150 to test, found 50"):
        desk.train(desk.order(dataset, DIRECTION))


def test_a_window_of_one_class_is_refused(desk: Desk) -> None:
    table = prices(count=300) | {"state": ["calm"] * 250 + ["wild"] * 50}
    document = {"features": ["close"], "algorithm": "logistic", "target": {"column": "state", "horizon": 1}}
    with pytest.raises(TrainingFailed, match="training rows of a window belong to one class"):
        desk.train(desk.order(desk.add("prices", table), document))


@pytest.mark.parametrize(
    ("document", "error", "message"),
    [
        ({"target": "sky"}, BadRecipe, "for a classification, found ridge"),
        (
            {"target": {"column": "sky", "task": "regression"}},
            BadRecipe,
            "target.task: expected classification for sky",
        ),
        ({"algorithm": "logistic"}, BadRecipe, "for a regression, found logistic"),
        (
            {"split": "random"},
            BadRecipe,
            "or purged_kfold for a table with time, found random",
        ),
        ({"features": ["haet"]}, BadExpression, "did you mean heat"),
        ({"features": ["heat"], "target": "heat"}, BadExpression, "heat inside lag"),
        ({"features": ["heat"], "target": {"column": "wind", "hidden": ["heat"]}}, BadExpression, "heat inside lag"),
        ({"features": ["heat", "heat"]}, BadInput, "features: expected each name once, found heat"),
        (
            {"target": {"column": "heat", "transform": "up", "horizon": 0}},
            BadInput,
            "target.horizon: expected 1 or more",
        ),
        (
            {"target": {"column": "sky", "transform": "log"}},
            BadInput,
            "target.transform: expected none for the category",
        ),
        (
            {"target": {"column": "heat", "transform": "log", "horizon": 1, "task": "classification"}},
            BadRecipe,
            "target.transform: expected none or up for a classification",
        ),
        (
            {"algorithm": "lightgbm", "hyperparameters": {"balanced": True}},
            BadRecipe,
            "hyperparameters.balanced: expected false for a regression",
        ),
    ],
    ids=str,
)
def test_what_does_not_fit_the_table_is_refused_before_there_is_a_job(
    desk: Desk, document: dict[str, Any], error: type[BadInput], message: str
) -> None:
    dataset = desk.add("weather", weather(), keys=("city",))
    with pytest.raises(error) as caught:
        desk.order(dataset, HEAT | document)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timeframe": "1d"}, "timeframe: expected nothing, since people has no time column"),
        ({"keys": ["x"]}, "keys: expected nothing, since people has no key column, found x"),
        (
            {"split": {"kind": "walk_forward", "train": 9, "test": 9}},
            "split.kind: expected random, chronological",
        ),
        ({"target": {"column": "rich", "horizon": 1}}, "target.horizon: expected 0 for a table without a time column"),
    ],
)
def test_what_needs_time_or_keys_says_so(desk: Desk, change: dict[str, Any], message: str) -> None:
    dataset = desk.add("people", people(), time="none")
    with pytest.raises(BadInput) as caught:
        desk.order(dataset, {"features": ["age"], "algorithm": "logistic", "target": "rich"} | change)
    assert message in caught.value.message


COMPUTED, FOUND = ["prepared the table", "computed 5 features"], ["found the table", "found 5 features"]


def told_first(desk: Desk, order: Order) -> list[str]:
    return [line.split(":")[0] for line in desk.train(order).lines[:2]]


def test_features_are_computed_once_for_all_recipes_of_a_table(desk: Desk) -> None:
    dataset = desk.add("weather", weather(), keys=("city",))
    assert told_first(desk, desk.order(dataset, HEAT)) == COMPUTED
    for other in ({}, {"algorithm": "lightgbm", "hyperparameters": QUICK}, {"split": {"kind": "chronological"}}):
        assert told_first(desk, desk.order(dataset, HEAT | other)) == FOUND
    desk.store.path(dataset.sha256).rename(desk.home / "away")  # nor is the table read again
    assert told_first(desk, desk.order(dataset, HEAT)) == FOUND


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"features": ["heat"]}, ["found the table", "computed 1 features"]),
        ({"features": HEAT["features"][::-1]}, ["found the table", "computed 5 features"]),
        ({"keys": ["oslo"]}, COMPUTED),
        ({"timeframe": "1w"}, COMPUTED),
        ({"target": {"column": "heat", "horizon": 2}}, FOUND),
    ],
)
def test_features_are_found_only_where_they_are_the_same(desk: Desk, other: dict[str, Any], told: list[str]) -> None:
    dataset = desk.add("weather", weather(), keys=("city",))
    desk.train(desk.order(dataset, HEAT))
    assert told_first(desk, desk.order(dataset, HEAT | other)) == told


@pytest.mark.parametrize("features", [HEAT["features"], ["regime = mixture(heat)", "heat", "city"]])
def test_a_model_is_the_same_whether_its_features_were_found_or_computed(desk: Desk, features: list[str]) -> None:
    order = desk.order(desk.add("weather", weather(), keys=("city",)), HEAT | {"features": features})
    apart = replace(desk, cache_bytes=0).train(order)
    for trained in (desk.train(order), desk.train(order)):
        for part in ("folds", "importances", "parity", "feature_states", "features", "trained_rows"):
            assert getattr(trained.manifest, part) == getattr(apart.manifest, part)


def test_the_proof_catches_kept_features_that_are_not_what_the_table_gives(desk: Desk) -> None:
    order = desk.order(desk.add("weather", weather(), keys=("city",)), HEAT | {"prove_leakage": True})
    desk.train(order)
    (values,) = desk.store.derived.glob("*/values.npy")
    matrix = np.lib.format.open_memmap(values, mode="r+")
    matrix[300, 1] += 1e-9
    matrix.flush()
    checksums = values.parent / CHECKSUMS
    checksums.write_text(json.dumps(json.loads(checksums.read_text()) | {values.name: zlib.crc32(values.read_bytes())}))
    with pytest.raises(LeakageFound, match=r"features: mean7 at 2015-05-31.* was 12\.3"):
        desk.train(order)
