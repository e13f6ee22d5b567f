"""The proof against leakage: what it changes, what it compares, and that every specimen is caught and named."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecastle.training.arrays import Integers
from forecastle.training.errors import TrainingFailed
from forecastle.training.fitting import FittedRows
from forecastle.training.leakage import worlds
from forecastle.training.leakage.compare import differing
from forecastle.training.leakage.cuts import Cut, HeldOut, Later, choose
from forecastle.training.leakage.findings import Proof
from forecastle.training.leakage.learned import first_difference
from forecastle.training.leakage.proof import prove
from forecastle.training.leakage.specimens import (
    GOALS,
    PRICES,
    SPECIMENS,
    Specimen,
    bars_by_their_start,
    daily,
    every_ten_minutes,
    examine,
    regimes_of_all_rows,
    scaled_by_all_rows,
    windows_without_purge,
    with_gaps,
)
from forecastle.training.leakage.worlds import CHANGED, NOVEL, RAGGED, World
from forecastle.training.learn import Method
from forecastle.training.order import TableFacts
from forecastle.training.recipe import Recipe
from forecastle.training.splits import Window
from forecastle.training.steps import TRAINING, Steps, confine
from forecastle.training.study import Study, Tables

START = datetime(2020, 1, 1, tzinfo=UTC)
DAY_US = 86_400_000_000
FOLDED = PRICES | {"split": {"kind": "purged_kfold", "folds": 4, "embargo": 3}}


def recipe_of(document: dict[str, Any], **changes: Any) -> Recipe:
    return Recipe.parse({"name": "x", "dataset": "x", **document, **changes})


def tables_of(rows: pl.DataFrame, **context: pl.DataFrame) -> Tables:
    return Tables(rows, TableFacts("", "time" if "time" in rows.columns else None, ()), context)


def study_of(recipe: Recipe, tables: Tables) -> Study:
    return TRAINING.study(recipe, tables)


def at(days: float) -> int:
    return int((START + timedelta(days=days)).timestamp()) * 1_000_000


def step_names(proof: Proof) -> set[tuple[str, str]]:
    return {(found.step, found.name) for found in proof.findings}


# --- specimens -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda specimen: specimen.name)
def test_a_training_that_leaks_is_caught_and_its_fault_named_first(specimen: Specimen) -> None:
    verdict = examine(specimen)
    assert verdict.passed, [str(found) for found in verdict.faulty.findings]
    assert verdict.caught is not None
    assert verdict.caught.before != verdict.caught.after
    assert (verdict.caught.place is None) == (specimen.step == "fit")
    assert verdict.honest.findings == ()
    assert verdict.honest.badge.status == "proven"


def test_the_first_row_of_a_centred_window_is_the_last_but_one_before_the_cut() -> None:
    specimen = next(each for each in SPECIMENS if each.name == "centred window")
    finding = examine(specimen).caught
    assert finding is not None
    assert finding.place is not None
    assert (finding.place.time, finding.cut) == ("2020-02-11T00:00:00+00:00", "what came after 2020-02-12")


def test_an_hourly_average_joined_by_bucket_start_is_caught() -> None:
    """It showed 10:59's close at 10:05."""
    recipe = recipe_of(PRICES, timeframe="1h", context=["SPY"], features=["sma(close_SPY, 3)", "ret(close, 1)"])
    tables = tables_of(every_ten_minutes(), SPY=every_ten_minutes().select("time", "close"))
    assert prove(recipe, tables).status == "proven"
    proof = prove(recipe, tables, steps=replace(TRAINING, prepare=bars_by_their_start))
    assert ("features", "sma(close_SPY, 3)") in step_names(proof)


def test_regimes_and_scalers_fitted_on_all_history_are_caught() -> None:
    recipe = recipe_of(PRICES, features=["mixture(close)", "ret(close, 1)"])
    for faulty in (regimes_of_all_rows, scaled_by_all_rows):
        assert prove(recipe, tables_of(daily()), steps=replace(TRAINING, fit=faulty)).status == "leaks"


def test_a_resampled_bucket_mixes_no_training_and_test_rows() -> None:
    """A bar of seven hours that spans midnight, where the windows meet, is on one side with all its rows."""
    length = np.timedelta64(7, "h")
    split = {"kind": "calendar", "train": "4d", "test": "1d"}
    target = PRICES["target"] | {"horizon": 1}
    recipe = recipe_of(PRICES, timeframe="7h", split=split, target=target, features=["ret(close, 1)"])
    tables = tables_of(every_ten_minutes())
    study = study_of(recipe, tables)
    ends = study.frame["time"].to_numpy()
    raw = tables.frame["time"].to_numpy()
    windows = TRAINING.divide(study)
    tested = ends[study.samples.rows[np.concatenate([window.test for window in windows])]]
    assert (tested - length < tested.astype("datetime64[D]")).any()
    for window in windows:
        rows = [
            {time for end in ends[study.samples.rows[side]] for time in raw[(raw >= end - length) & (raw < end)]}
            for side in (window.train, window.test)
        ]
        assert not set.intersection(*rows)
    assert prove(recipe, tables).status == "proven"


