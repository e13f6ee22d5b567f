"""The fingerprint: every field that matters changes it, nothing else does."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecastle.training.algorithms.catalogue import ALGORITHMS, Hyperparameter
from forecastle.training.fingerprint import WITHOUT_EFFECT, canonical, fingerprint
from forecastle.training.recipe import Recipe, document_schema
from forecastle.training.schemes import SPLITS

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
SCHEMA = document_schema()
Path = tuple[str, ...]


def mark(document: dict[str, Any], *, dataset: str = "d" * 64, contexts: dict[str, str] | None = None) -> str:
    recipe = Recipe.parse(document)
    hashes = {name: f"hash of {name.upper()}" for name in recipe.context} if contexts is None else contexts
    return fingerprint(canonical(recipe, dataset, hashes))


# --- every field of the schema ---------------------------------------------------------------------------------------


def alternatives(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The schemas of the values that a field may have, besides null."""
    given = schema.get("anyOf") or schema.get("oneOf")
    if not given:
        return [] if schema.get("type") == "null" else [schema]
    return [inner for each in given for inner in alternatives(each)]


def leaves(schema: dict[str, Any], path: Path = ()) -> Iterator[tuple[Path, dict[str, Any], dict[str, Any]]]:
    """Path and schema of every field that holds no further ones, with the schema of the part it is in."""
    for name, entry in schema["properties"].items():
        for option in alternatives(entry):
            if "properties" in option:
                yield from leaves(option, (*path, name))
            elif "const" not in option:
                yield (*path, name), option, schema


def another(schema: dict[str, Any], value: Any) -> Any:
    """A value that the schema allows and that is not `value`."""
    match schema.get("type"):
        case "integer":
            return max(schema["minimum"], value or 0) + 1
        case "number":
            return (schema["minimum"] + schema.get("maximum", schema.get("exclusiveMaximum"))) / 3
        case "boolean":
            return not value
        case "string":
            texts = ("7mo", "8mo") if "mo" in schema.get("pattern", "") else ("other", "another")
            return next(option for option in schema.get("enum", texts) if option != value)
        case "array":
            return [*(value or []), another(schema["items"], None)]
        case "object":
            return {"max_depth": 4}
    raise AssertionError(f"say how to change a field of the schema {schema}")


def smallest(schema: dict[str, Any]) -> dict[str, Any]:
    """A part with its required fields only; a kind of split is told by its constant."""
    fields = {name: schema["properties"][name] for name in schema["required"]}
    return {name: entry["const"] if "const" in entry else another(entry, None) for name, entry in fields.items()}


def get(document: dict[str, Any], path: Path) -> Any:
    return document.get(path[0]) if len(path) == 1 else get(document.get(path[0], {}), path[1:])


def put(document: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    inner = value if len(path) == 1 else put(document.get(path[0], {}), path[1:], value)
    return document | {path[0]: inner}


LEAVES = list(leaves(SCHEMA))


@pytest.mark.parametrize(
    ("path", "schema", "part"), LEAVES, ids=[f"{'.'.join(path)} of {part['title']}" for path, _, part in LEAVES]
)
def test_each_field_alone_changes_it_unless_it_has_no_effect(
    path: Path, schema: dict[str, Any], part: dict[str, Any]
) -> None:
    before = BASE if path[0] != "split" else BASE | {"split": smallest(part)}
    value = get(before, path)
    if value is None:
        value = part["properties"][path[-1]].get("default")
    if value is None:  # a step left out is that of the test, so that the first value to come to mind may be it
        value = another(schema, None)
    other = "lightgbm" if path == ("algorithm",) else another(schema, value)
    changed = mark(put(before, path, other)) != mark(before)
    assert changed == (path[0] not in WITHOUT_EFFECT)


def test_each_kind_of_split_has_its_own() -> None:
    kinds = alternatives(SCHEMA["properties"]["split"])
    assert len(kinds) == len(SPLITS)
    assert len({mark(BASE | {"split": smallest(kind)}) for kind in kinds}) == len(kinds)


def test_what_has_no_effect_is_a_field() -> None:
    assert set(SCHEMA["properties"]) >= WITHOUT_EFFECT


def test_it_is_a_sha256_in_hexadecimal() -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", mark(BASE))


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
        {"split": BASE["split"] | {"step": None, "expanding": False}},
        {"where": None},
        {"prove_leakage": True},
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
