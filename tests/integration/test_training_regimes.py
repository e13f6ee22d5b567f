"""Windows and regimes of real trainings: what is left out of each, why, and that it is told."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_desk import DIRECTION, HEAT, QUICK, Desk, people, prices, weather

from forecastle.errors import BadInput
from forecastle.features.errors import BadExpression
from forecastle.training.errors import BadRecipe, LeakageFound, TooFewRows
from forecastle.training.leakage.proof import prove
from forecastle.training.leakage.specimens import centred_windows
from forecastle.training.steps import TRAINING, method

WALK = {"kind": "walk_forward", "train": 300, "test": 150}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize(
    ("split", "folds", "rows"),
    [
        ({"kind": "walk_forward", "train": 300, "test": 150, "expanding": True}, 3, (150, 150)),
        ({"kind": "calendar", "train": "1y", "test": "3mo"}, 5, (68, 92)),
        ({"kind": "purged_kfold", "folds": 4, "embargo": "10d"}, 4, (197, 198)),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else None,
)
def test_a_series_is_divided_as_its_recipe_says(
    desk: Desk, split: dict[str, Any], folds: int, rows: tuple[int, int]
) -> None:
    order = desk.order(desk.add("prices", prices()), DIRECTION | {"split": split})
    manifest = desk.train(order).manifest
    assert len(manifest.folds) == folds
    assert all(rows[0] <= fold.test_rows <= rows[1] for fold in manifest.folds)
    assert manifest.recipe["split"] == order.recipe.as_json()["split"]


@pytest.mark.parametrize("kind", ["kfold", "stratified_kfold"])
def test_a_plain_table_is_divided_into_folds(desk: Desk, kind: str) -> None:
    document = {"features": ["age", "trade"], "algorithm": "logistic", "target": "rich"}
    order = desk.order(desk.add("people", people(), time="none"), document | {"split": {"kind": kind, "folds": 6}})
    manifest = desk.train(order).manifest
    assert [fold.test_rows for fold in manifest.folds] == [50] * 6
    assert sum(map(sum, (row for fold in manifest.folds for row in fold.confusion))) == 300


def test_each_fold_tells_what_was_left_out_and_why(desk: Desk) -> None:
    document = DIRECTION | {
        "features": ["close / sma(close, 30)"],
        "target": {"column": "close", "transform": "up", "horizon": 5},
        "split": {"kind": "purged_kfold", "folds": 4, "embargo": 7},
    }
    folds = desk.train(desk.order(desk.add("prices", prices()), document)).manifest.folds
    assert [fold.dropped_rows for fold in folds] == [5, 10, 10, 5]
    assert [fold.embargoed_rows for fold in folds] == [7, 7, 7, 0]
    assert [fold.warm_up_rows for fold in folds] == [29] * 4
    assert sum(fold.test_rows for fold in folds) == 800 - 29 - 5


def test_warm_up_rows_are_counted_in_the_window_that_they_lie_in(desk: Desk) -> None:
    """Rome's history begins a year later, in the middle of the second window's training."""
    table = {name: values.copy() for name, values in weather().items()}
    late = [not (city == "Rome" and day < "2016-02-01") for city, day in zip(table["city"], table["date"], strict=True)]
    late_rome = {
        name: [value for value, kept in zip(values, late, strict=True) if kept] for name, values in table.items()
    }
    split = {"kind": "calendar", "train": "6mo", "test": "6mo"}
    folds = desk.train(
        desk.order(desk.add("weather", late_rome, keys=("city",)), HEAT | {"split": split})
    ).manifest.folds
    assert [fold.warm_up_rows for fold in folds] == [6, 6, 6]


def test_a_stratified_draw_needs_classes(desk: Desk) -> None:
    document = {"features": ["trade"], "algorithm": "ridge", "target": "age", "split": "stratified_kfold"}
    with pytest.raises(BadRecipe, match=r"split\.kind: expected kfold or random for a regression, found strat"):
        desk.order(desk.add("people", people(), time="none"), document)


def test_rows_outside_the_regime_are_neither_trained_on_nor_tested(desk: Desk) -> None:
    order = desk.order(desk.add("prices", prices()), DIRECTION | {"where": "close > sma(close, 20)", "split": WALK})
    study = desk.study(order)
    close = study.frame["close"].to_numpy()
    average = np.convolve(close, np.ones(20) / 20)[: len(close)]
    for window in TRAINING.divide(study):
        for side in (window.train, window.test):
            rows = study.samples.rows[side]
            assert (close[rows] > average[rows]).all()
            assert len(side) > 0
    manifest = desk.train(order).manifest
    assert manifest.recipe["where"] == "close > sma(close, 20)"
    assert manifest.regime is not None
    assert (manifest.regime.expression, manifest.regime.states) == ("close > sma(close, 20)", {})
    assert manifest.trained_rows + manifest.regime.outside_rows == len(study.samples.rows)
    for fold in manifest.folds:
        assert 100 < fold.outside_rows < 350
        assert fold.train_rows + fold.test_rows + fold.outside_rows + fold.dropped_rows == 450


def test_where_the_regime_is_unknown_is_outside(desk: Desk) -> None:
    plain, confined = (
        desk.study(desk.order(desk.add("prices", prices()), DIRECTION | {"split": "chronological"} | more))
        for more in ({}, {"where": "sma(close, 200) > 0"})
    )
    first = TRAINING.divide(confined)[0]
    assert confined.samples.rows[first.train[0]] == 199
    assert first.outside == 199 - plain.samples.rows[0]


def test_what_is_fitted_in_a_regime_is_fitted_inside_each_window(desk: Desk) -> None:
    regime = "mixture(volume) == 0"
    order = desk.order(desk.add("prices", prices()), DIRECTION | {"where": regime, "split": WALK})
    study = desk.study(order)
    states = [study.meeting(window.train)[0] for window in TRAINING.windows(study)]
    assert len({str(state) for state in states}) == 3
    kept = desk.train(order).manifest.regime
    assert kept is not None
    assert kept.states.keys() == states[0].keys() == {"mixture(volume)"}
    assert kept.states not in states


def test_a_regime_that_leaves_too_little_is_told(desk: Desk) -> None:
    order = desk.order(desk.add("prices", prices()), DIRECTION | {"where": "close > 1000", "split": WALK})
    with pytest.raises(TooFewRows) as caught:
        desk.train(order)
    assert caught.value.message == (
        "where: expected at least 10 training rows in window 1, less 1 whose label lies in its test stretch and 449 "
        "for which `where` is not true, found 0"
    )


@pytest.mark.parametrize(
    ("where", "error", "message"),
    [
        ("city", BadRecipe, "where: expected a condition, such as regime(close) == 2, found city"),
        ("date", BadInput, "expected a number or a category, found the time date"),
        ("haet > 1", BadExpression, "did you mean heat"),
        ("wind > 1", BadExpression, "wind inside lag(...) or before(...): it is not known when the prediction is made"),
    ],
)
def test_a_condition_is_a_past_only_expression(desk: Desk, where: str, error: type[BadInput], message: str) -> None:
    document = HEAT | {"features": ["heat"], "target": {"column": "heat", "horizon": 1, "hidden": ["wind"]}}
    with pytest.raises(error) as caught:
        desk.order(desk.add("weather", weather(), keys=("city",)), document | {"where": where})
    assert message in caught.value.message


def test_what_a_fitted_feature_learns_later_chooses_no_rows(desk: Desk) -> None:
    """Learned from all rows, a mixture of what is far off has no number for the rows before."""
    table = prices()
    far = table | {"close": [*table["close"][:700], *(1e200 * (1 + day % 7) for day in range(100))]}
    document = {
        "features": ["m = mixture_probability(ret(close, 1))", "volume"],
        "algorithm": "ridge",
        "target": {"column": "volume", "horizon": 1},
        "split": {"kind": "walk_forward", "train": 300, "test": 150},
    }
    near, after = (
        desk.study(desk.order(desk.add(name, rows), document)) for name, rows in (("near", table), ("far", far))
    )
    assert (near.samples.rows[:690] == after.samples.rows[:690]).all()


def test_pruning_happens_inside_each_window_and_is_told(desk: Desk) -> None:
    """One clue is the target at first and noise afterwards, the other the other way round."""
    table = prices()
    luck = np.random.default_rng(5).normal(0, 1, len(table["date"])).round(6).tolist()
    volume = table["volume"]
    clues = {"early": volume[:400] + luck[400:], "late": luck[:400] + volume[400:], "luck": luck}
    document = {
        "features": ["early", "late", "luck"],
        "algorithm": "ridge",
        "target": {"column": "volume", "horizon": 0},
        "split": {"kind": "walk_forward", "train": 200, "test": 150},
        "prune": 0.0001,
    }
    dataset = desk.add("clues", table | clues)
    study = desk.study(desk.order(dataset, document))
    kept = [
        study.plan.names[column]
        for window in (TRAINING.divide(study)[0], TRAINING.divide(study)[-1])
        for column in TRAINING.fit(study, method(study), window.train).learned.preprocessor.sources
    ]
    assert kept == ["early", "late"]
    trained = desk.train(desk.order(dataset, document | {"prove_leakage": True})).manifest
    assert trained.pruned == ("luck",)
    assert trained.importances["permutation"]["luck"] == 0.0
    assert trained.leakage.status == "proven"
    assert desk.train(desk.order(dataset, document | {"prune": None})).manifest.pruned == ()


def test_a_model_says_whether_it_is_proven(desk: Desk) -> None:
    dataset = desk.add("prices", prices())
    plain = desk.train(desk.order(dataset, DIRECTION))
    assert (plain.manifest.leakage.status, plain.manifest.leakage.cuts) == ("not checked", 0)
    proven = desk.train(desk.order(dataset, DIRECTION | {"prove_leakage": True}))
    badge = proven.manifest.leakage
    assert (badge.status, badge.cuts, badge.features) == ("proven", 8, 2)
    assert badge.rows > 600
    assert any(line.startswith("proven that nothing looks ahead: 8 cuts") for line in proven.lines)
    assert [report.share for report in proven.reports] == sorted(report.share for report in proven.reports)
    assert proven.manifest.metrics == plain.manifest.metrics


def test_a_training_that_looks_ahead_fails(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    order = desk.order(desk.add("prices", prices()), DIRECTION | {"prove_leakage": True})
    assert prove.__kwdefaults__ is not None
    monkeypatch.setitem(prove.__kwdefaults__, "steps", replace(TRAINING, features=centred_windows))
    with pytest.raises(LeakageFound, match=r"^the training looks ahead: features: ret\(close, 1\) at 2015-"):
        desk.train(order)
    assert not (desk.home / "artifacts").exists()


ALGORITHMS: dict[str, dict[str, Any]] = {
    "early stopping": {"algorithm": "lightgbm", "hyperparameters": {"n_estimators": 30, "early_stopping": 3}},
    "calibration": {"algorithm": "random_forest", "hyperparameters": QUICK, "calibration": "sigmoid"},
    "neighbours": {"algorithm": "nearest_neighbours", "hyperparameters": {}},
    "xgboost": {"algorithm": "xgboost", "hyperparameters": QUICK},
}


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_choices_made_inside_a_window_are_proven_too(desk: Desk, algorithm: dict[str, Any]) -> None:
    document = DIRECTION | {"prove_leakage": True, "features": ["ret(close, 1)", "mixture(ret(close, 1))"]}
    manifest = desk.train(desk.order(desk.add("prices", prices()), document | algorithm)).manifest
    assert manifest.leakage.status == "proven"
