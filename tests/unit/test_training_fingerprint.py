"""The fingerprint: every field that matters changes it, nothing else does."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecastle.training.algorithms.catalogue import ALGORITHMS, Hyperparameter
from forecastle.training.fingerprint import WITHOUT_EFFECT, canonical, fingerprint
from forecastle.training.recipe import Chronological, Random, Recipe, Target, WalkForward

BASE: dict[str, Any] = {
    "name": "prices",
    "dataset": "market",
    "features": ["sma(close, 20)", "m = ret(close, 5)", "volume"],
    "algorithm": "random_forest",
    "target": {"column": "close", "transform": "log_return", "horizon": 5, "task": "regression"},
    "split": {"kind": "walk_forward", "train": 100, "test": 20},
    "seed": 3,
    "timeframe": "1d",
    "context": ["QQQ", "VIX"],
    "keys": ["AAPL", "TSLA"],
}
OTHER: dict[str, Any] = {
    "name": "other",
    "dataset": "other",
    "features": ["sma(close, 21)", "m = ret(close, 5)", "volume"],
    "algorithm": "lightgbm",
    "target": {"column": "open", "transform": "log_return", "horizon": 5, "task": "regression"},
    "hyperparameters": {"max_depth": 4},
    "split": {"kind": "chronological"},
    "seed": 4,
    "timeframe": "1h",
    "context": ["QQQ"],
    "keys": ["AAPL"],
    "missing": "median",
    "parent": "01h0000000000000000000000",
    "tags": ["x"],
}
OTHER_TARGET: dict[str, Any] = {
    "column": "open",
    "transform": "pct_change",
    "horizon": 6,
    "task": "classification",
    "hidden": ["volume"],
}
OTHER_SPLIT: dict[type[Any], dict[str, Any]] = {
    Chronological: {"test": 0.3},
    Random: {"test": 0.3},
    WalkForward: {"train": 99, "test": 21, "step": 7},
}


def mark(document: dict[str, Any], *, dataset: str = "d" * 64, contexts: dict[str, str] | None = None) -> str:
    recipe = Recipe.parse(document)
    hashes = {name: f"hash of {name.upper()}" for name in recipe.context} if contexts is None else contexts
    return fingerprint(canonical(recipe, dataset, hashes))


def test_it_is_a_sha256_in_hexadecimal() -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", mark(BASE))


@pytest.mark.parametrize("field", Recipe.model_fields)
def test_each_field_alone_changes_it_unless_it_has_no_effect(field: str) -> None:
    assert field in OTHER, f"say in OTHER how to change {field}"
    changed = mark(BASE | {field: OTHER[field]}) != mark(BASE)
    assert changed == (field not in WITHOUT_EFFECT)


@pytest.mark.parametrize("field", Target.model_fields)
def test_each_field_of_the_target_alone_changes_it(field: str) -> None:
    assert mark(BASE | {"target": BASE["target"] | {field: OTHER_TARGET[field]}}) != mark(BASE)


@pytest.mark.parametrize(
    ("kind", "field"),
    [(kind, field) for kind in OTHER_SPLIT for field in kind.model_fields if field != "kind"],
)
def test_each_field_of_a_split_alone_changes_it(kind: type[Any], field: str) -> None:
    names: dict[type[Any], str] = {Chronological: "chronological", Random: "random", WalkForward: "walk_forward"}
    sizes = {"train": 100, "test": 20} if kind is WalkForward else {}
    split = {"kind": names[kind]} | sizes
    changed = split | {field: OTHER_SPLIT[kind][field]}
    assert mark(BASE | {"split": changed}) != mark(BASE | {"split": split})


@pytest.mark.parametrize(
    ("algorithm", "entry"),
    [(algorithm.name, entry) for algorithm in ALGORITHMS.values() for entry in algorithm.hyperparameters],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_each_hyperparameter_alone_changes_it_and_its_default_does_not(algorithm: str, entry: Hyperparameter) -> None:
    plain = BASE | {"algorithm": algorithm}
    other = (not entry.default) if entry.kind == "switch" else entry.maximum
    if other == entry.default:
        other = entry.minimum
    assert mark(plain | {"hyperparameters": {entry.name: other}}) != mark(plain)
    assert mark(plain | {"hyperparameters": {entry.name: entry.default}}) == mark(plain)


def test_the_content_of_the_tables_changes_it() -> None:
    assert mark(BASE, dataset="e" * 64) != mark(BASE)
    assert mark(BASE, contexts={"QQQ": "1", "VIX": "2"}) != mark(BASE, contexts={"QQQ": "1", "VIX": "3"})
    assert mark(BASE, contexts={"QQQ": "1", "VIX": "2"}) != mark(BASE, contexts={"QQQ": "2", "VIX": "1"})


def test_the_version_of_the_feature_code_changes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = mark(BASE)
    monkeypatch.setattr("forecastle.training.fingerprint.FEATURE_VERSION", 999)
    assert mark(BASE) != before


@pytest.mark.parametrize(
    "noise",
    [
        {"features": ["volume", "m = ret(close, 5)", "sma(close, 20)"]},
        {"features": ["sma( close,window = 20 )", "m=ret(close,5)", "volume"]},
        {"context": ["vix", "qqq"]},
        {"keys": ["tsla", "AAPL", "aapl"]},
        {"hyperparameters": {}},
        {"hyperparameters": None},
        {"hyperparameters": {"n_estimators": 100.0, "max_depth": None}},
        {"hyperparameters": {"n_estimators": 100, "balanced": False}},
        {"tags": []},
        {"parent": None},
        {"missing": "drop"},
        {"target": BASE["target"] | {"hidden": []}},
        {"target": BASE["target"] | {"hidden": None, "column": " close "}},
        {"split": BASE["split"] | {"step": 20}},
        {"split": BASE["split"] | {"step": None}},
    ],
    ids=str,
)
def test_noise_does_not_change_it(noise: dict[str, Any]) -> None:
    assert mark(BASE | noise) == mark(BASE)


@pytest.mark.parametrize(
    ("one", "same"),
    [(1, 1.0), (0.1 + 0.2, 0.3), (0.123456789012, 0.123456789013), (1, 1 + 1e-12)],
)
def test_numbers_count_to_eight_digits(one: float, same: float) -> None:
    ridge = {name: value for name, value in BASE.items() if name != "hyperparameters"} | {"algorithm": "ridge"}
    assert mark(ridge | {"hyperparameters": {"alpha": one}}) == mark(ridge | {"hyperparameters": {"alpha": same}})


def test_what_is_rounded_away_does_not_reach_the_fit() -> None:
    ridge = {"algorithm": "ridge", "hyperparameters": {"alpha": 0.1234567891}}
    assert Recipe.parse(BASE | ridge).hyperparameters == {"alpha": 0.12345679}


def test_negative_zero_is_zero() -> None:
    one, same = ({"algorithm": "lightgbm", "hyperparameters": {"reg_alpha": zero}} for zero in (-0.0, 0))
    assert mark(BASE | one) == mark(BASE | same)


@given(st.permutations(BASE["features"]), st.permutations(sorted(BASE)))
def test_order_does_not_matter(features: list[str], fields: list[str]) -> None:
    shuffled = {field: BASE[field] for field in fields} | {"features": features}
    assert mark(shuffled) == mark(BASE)
