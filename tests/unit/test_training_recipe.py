"""A recipe is read strictly, and what is wrong with one is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from forecastle.features.plan import MAX_FEATURES
from forecastle.training.algorithms.catalogue import ALGORITHMS
from forecastle.training.errors import BadRecipe, RecipeUnreadable
from forecastle.training.fields import MAX_TEXT
from forecastle.training.recipe import Recipe, document_schema, load_recipe
from forecastle.training.schemes import WalkForward

SMALLEST: dict[str, Any] = {
    "name": "prices",
    "dataset": "market",
    "features": ["close"],
    "algorithm": "lightgbm",
    "target": "close",
}

WHOLE: dict[str, Any] = {
    "name": "prices",
    "dataset": "market",
    "features": ["sma(close, 20)", "momentum = ret(close, 5)"],
    "algorithm": "random_forest",
    "target": {
        "column": "close",
        "transform": "log_return",
        "horizon": 5,
        "task": "regression",
        "hidden": ["volume"],
    },
    "hyperparameters": {"n_estimators": 10, "max_depth": 3},
    "split": {"kind": "walk_forward", "train": 100, "test": 20, "step": 10},
    "seed": 3,
    "timeframe": "1d",
    "context": ["QQQ"],
    "keys": ["AAPL"],
    "missing": "median",
    "where": "close > 1",
    "prove_leakage": True,
    "parent": "01h0000000000000000000000",
    "tags": ["demo"],
}


@pytest.mark.parametrize("document", [SMALLEST, WHOLE])
def test_a_recipe_is_written_back_exactly(document: dict[str, Any]) -> None:
    recipe = Recipe.parse(document)
    assert Recipe.parse(recipe.as_json()) == recipe
    assert Recipe.parse(json.loads(json.dumps(recipe.as_json()))) == recipe


def test_everything_given_is_kept() -> None:
    written = Recipe.parse(WHOLE).as_json()
    assert {name: written[name] for name in WHOLE if name != "hyperparameters"} == {
        name: value for name, value in WHOLE.items() if name != "hyperparameters"
    }


def test_hyperparameters_left_out_get_their_defaults() -> None:
    recipe = Recipe.parse(SMALLEST | {"hyperparameters": {"num_leaves": 7, "learning_rate": None}})
    assert recipe.hyperparameters["num_leaves"] == 7
    assert recipe.hyperparameters["learning_rate"] == 0.05
    assert set(recipe.hyperparameters) == {entry.name for entry in ALGORITHMS["lightgbm"].hyperparameters}


def test_a_split_may_be_named_alone() -> None:
    assert Recipe.parse(SMALLEST | {"split": "chronological"}).as_json()["split"] == {"kind": "chronological"}


def test_walk_forward_moves_by_its_test_stretch_unless_told() -> None:
    assert WalkForward(kind="walk_forward", train=10, test=4).stride == 4


@pytest.mark.parametrize(
    "split",
    [
        {"kind": "walk_forward", "train": 10, "test": 4, "expanding": True},
        {"kind": "calendar", "train": "3y", "test": "3mo"},
        {"kind": "calendar", "train": "expanding", "test": "90d", "step": "30d"},
        {"kind": "purged_kfold", "folds": 4, "embargo": 5},
        {"kind": "purged_kfold", "embargo": "2w"},
        {"kind": "kfold"},
        {"kind": "stratified_kfold", "folds": 10},
    ],
    ids=str,
)
def test_every_split_is_written_back(split: dict[str, Any]) -> None:
    recipe = Recipe.parse(SMALLEST | {"split": split})
    assert Recipe.parse(recipe.as_json()) == recipe


@pytest.mark.parametrize(("transform", "horizon"), [("none", 0), ("log", 0), ("log_return", 1), ("up", 1)])
def test_a_horizon_left_out_fits_the_transform(transform: str, horizon: int) -> None:
    recipe = Recipe.parse(SMALLEST | {"target": {"column": "close", "transform": transform}})
    assert recipe.target.rows_ahead == horizon


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": None}, "name: expected a value, found nothing"),
        ({"name": "../x"}, "name: expected letters, digits, dots, dashes and underscores"),
        ({"name": "x" * 101}, "name: expected at most 100 characters"),
        ({"targte": 1}, "targte: expected one of .* (did you mean target?), found an unknown field"),
        ({"features": "close"}, 'features: expected a list, found "close"'),
        ({"features": []}, "features: expected at least 1 entry"),
        ({"features": [1]}, "features.0: expected text, found 1"),
        ({"features": ["x"] * (MAX_FEATURES + 1)}, f"features: expected at most {MAX_FEATURES} entries"),
        ({"features": ["x" * (MAX_TEXT + 1)]}, f"features.0: expected at most {MAX_TEXT} characters"),
        ({"algorithm": "lightbgm"}, 'algorithm: expected one of .* (did you mean lightgbm?), found "lightbgm"'),
        ({"target": {}}, "target.column: expected a value, found nothing"),
        ({"target": {"column": "a", "horzion": 1}}, "target.horzion: expected one of .*did you mean horizon"),
        ({"target": {"column": "a", "horizon": 1.5}}, "target.horizon: expected a whole number, found 1.5"),
        ({"target": {"column": "a", "transform": "sqrt"}}, "target.transform: expected 'none', 'log'.* found \"sqrt\""),
        ({"hyperparameters": {"num_leafs": 3}}, "hyperparameters.num_leafs: expected one of .*did you mean num_leaves"),
        ({"hyperparameters": {"num_leaves": 1}}, "num_leaves: expected a whole number from 2 to 4096, found 1"),
        ({"hyperparameters": {"num_leaves": 2.5}}, "num_leaves: expected a whole number from 2 to 4096, found 2.5"),
        ({"hyperparameters": {"num_leaves": True}}, "num_leaves: expected a whole number from 2 to 4096, found true"),
        ({"hyperparameters": {"subsample": "half"}}, 'subsample: expected a number from 0.001 to 1, found "half"'),
        ({"hyperparameters": {"subsample": float("nan")}}, "subsample: expected a number from 0.001 to 1, found NaN"),
        ({"hyperparameters": {"balanced": 1}}, "balanced: expected true or false, found 1"),
        ({"hyperparameters": []}, "hyperparameters: expected a table"),
        ({"split": {"kind": "walk"}}, "split: expected kind to be one of 'chronological', 'walk_forward', 'calendar'"),
        ({"split": {}}, "split: expected kind to be"),
        ({"split": 3}, "split: expected a table, found 3"),
        ({"split": {"kind": "walk_forward", "train": 0}}, "split.train: expected at least 1, found 0; split.test"),
        ({"split": {"kind": "random", "tset": 0.2}}, "split.tset: expected one of kind, test (did you mean test?)"),
        (
            {"split": {"kind": "calendar", "train": "3 years", "test": "0mo"}},
            'split.train: expected a number and y, mo, w, d or h, such as 3y, 18mo or 90d, found "3 years"; split.test',
        ),
        ({"split": {"kind": "calendar", "train": 3, "test": "1mo"}}, "split.train: expected a number and y, mo"),
        (
            {"split": {"kind": "calendar", "train": "expanding", "test": "soon"}},
            'split.test: expected a number and y, mo, w, d or h, such as 3y, 18mo or 90d, found "soon"',
        ),
        ({"split": {"kind": "purged_kfold", "folds": 1}}, "split.folds: expected at least 2, found 1"),
        (
            {"split": {"kind": "purged_kfold", "embargo": -1}},
            "split.embargo: expected 0 to 100,000,000 rows, found -1",
        ),
        ({"split": {"kind": "purged_kfold", "embargo": True}}, "split.embargo: expected a whole number of rows, or a"),
        (
            {"split": {"kind": "purged_kfold", "embargo": 10**12}},
            "split.embargo: expected 0 to 100,000,000 rows, found 1000000000000",
        ),
        (
            {"split": {"kind": "purged_kfold", "embargo": "100000d"}},
            'split.embargo: expected 1 to 99,999 d, found "100000d"',
        ),
        (
            {"split": {"kind": "calendar", "train": "0y", "test": "1mo"}},
            'split.train: expected 1 to 99,999 y, found "0y"',
        ),
        (
            {"split": {"kind": "calendar", "train": "expanding", "test": "1mo", "expanding": False}},
            'split: expected train = "expanding" or expanding = false, not both, found {"kind": "calendar"',
        ),
        ({"split": {"kind": "purged_kfold", "embargo": "5"}}, "split.embargo: expected a number and y, mo, w, d or h"),
        ({"split": {"kind": "walk_forward", "train": 9, "test": 9, "expanding": 1}}, "split.expanding: expected true"),
        ({"where": ""}, "where: expected at least 1 character"),
        ({"prove_leakage": "yes"}, 'prove_leakage: expected true or false, found "yes"'),
        ({"split": {"kind": "chronological", "test": 1}}, "split.test: expected less than 1.0, found 1"),
        ({"split": {"kind": "chronological", "test": float("inf")}}, "split.test: expected a finite number"),
        ({"seed": -1}, "seed: expected at least 0, found -1"),
        ({"seed": True}, "seed: expected a whole number, found true"),
        ({"seed": 2**31}, "seed: expected at most 2147483647"),
        ({"missing": "mean"}, "missing: expected 'drop' or 'median', found \"mean\""),
        ({"tags": ["a b"]}, "tags.0: expected letters"),
    ],
)
def test_what_is_wrong_is_named_with_what_was_expected(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRecipe) as caught:
        Recipe.parse(SMALLEST | change)
    for part in message.split(".*"):
        assert part in caught.value.message
    assert caught.value.problems


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(BadRecipe) as caught:
        Recipe.parse({"nam": "x", "seed": "y"})
    fields = {problem.field for problem in caught.value.problems}
    assert fields == {"nam", "seed", "name", "dataset", "features", "algorithm", "target"}


def test_a_recipe_is_read_from_toml_and_json(tmp_path: Path) -> None:
    toml, as_json = tmp_path / "recipe.toml", tmp_path / "recipe.json"
    toml.write_text(
        'name = "prices"\ndataset = "market"\nfeatures = ["close"]\nalgorithm = "lightgbm"\ntarget = "close"\n'
    )
    as_json.write_text(json.dumps(SMALLEST))
    assert load_recipe(toml) == load_recipe(as_json) == Recipe.parse(SMALLEST)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.toml", None, "absent.toml: No such file or directory"),
        ("broken.toml", b"name = ", "broken.toml: expected TOML: Invalid value"),
        ("broken.json", b"{", "broken.json: expected JSON: Expecting property name"),
        ("deep.json", b"[" * 100_000, "deep.json: expected JSON"),
        ("list.json", b"[1]", "list.json: expected a table of fields, found [1]"),
        ("latin.toml", b'name = "\xe9"', "latin.toml: expected TOML: 'utf-8' codec can't decode"),
        ("huge.toml", b"#" * 1_000_001, "huge.toml: expected at most 1,000,000 bytes"),
    ],
)
def test_what_is_no_recipe_at_all_is_said_in_one_line(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RecipeUnreadable) as caught:
        load_recipe(tmp_path / name)
    assert message in caught.value.message
    assert "\n" not in caught.value.message


def test_a_bad_field_in_a_file_is_named_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(SMALLEST | {"seed": -1}))
    with pytest.raises(BadRecipe, match=r"recipe\.json: seed: expected at least 0"):
        load_recipe(path)


def test_the_schema_of_a_recipe_stands_on_its_own() -> None:
    text = json.dumps(document_schema())
    assert "$ref" not in text
    assert set(document_schema()["properties"]) == set(Recipe.model_fields)