def categories_of_all_rows(study: Study, method: Method, positions: Integers) -> FittedRows:
    fitted = TRAINING.fit(study, method, positions)
    everything = TRAINING.fit(study, method, np.arange(len(study.samples.rows)))
    return replace(fitted, inputs=replace(fitted.inputs, categories=everything.inputs.categories))


def condition_of_all_rows(study: Study, window: Window) -> Window:
    _, met = study.meeting(np.arange(len(study.samples.rows)))
    return replace(window, train=window.train[met[window.train]], test=window.test[met[window.test]])


def predictions_of_the_whole_table(fitted: FittedRows, rows: Integers) -> Any:
    trend = fitted.inputs.features.column(fitted.inputs.names.index("trend"))
    whole: Any = np.nanmean(trend.values)
    return TRAINING.predict(fitted, rows) + whole


PEOPLE = {
    "features": ["age", "trade"],
    "algorithm": "ridge",
    "target": {"column": "wage", "horizon": 0, "task": "regression"},
    "split": {"kind": "kfold", "folds": 3},
}


def people(count: int = 90) -> pl.DataFrame:
    random = np.random.default_rng(3)
    age = random.integers(18, 70, count).astype(np.float64)
    trade = random.choice(["cook", "smith", "clerk"], count)
    return pl.DataFrame({"age": age, "trade": trade, "wage": 10 * age + random.normal(0, 5, count)})


@pytest.mark.parametrize(
    ("document", "rows", "faulty", "expected"),
    [
        (PRICES, daily(), {"predict": predictions_of_the_whole_table}, ("predict", "prediction")),
        (
            PRICES | {"where": "mixture(close) == 1"},
            daily(),
            {"confine": condition_of_all_rows},
            ("windows", "rows of window 1 that meet the condition"),
        ),
        (
            PRICES | {"split": {"kind": "calendar", "train": "4mo", "test": "1mo"}},
            daily(),
            {"windows": windows_without_purge},
            ("windows", "label of a row that window 1 is trained on"),
        ),
        (PEOPLE | {"features": ["age"]}, people(), {"fit": scaled_by_all_rows}, ("fit", "centre of age")),
        (
            PEOPLE,
            people().with_columns(pl.when(pl.int_range(pl.len()) % 30 > 0).then("trade").otherwise(pl.lit("king"))),
            {"fit": categories_of_all_rows},
            ("fit", "categories of trade"),
        ),
    ],
    ids=["predict", "condition", "calendar", "plain scaler", "plain categories"],
)
def test_other_faults_are_named_too(
    document: dict[str, Any], rows: pl.DataFrame, faulty: dict[str, Any], expected: tuple[str, str]
) -> None:
    recipe, tables = recipe_of(document), tables_of(rows)
    assert prove(recipe, tables).findings == ()
    assert expected in step_names(prove(recipe, tables, steps=replace(TRAINING, **faulty)))


def folds_without_purge(study: Study) -> tuple[Window, ...]:
    everything = np.arange(len(study.samples.rows))
    return tuple(replace(w, train=np.setdiff1d(everything, w.test)) for w in TRAINING.windows(study))


def test_folds_are_purged_on_both_sides() -> None:
    recipe, tables = recipe_of(FOLDED), tables_of(daily())
    assert prove(recipe, tables).findings == ()
    proof = prove(recipe, tables, steps=replace(TRAINING, windows=folds_without_purge))
    assert proof.findings[0].name == "label of a row that window 1 is trained on"
    after = [found for found in proof.findings if found.cut == "what window 1 tests"]
    assert after[0].place is not None
    assert after[0].place.row > 75


# --- cuts ------------------------------------------------------------------------------------------------------------


def cuts_of(document: dict[str, Any], rows: pl.DataFrame, least: int) -> tuple[Cut, ...]:
    recipe, tables = recipe_of(document), tables_of(rows)
    study = study_of(recipe, tables)
    return choose(study, TRAINING.windows(study), tables, least=least)


def test_every_windows_boundary_is_a_cut_and_others_are_added() -> None:
    few, many = cuts_of(PRICES, daily(), 1), cuts_of(PRICES, daily(), 9)
    assert [(cut.window, cut.label) for cut in few] == [
        (0, "what came after 2020-05-08"),
        (1, "what came after 2020-07-07"),
    ]
    assert {cut.label for cut in few} < {cut.label for cut in many}
    assert len(many) == 9
    assert {cut.window for cut in many} == {None, 0, 1}


