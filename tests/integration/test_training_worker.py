"""A training from a table on disk to a stored model, and the traps on the way."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from forecastle.data.dataset import Dataset
from forecastle.data.importing import import_table
from forecastle.data.options import ImportOptions
from forecastle.data.storage import TableStore
from forecastle.errors import BadInput
from forecastle.features.errors import BadExpression, TooManyMissing
from forecastle.jobs.context import JobContext
from forecastle.jobs.journal import Journal, JournalReader, Line, Report
from forecastle.registry.artifacts import ArtifactStore
from forecastle.registry.manifest import Manifest, decode
from forecastle.registry.predictor import Predictor
from forecastle.training import export, worker
from forecastle.training.errors import BadRecipe, ExportMismatch, TooFewRows, TrainingFailed
from forecastle.training.evaluate import evaluate, fit_rows
from forecastle.training.order import Order, TableFacts, TrainingResult
from forecastle.training.recipe import Recipe
from forecastle.training.settle import settle
from forecastle.training.splits import Window
from forecastle.training.study import Study, prepare_study
from forecastle.types import JsonObject

DAYS = 800
NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUICK = {"n_estimators": 10}


@dataclass(frozen=True, slots=True)
class Trained:
    manifest: Manifest
    predictor: Predictor
    reports: list[Report]
    lines: list[str]


@dataclass(frozen=True, slots=True)
class Desk:
    """A home where tables are imported and recipes are trained, without a database or a pool."""

    home: Path

    @property
    def store(self) -> TableStore:
        return TableStore(self.home / "datasets")

    def add(self, name: str, columns: Mapping[str, Sequence[Any]], **options: Any) -> Dataset:
        path = self.home / f"{name}.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
        with self.store.workspace() as folder:
            table = import_table(path, ImportOptions(**options), folder)
            self.store.adopt(table.path, table.sha256)
        facts = {field: getattr(table, field) for field in ("sha256", "rows", "columns", "time", "keys")}
        return Dataset(id=name, name=name, created_at=NOW, **facts)

    def order(self, dataset: Dataset, document: dict[str, Any], context: dict[str, Dataset] | None = None) -> Order:
        context = context or {}
        recipe = Recipe.parse({"name": "model", "dataset": dataset.name, "hyperparameters": {}} | document)
        return Order(
            model_id="0" * 26,
            fingerprint="f" * 64,
            document=settle(recipe, dataset, context).recipe.as_json(),
            table=TableFacts.of(dataset),
            context={name: TableFacts.of(series) for name, series in context.items()},
        )

    def train(self, order: Order) -> Trained:
        path, url = self.home / "journal", (self.home / "artifacts").as_uri()
        path.unlink(missing_ok=True)
        journal = Journal(path)
        payload: JsonObject = msgspec.json.decode(msgspec.json.encode(order.as_json()))
        result = msgspec.convert(worker.run(payload, JobContext("job", self.home, url, journal)), TrainingResult)
        journal.close()
        store = ArtifactStore(url)
        manifest = decode(store.get(result.manifest_sha256))
        assert manifest == result.manifest
        news = JournalReader(path).read()
        return Trained(
            manifest,
            Predictor(store.get(result.graph_sha256), manifest),
            [entry for entry in news if isinstance(entry, Report)],
            [entry.text for entry in news if isinstance(entry, Line)],
        )

    def study(self, order: Order) -> Study:
        frame = self.store.scan(order.table.sha256).collect()
        return prepare_study(order.recipe, frame, facts=order.table, context={})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def days(count: int = DAYS) -> list[str]:
    return [(date(2015, 1, 1) + timedelta(days=day)).isoformat() for day in range(count)]


def weather(seed: int = 0) -> dict[str, list[Any]]:
    """Two cities, day by day: warm in summer, with a category and a class."""
    rng = np.random.default_rng(seed)
    rows = []
    for city, level in (("Oslo", 5.0), ("Rome", 16.0)):
        for number, day in enumerate(days()):
            heat = level - 10 * np.cos(2 * np.pi * number / 365.25) + rng.normal()
            sky = "rain" if rng.random() < 0.3 else "sun"
            rows.append((day, city, round(float(heat), 2), round(float(rng.gamma(2)), 2), sky))
    return {name: [row[index] for row in rows] for index, name in enumerate(("date", "city", "heat", "wind", "sky"))}


def prices(seed: int = 0, count: int = DAYS) -> dict[str, list[Any]]:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0.0002, 0.01, count)))
    return {"date": days(count), "close": close.round(4).tolist(), "volume": rng.integers(100, 999, count).tolist()}


def people(seed: int = 0, count: int = 300) -> dict[str, list[Any]]:
    """A plain table with a category, gaps and a class."""
    rng = np.random.default_rng(seed)
    age, trade = rng.integers(18, 70, count), rng.choice(["cook", "smith", "clerk"], count)
    hours = [None if rng.random() < 0.2 else int(value) for value in rng.integers(10, 60, count)]
    rich = np.where(age + 20 * (trade == "smith") + rng.normal(0, 5, count) > 50, "yes", "no")
    return {"age": age.tolist(), "trade": trade.tolist(), "hours": hours, "rich": rich.tolist()}


HEAT: dict[str, Any] = {
    "features": ["heat", "mean7 = mean(heat, 7)", "city", "wind", "season = day_of_year_cos()"],
    "algorithm": "ridge",
    "target": {"column": "heat", "horizon": 1},
}
DIRECTION: dict[str, Any] = {
    "features": ["ret(close, 1)", "close / sma(close, 10)"],
    "algorithm": "lightgbm",
    "target": {"column": "close", "transform": "up"},
    "hyperparameters": QUICK,
    "split": {"kind": "walk_forward", "train": 300, "test": 150},
}


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


def test_walk_forward_measures_every_window_and_averages(desk: Desk) -> None:
    manifest = desk.train(desk.order(desk.add("prices", prices()), DIRECTION)).manifest
    assert [fold.test_rows for fold in manifest.folds] == [150] * 3
    assert manifest.metrics["accuracy"] == pytest.approx(np.mean([fold.metrics["accuracy"] for fold in manifest.folds]))
    for fold in manifest.folds:
        assert np.sum(fold.confusion) == fold.test_rows
        assert np.trace(fold.confusion) / fold.test_rows == pytest.approx(fold.metrics["accuracy"])
    assert set(manifest.baselines) == {"prior"}
    assert manifest.metrics.keys() == {"accuracy", "precision", "recall", "f1", "log_loss", "roc_auc"}


@pytest.mark.parametrize("algorithm", ["logistic", "random_forest", "lightgbm"])
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
    (window,) = worker.windows(study)
    changed = prepare_study(order.recipe, changed_after(study, window), facts=order.table, context={})
    assert (changed.columns["level"] != study.columns["level"]).any()
    one, other = (fit_rows(each, worker.method(each), window.train) for each in (study, changed))
    assert one.states
    assert one.states == other.states
    matrix = one.matrix(study.samples.rows[window.train])
    assert (one.learned.predict(matrix) == other.learned.predict(matrix)).all()


def test_a_category_of_the_test_window_is_unknown_to_its_model(desk: Desk) -> None:
    table = weather()
    table["sky"] = [
        "comet" if day >= "2016-12-01" else sky for day, sky in zip(table["date"], table["sky"], strict=True)
    ]
    order = desk.order(desk.add("weather", table, keys=("city",)), HEAT | {"features": ["heat", "sky"]})
    study = desk.study(order)
    (window,) = worker.windows(study)
    assert fit_rows(study, worker.method(study), window.train).categories[1] == ("rain", "sun")
    assert desk.train(order).manifest.features[1].categories == ("comet", "rain", "sun")


def test_a_direction_compares_a_price_with_a_price(desk: Desk) -> None:
    study = desk.study(desk.order(desk.add("prices", prices()), DIRECTION))
    close = study.frame["close"].to_numpy()
    rows = study.samples.rows
    assert (study.samples.codes == (close[rows + 1] >= close[rows])).all()
    assert study.samples.classes == ("0", "1")


def test_no_label_reaches_into_the_test_window(desk: Desk) -> None:
    document = DIRECTION | {"target": {"column": "close", "transform": "log_return", "horizon": 10}}
    study = desk.study(desk.order(desk.add("prices", prices()), document))
    for window in worker.windows(study):
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
        fitted: Any = evaluate(study, worker.method(study), worker.windows(study)[0]).learned.fitted
        threads = fitted.model.n_jobs if algorithm == "random_forest" else fitted.booster.params["num_threads"]
        assert threads == 1


def test_a_model_that_has_learned_nothing_says_so(desk: Desk) -> None:
    document = HEAT | {"algorithm": "lightgbm", "hyperparameters": {"n_estimators": 2, "min_child_samples": 100_000}}
    trained = desk.train(desk.order(desk.add("weather", weather(), keys=("city",)), document))
    assert any("predicts the same for every row" in line for line in trained.lines)


def test_a_graph_that_differs_from_its_trainer_fails_the_job(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "RTOL", 0.0)
    monkeypatch.setattr(export, "ATOL", -1.0)
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
    with pytest.raises(TooFewRows, match=r"train and 150 to test: expected at least 450, found 50"):
        desk.train(desk.order(dataset, DIRECTION))


def test_a_window_of_one_class_is_refused(desk: Desk) -> None:
    table = prices(count=300) | {"state": ["calm"] * 250 + ["wild"] * 50}
    document = {"features": ["close"], "algorithm": "logistic", "target": {"column": "state", "horizon": 1}}
    with pytest.raises(TrainingFailed, match="training rows of a window belong to one class"):
        desk.train(desk.order(desk.add("prices", table), document))


@pytest.mark.parametrize(
    ("document", "error", "message"),
    [
        ({"target": "sky"}, BadRecipe, "algorithm: expected one of logistic, random_forest, lightgbm"),
        (
            {"target": {"column": "sky", "task": "regression"}},
            BadRecipe,
            "target.task: expected classification for sky",
        ),
        ({"algorithm": "logistic"}, BadRecipe, "algorithm: expected one of ridge, random_forest, lightgbm for a reg"),
        ({"split": "random"}, BadRecipe, "split.kind: expected chronological or walk_forward for a table with time"),
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
        ({"keys": ["x"]}, "keys: expected nothing, since people has no key column"),
        ({"split": {"kind": "walk_forward", "train": 9, "test": 9}}, "split.kind: expected random or chronological"),
        ({"target": {"column": "rich", "horizon": 1}}, "target.horizon: expected 0 for a table without a time column"),
    ],
)
def test_what_needs_time_or_keys_says_so(desk: Desk, change: dict[str, Any], message: str) -> None:
    dataset = desk.add("people", people(), time="none")
    with pytest.raises(BadInput) as caught:
        desk.order(dataset, {"features": ["age"], "algorithm": "logistic", "target": "rich"} | change)
    assert message in caught.value.message
