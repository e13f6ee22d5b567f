"""Children of models, models trained again, and batches: the recipes they are made of."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from forecastle.data.dataset import Column, Dataset
from forecastle.errors import BadInput
from forecastle.features.errors import LooksAhead
from forecastle.registry.manifest import Manifest
from forecastle.training import batch, offspring

RECIPE: dict[str, Any] = {
    "name": "model",
    "dataset": "bars",
    "features": ["day = ret(close, 1)", "sma(close, 20)", "volume"],
    "algorithm": "ridge",
    "hyperparameters": {"alpha": 3.0},
    "target": {"column": "close", "transform": "log_return", "task": "regression", "horizon": 1},
}
COLUMNS = ("open", "high", "low", "close", "volume")
BARS = Dataset(
    id="bars",
    name="bars",
    sha256="0" * 64,
    rows=100,
    columns=(Column("time", "time"), *(Column(name, "number") for name in COLUMNS)),
    time="time",
    keys=(),
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


@pytest.fixture
def parent(make_manifest: Callable[..., Manifest]) -> Manifest:
    return make_manifest(recipe=RECIPE)


def child(manifest: Manifest, **changes: Any) -> offspring.Child:
    recipe = offspring.inherit(manifest, changes)
    return offspring.child(offspring.recipe_of(manifest), recipe, {"bars": BARS})


def test_a_child_inherits_everything_but_what_is_given(parent: Manifest) -> None:
    made = child(parent, features=["volume"], seed=9).recipe
    assert made.as_json() == RECIPE | {"features": ["volume"], "seed": 9, "parent": parent.id}


@pytest.mark.parametrize(
    ("wanted", "features", "ignored"),
    [
        (["day"], ["day = ret(close, 1)"], []),
        (["ret( close, 1 )"], ["day = ret(close, 1)"], []),
        (["sma(close,20)", "volume"], ["sma(close, 20)", "volume"], []),
        (["volume", "day"], ["volume", "day = ret(close, 1)"], []),
        (["day", "ret(close, 1)"], ["day = ret(close, 1)"], []),
        (["rsi(close, 14)"], ["rsi(close, 14)"], []),
        (["volume", "turnover", "sma(("], ["volume"], ["turnover", "sma(("]),
    ],
)
def test_the_whitelist_beats_the_parents_features_and_is_cut_to_what_there_is(
    parent: Manifest, wanted: list[str], features: list[str], ignored: list[str]
) -> None:
    made = child(parent, features=wanted)
    assert (list(made.recipe.features), list(made.ignored)) == (features, ignored)


@pytest.mark.parametrize("wanted", ["lag(close, -1)", "next = ret(close, -5)", "sma(close, -3)"])
def test_a_feature_that_looks_ahead_is_refused_and_not_ignored(parent: Manifest, wanted: str) -> None:
    with pytest.raises(LooksAhead, match=r"as a feature sees no later row, found -\d"):
        child(parent, features=["volume", wanted])


def test_a_hidden_column_at_the_row_itself_is_refused_and_not_ignored(make_manifest: Callable[..., Manifest]) -> None:
    hiding = RECIPE | {"features": ["lag(close, 1)"], "target": {"column": "close", "hidden": ["volume"]}}
    with pytest.raises(LooksAhead, match="expected volume inside lag"):
        child(make_manifest(recipe=hiding), features=["lag(close, 1)", "volume"])


def test_a_name_of_the_parent_comes_before_a_column(make_manifest: Callable[..., Manifest]) -> None:
    parent = make_manifest(recipe=RECIPE | {"features": ["volume = ret(close, 1)", "volume + 0"]})
    assert child(parent, features=["volume"]).recipe.features == ("volume = ret(close, 1)",)


def test_a_whitelist_of_nothing_that_there_is_is_an_error(parent: Manifest) -> None:
    expected = r"features: expected features of the parent \(day, sma\(close, 20\), volume\) or of its tables"
    with pytest.raises(BadInput, match=f"{expected}, found turnover, profit"):
        child(parent, features=["turnover", "profit"])


def test_an_empty_whitelist_is_an_error(parent: Manifest) -> None:
    with pytest.raises(BadInput, match="features: expected at least 1 entry"):
        child(parent, features=[])


def test_another_algorithm_begins_with_its_own_defaults(parent: Manifest) -> None:
    made = child(parent, features=["volume"], algorithm="random_forest").recipe
    assert (made.algorithm, made.hyperparameters["n_estimators"]) == ("random_forest", 100)
    assert child(parent, features=["volume"], algorithm="ridge").recipe.hyperparameters == {"alpha": 3.0}


def test_a_child_is_never_its_own_parents_child(parent: Manifest) -> None:
    assert child(parent, features=["volume"], parent="somebody else").recipe.parent == parent.id


def test_again_is_the_same_recipe_with_a_parent(parent: Manifest) -> None:
    assert offspring.again(parent).as_json() == RECIPE | {"parent": parent.id}
    assert offspring.again(parent, dataset="newer").dataset == "newer"


def test_a_model_without_recipe_has_no_offspring(make_manifest: Callable[..., Manifest]) -> None:
    with pytest.raises(BadInput, match="model: expected one that was trained from a recipe"):
        offspring.again(make_manifest(recipe={}))


BATCH: dict[str, Any] = {"name": "bar", "dataset": "bars", "features": ["ret(close, 1)"], "algorithm": "ridge"}


def test_a_batch_is_four_recipes_for_two_pairs_at_two_timeframes() -> None:
    recipes = batch.parse_batch(BATCH | {"batch": {"open_close": "1h", "high_low": "1d"}})
    found = [(each.name, each.target.column, each.target.transform, each.timeframe) for each in recipes]
    assert found == [
        ("bar-open", "open", "log_return", "1h"),
        ("bar-close", "close", "log_return", "1h"),
        ("bar-high", "high", "log_return", "1d"),
        ("bar-low", "low", "log_return", "1d"),
    ]


def test_the_target_of_a_batch_may_say_everything_but_the_column() -> None:
    recipes = batch.parse_batch(BATCH | {"target": {"transform": "pct_change", "horizon": 5}, "timeframe": "1d"})
    assert {(each.target.transform, each.target.horizon, each.timeframe) for each in recipes} == {
        ("pct_change", 5, "1d")
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "close"}, "target: expected a table without column"),
        ({"target": {"column": "close"}}, "target: expected a table without column"),
        ({"target": 5}, "target: expected a table without column"),
        ({"batch": {"open": "1h"}}, r"batch\.open: expected one of open_close, high_low"),
        ({"batch": {"high_low": 5}}, r"batch\.high_low: expected text, found 5"),
        ({"batch": "1h"}, "^batch: expected a table, found .1h."),
        ({"name": 5}, "name: expected text, found 5"),
        ({"features": []}, "features: expected at least 1 entry"),
    ],
)
def test_a_bad_batch_names_field_value_and_expectation(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        batch.parse_batch(BATCH | change)