def test_what_is_missing_is_cut_next_to() -> None:
    missing = set(with_gaps().filter(pl.col("volume").is_null())["time"].cast(pl.Int64))
    cuts = cuts_of(PRICES | {"missing": "median"}, with_gaps(), 12)
    assert sum(isinstance(cut, Later) and cut.after in missing for cut in cuts) >= 5


def test_folds_are_cut_before_and_inside() -> None:
    cuts = cuts_of(FOLDED, daily(), 1)
    assert [cut.window for cut in cuts] == [0, 0, 1, 1, 2, 2, 3]
    assert all(isinstance(cut, Later) and (cut.until is not None) == cut.label.startswith("what w") for cut in cuts)


def test_without_time_the_rows_that_are_held_out_take_the_place_of_a_cut() -> None:
    cuts = cuts_of(PEOPLE, people(), 50)
    assert [cut.label for cut in cuts] == [f"what window {number} tests" for number in (1, 2, 3)]
    held = [cut.rows for cut in cuts if isinstance(cut, HeldOut)]
    assert sorted(np.concatenate(held)) == list(range(90))


def test_a_cut_of_selected_keys_counts_the_rows_of_the_dataset() -> None:
    rows = people().with_columns(city=pl.Series(["Oslo", "Rome"] * 45))
    recipe = recipe_of(PEOPLE, keys=["rome"])
    tables = replace(tables_of(rows), facts=TableFacts("", None, ("city",)))
    study = study_of(recipe, tables)
    for cut in choose(study, TRAINING.windows(study), tables, least=1):
        assert isinstance(cut, HeldOut)
        assert rows["city"].gather(cut.rows).unique().to_list() == ["Rome"]
        assert rows["age"].gather(cut.rows).to_list() == study.frame["age"].gather(cut.prepared).to_list()
    assert prove(recipe, tables).status == "proven"


# --- other worlds ----------------------------------------------------------------------------------------------------


def mixed(count: int = 60) -> pl.DataFrame:
    """Every type of column, each with something missing."""
    random = np.random.default_rng(5)
    gaps = {name: random.random(count) < 0.1 for name in ("number", "whole", "flag", "text", "day")}
    times = pl.Series([START + timedelta(days=day) for day in range(count)], dtype=pl.Datetime("us", "UTC"))
    columns = {
        "time": times,
        "number": random.normal(0, 1, count),
        "whole": random.integers(-5, 5, count),
        "flag": random.random(count) < 0.5,
        "text": random.choice(["a", "b"], count),
        "day": times.dt.offset_by("10d"),
        "same": np.zeros(count),
    }
    frame = pl.DataFrame(columns)
    return frame.with_columns(pl.when(~pl.Series(gap)).then(pl.col(name)).alias(name) for name, gap in gaps.items())


MIXED = {
    "features": ["number"],
    "algorithm": "ridge",
    "target": {"column": "number", "horizon": 1, "task": "regression"},
    "missing": "median",
}


@given(day=st.integers(0, 58), seed=st.integers(0, 999))
def test_another_world_is_the_same_up_to_the_cut(day: int, seed: int) -> None:
    tables = tables_of(mixed(), SPY=mixed().select("time", close="number"))
    study = study_of(recipe_of(MIXED), tables)
    for world in (CHANGED, RAGGED):
        other = worlds.retell(study, tables, Later("", None, at(day)), world, seed=seed)
        assert other.frame.schema == tables.frame.schema
        assert other.frame.filter(pl.col("time") <= START + timedelta(days=day)).equals(tables.frame.head(day + 1))
        assert other.context["SPY"].head(day + 1).equals(tables.context["SPY"].head(day + 1))
        assert other.frame["time"].max() == tables.frame["time"].max()
        assert other.frame["time"].is_sorted()


@given(day=st.integers(0, 58), seed=st.integers(0, 999))
def test_no_value_after_the_cut_is_what_it_was(day: int, seed: int) -> None:
    tables = tables_of(mixed(), SPY=mixed().select("time", close="number"))
    other = worlds.retell(study_of(recipe_of(MIXED), tables), tables, Later("", None, at(day)), CHANGED, seed=seed)
    late, real = other.frame.slice(day + 1).drop("time"), tables.frame.slice(day + 1).drop("time")
    for name in late.columns:
        was_there = real[name].is_not_null() if name == "day" else pl.repeat(value=True, n=late.height, eager=True)
        assert late[name].ne_missing(real[name]).filter(was_there).all(), name
    assert (
        other.context["SPY"]["close"].slice(day + 1).ne_missing(tables.context["SPY"]["close"].slice(day + 1))
    ).all()


