"""The space of a search: what a grid holds, what is drawn, and how a choice becomes a recipe."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecastle.errors import BadInput
from forecastle.training.recipe import Recipe
from forecastle.training.search import dimensions
from forecastle.training.search.space import Choice, Range, Space, apply, path_of

BASE: dict[str, Any] = {
    "name": "model",
    "dataset": "table",
    "features": ["a"],
    "algorithm": "ridge",
    "target": "b",
    "split": "chronological",
}


def space(document: dict[str, Any], *, algorithm: str | None = "ridge", ranges: bool = True) -> Space:
    return Space(dimensions.read(document, ranges=ranges), algorithm)


def test_a_grid_holds_every_combination_once() -> None:
    every = list(space({"features": [["a"], ["b"]], "seed": [1, 2, 3]}).grid())
    assert every[:2] == [{"features": ["a"], "seed": 1}, {"features": ["a"], "seed": 2}]
    assert len({json.dumps(each) for each in every}) == 6


def test_what_belongs_to_one_algorithm_varies_with_it_alone() -> None:
    searched = space(
        {
            "algorithm": ["ridge", "lightgbm"],
            "hyperparameters": {"ridge": {"alpha": [0.1, 1.0, 10.0]}, "lightgbm": {"num_leaves": [7, 15]}},
        }
    )
    every = list(searched.grid())
    assert searched.size == len(every) == 5
    assert [each.keys() - {"algorithm"} for each in every] == (
        [{"hyperparameters.ridge.alpha"}] * 3 + [{"hyperparameters.lightgbm.num_leaves"}] * 2
    )


@given(
    common=st.lists(st.integers(1, 4), max_size=3),
    own=st.dictionaries(st.sampled_from(["ridge", "lightgbm", "random_forest"]), st.integers(1, 5), max_size=3),
)
def test_the_size_of_a_space_is_the_length_of_its_grid(common: list[int], own: dict[str, int]) -> None:
    fields = ["seed", "timeframe", "missing"]
    found = [Choice(field, tuple(range(size))) for field, size in zip(fields, common, strict=False)]
    found.append(Choice("algorithm", ("ridge", "lightgbm")))
    found += [Choice(f"hyperparameters.{name}.x", tuple(range(size)), name) for name, size in own.items()]
    searched = Space(tuple(found), None)
    assert searched.size == len(list(searched.grid()))


def test_fields_may_be_nested_or_dotted() -> None:
    nested = space({"target": {"transform": ["up"]}, "hyperparameters": {"lightgbm": {"num_leaves": [7]}}})
    dotted = space({"target.transform": ["up"], "hyperparameters.lightgbm.num_leaves": [7]})
    assert nested == dotted


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("algorithm", "lightgbm", {"algorithm": "lightgbm"}),
        ("target.transform", "up", {"target": {"column": "b", "transform": "up"}}),
        ("split.test", 0.5, {"split": {"kind": "chronological", "test": 0.5}}),
        ("split", {"kind": "random"}, {"split": {"kind": "random"}}),
        ("hyperparameters.alpha", 2.0, {"hyperparameters": {"alpha": 2.0}}),
        ("hyperparameters.ridge.alpha", 2.0, {"hyperparameters": {"alpha": 2.0}}),
    ],
)
def test_a_choice_takes_its_place_in_the_recipe(field: str, value: object, expected: dict[str, Any]) -> None:
    before = json.dumps(BASE)
    changed = apply(BASE, {field: value})
    assert changed == BASE | expected
    assert Recipe.parse(changed).name == "model"
    assert json.dumps(BASE) == before


def test_what_is_beside_a_choice_stays() -> None:
    base = BASE | {"hyperparameters": {"alpha": 1.0}, "target": {"column": "b", "horizon": 3}}
    assert apply(base, {"target.transform": "up"})["target"] == {"column": "b", "horizon": 3, "transform": "up"}
    assert apply(base, {"hyperparameters.x": 2})["hyperparameters"] == {"alpha": 1.0, "x": 2}


def test_the_algorithm_of_a_hyperparameter_is_no_part_of_its_place() -> None:
    assert path_of("hyperparameters.lightgbm.num_leaves") == ("hyperparameters", "num_leaves")
    assert path_of("split.train") == ("split", "train")


@given(
    low=st.integers(1, 50),
    width=st.integers(1, 100),
    step=st.integers(1, 30),
    log=st.booleans(),
    seed=st.integers(0, 99),
)
def test_a_whole_number_is_drawn_from_its_range(low: int, width: int, step: int, log: bool, seed: int) -> None:  # noqa: FBT001
    drawn = Range("seed", low, low + width, whole=True, log=log, step=None if log else step).draw(Random(seed))
    assert isinstance(drawn, int)
    assert low <= drawn <= low + width
    assert log or (drawn - low) % step == 0


@given(seed=st.integers(0, 1000))
def test_a_logarithmic_range_gives_each_magnitude_its_share(seed: int) -> None:
    random = Random(seed)
    drawn = [Range("x", 1e-4, 1.0, whole=False, log=True).draw(random) for _ in range(200)]
    assert all(1e-4 <= value <= 1 for value in drawn)
    assert 60 <= sum(value < 1e-2 for value in drawn) <= 140


def test_the_same_seed_draws_the_same() -> None:
    searched = space({"seed": {"low": 0, "high": 10**6}, "hyperparameters": {"alpha": {"low": 0.1, "high": 9.0}}})
    assert searched.draw(Random(1)) == searched.draw(Random(1)) != searched.draw(Random(2))


def test_a_step_ends_at_the_last_one_that_fits() -> None:
    (found,) = space({"hyperparameters.ridge.alpha": {"low": 0.1, "high": 1.05, "step": 0.1}}).dimensions
    assert isinstance(found, Range)
    assert (found.high, found.size) == (1.0, 10)


def test_a_hyperparameter_knows_whether_it_is_whole() -> None:
    rate, leaves = space(
        {"hyperparameters.lightgbm": {"learning_rate": {"low": 0.1, "high": 1}, "num_leaves": {"low": 2, "high": 64}}}
    ).dimensions
    assert isinstance(rate, Range)
    assert isinstance(leaves, Range)
    assert (rate.whole, leaves.whole) == (False, True)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"featurs": [["a"]]}, r"search\.space\.featurs: expected one of dataset, features, .*did you mean features"),
        ({"name": ["x"]}, r"search\.space\.name: expected one of .*found a field that no search can vary"),
        ({"seed": 1}, r"search\.space\.seed: expected a list of values, or a table with low and high, found 1"),
        ({"seed": []}, r"search\.space\.seed: expected 1 to 1,000 values, found 0"),
        ({"seed": [1, 2, 1]}, r"search\.space\.seed\.2: expected each value once, found 1"),
        ({"seed": {"low": 3, "high": 3}}, r"search\.space\.seed\.high: expected more than low, which is 3, found 3"),
        ({"seed": {"low": 1}}, r"search\.space\.seed\.high: expected a value, found nothing"),
        ({"seed": {"low": 1, "high": True}}, r"search\.space\.seed\.high: expected a number from"),
        ({"seed": {"low": 1, "high": 1e300}}, r"search\.space\.seed\.high: expected a number from"),
        (
            {"seed": {"low": 1, "high": 9, "steps": 2}},
            r"search\.space\.seed\.steps: expected one of .* mean step",
        ),
        (
            {"seed": {"low": 0, "high": 9, "log": True}},
            r"search\.space\.seed\.low: expected more than 0 on a",
        ),
        (
            {"seed": {"low": 1, "high": 9, "log": True, "step": 2}},
            r"seed\.step: expected nothing on a log",
        ),
        (
            {"hyperparameters": {"lightgbm": {"num_leaves": {"low": 2, "high": 9, "step": 0.5}}}},
            r"num_leaves\.step: expected a whole number, found 0\.5",
        ),
        (
            {"hyperparameters": {"lightgbm": {"num_leaves": {"low": 1, "high": 9}}}},
            r"num_leaves\.low: expected a whole number from 2 to 4096, found 1",
        ),
        (
            {"hyperparameters": {"lightgmb": {"num_leaves": [2]}}},
            r"expected hyperparameters\.ALGORITHM\.NAME ",
        ),
        ({"hyperparameters": {"lightgbm": {"leaves": [2]}}}, r"expected one of .* for lightgbm.*found an unknown name"),
        (
            {"target": ["a"], "target.transform": ["up"]},
            r"search\.space\.target: expected not both it and target\.transform",
        ),
    ],
)
def test_a_space_that_cannot_be_searched_names_field_value_and_expectation(
    document: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        space(document)


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(BadInput) as caught:
        space({"seed": [], "nonsense": [1]})
    assert [problem.field for problem in caught.value.problems] == ["search.space.seed", "search.space.nonsense"]


def test_a_grid_takes_no_range() -> None:
    with pytest.raises(BadInput, match=r"search\.space\.seed: expected a list of values for a grid, found"):
        space({"seed": {"low": 1, "high": 9}}, ranges=False)