def test_a_ragged_world_has_gaps_lost_rows_new_keys_and_new_texts() -> None:
    rows = pl.concat([mixed(400).with_columns(city=pl.lit(city)) for city in ("Oslo", "Rome")]).sort("time", "city")
    tables = replace(tables_of(rows), facts=TableFacts("", "time", ("city",)))
    other = worlds.retell(study_of(recipe_of(MIXED), tables), tables, Later("", None, at(99)), RAGGED, seed=1)
    late = other.frame.filter(pl.col("time") > START + timedelta(days=99))
    assert 500 < late.height < 580
    assert late["number"].null_count() > 50
    assert late["number"].min() < -1_000 < 1_000 < late["number"].max()  # type: ignore[operator]
    assert set(late["city"]) == {"Oslo", "Rome", NOVEL}
    assert set(late["text"].drop_nulls()) == {"a", "b", NOVEL}


@pytest.mark.parametrize("world", [CHANGED, RAGGED], ids=lambda world: world.name)
def test_classes_are_spelled_the_same_in_every_world(world: World) -> None:
    target = {"column": "text", "horizon": 1, "task": "classification"}
    recipe, tables = recipe_of(MIXED, algorithm="logistic", target=target), tables_of(mixed())
    other = worlds.retell(study_of(recipe, tables), tables, Later("", None, at(9)), world, seed=1)
    assert set(other.frame["text"].drop_nulls()) == {"a", "b"}
    assert not other.frame["text"].equals(tables.frame["text"])


def test_answers_change_in_the_rows_at_the_cut_and_nothing_else_does() -> None:
    recipe, tables = recipe_of(GOALS), tables_of(daily())
    other = worlds.with_other_answers(study_of(recipe, tables), tables, Later("", None, at(50)), seed=1)
    assert other is not None
    changed = other.frame["goals"] != tables.frame["goals"]
    assert changed.to_list() == [False] * 50 + [True] * 250
    assert other.frame.drop("goals").equals(tables.frame.drop("goals"))


def test_where_everything_is_known_beforehand_there_are_no_other_answers() -> None:
    recipe, tables = recipe_of(PRICES), tables_of(daily())
    assert worlds.with_other_answers(study_of(recipe, tables), tables, Later("", None, at(50)), seed=1) is None


# --- comparison ------------------------------------------------------------------------------------------------------


def test_values_are_compared_bit_for_bit() -> None:
    one = pl.Series([1.0, 0.0, float("nan"), None, None, 0.1 + 0.2])
    other = pl.Series([1.0, -0.0, float("nan"), None, 1.0, 0.3])
    assert differing(one, other).tolist() == [False, True, False, False, True, True]
    assert differing(pl.Series(["a", None, None]), pl.Series(["a", None, "b"])).tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        (np.array([1.0, 2.0]), np.array([1.0, 2.0]), None),
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), None),
        (np.array([1.0, 2.0]), np.array([1.0, 2.5]), (2.0, 2.5)),
        (np.array([[1], [2]]), np.array([[1], [3]]), (2, 3)),
        (0.0, -0.0, (0.0, -0.0)),
        (float("nan"), float("nan"), None),
        ("a", None, ("a", None)),
    ],
)
def test_the_first_difference_of_what_was_learned(one: object, other: object, difference: object) -> None:
    assert first_difference(one, other) == difference


def test_a_proof_tells_what_it_compared_and_how_far_it_has_come() -> None:
    told: list[tuple[float, str]] = []
    proof = prove(
        recipe_of(PRICES), tables_of(daily()), cuts=4, progress=lambda share, message: told.append((share, message))
    )
    assert (proof.cuts, proof.features) == (4, 2)
    assert proof.rows == 201
    assert proof.values > 2 * proof.rows * 6
    assert told == [(number / 4, told[number][1]) for number in range(4)]
    assert told[0][1].startswith("cut 1 of 4: what came after 2020-")


def refusing(recipe: Recipe, tables: Tables) -> pl.DataFrame:
    if not tables.frame.equals(daily()):
        raise TrainingFailed("this table is not the one I know")
    return TRAINING.prepare(recipe, tables)


def test_what_cannot_be_told_otherwise_is_not_proven() -> None:
    steps: Steps = replace(TRAINING, prepare=refusing)
    with pytest.raises(TrainingFailed, match=r"nothing can be proved of what came after .*: this table is not the one"):
        prove(recipe_of(PRICES), tables_of(daily()), steps=steps)


def test_a_condition_is_compared_with_its_own_rows() -> None:
    recipe = recipe_of(PRICES, where="close > sma(close, 20)")
    study = study_of(recipe, tables_of(daily()))
    assert any(confine(study, window).outside for window in TRAINING.windows(study))
    assert prove(recipe, tables_of(daily())).findings == ()
