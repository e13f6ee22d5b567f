"""A search as it is declared, in TOML and in JSON."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from forecastle.errors import BadInput
from forecastle.training import batch
from forecastle.training.documents import read_document
from forecastle.training.search import document as documents
from forecastle.training.search.document import parse_search
from forecastle.training.search.judging import METRICS, choose

TOML = """
name = "model"
dataset = "table"
target = "b"

[search]
method = "random"
trials = 7
prune = { siblings = 3, keep = 0.25 }

[search.space]
algorithm = ["ridge", "lightgbm"]
features = [["a"], ["a", "c"]]
split = [{ kind = "chronological", test = 0.3 }, "random"]
hyperparameters.ridge.alpha = { low = 0.001, high = 10, log = true }
"""
BASE: dict[str, Any] = {"name": "model", "dataset": "table", "features": ["a"], "algorithm": "ridge", "target": "b"}


def searched(search: dict[str, Any], **base: Any) -> dict[str, Any]:
    return BASE | base | {"search": search}


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "search.toml").write_text(TOML)
    (tmp_path / "search.json").write_text(json.dumps(tomllib.loads(TOML)))
    toml, plain = (parse_search(dict(read_document(tmp_path / f"search.{kind}"))) for kind in ("toml", "json"))
    assert toml == plain
    assert (toml.trials, toml.part.prune and toml.part.prune.keep) == (7, 0.25)
    assert toml.base == {"name": "model", "dataset": "table", "target": "b"}


def test_pruning_is_off_unless_it_is_asked_for() -> None:
    space = {"seed": [1, 2]}
    assert parse_search(searched({"space": space})).part.prune is None
    assert parse_search(searched({"space": space, "prune": False})).part.prune is None
    assert parse_search(searched({"space": space, "prune": True})).part.prune == documents.Prune()


def test_an_elastic_net_is_searched_over_8_alphas_and_7_l1_ratios_by_default() -> None:
    plan = parse_search(searched({"space": {"algorithm": ["elastic_net"]}}))
    assert plan.space.size == plan.trials == 8 * 7
    also = parse_search(searched({"space": {"algorithm": ["ridge", "elastic_net"]}}))
    assert also.trials == 1 + 56


@pytest.mark.parametrize(
    ("search", "base", "trials"),
    [
        ({"alpha_grid": [0.1, 1.0]}, {}, 2),
        ({"alpha_grid": [0.1, 1.0], "l1_ratio_grid": [0.2, 0.5, 0.9]}, {}, 6),
        ({"space": {"hyperparameters": {"elastic_net": {"alpha": [0.1]}}}}, {}, 1),
        ({"space": {"seed": [1, 2]}}, {"hyperparameters": {"alpha": 0.1}}, 2),
    ],
)
def test_what_is_said_of_an_elastic_net_takes_the_place_of_the_default(
    search: dict[str, Any], base: dict[str, Any], trials: int
) -> None:
    assert parse_search(searched(search, algorithm="elastic_net", **base)).trials == trials


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({}, r"search\.space: expected a field of the recipe with the values to try, found nothing"),
        ([], r"^search: expected a table, found \[\]"),
        ({"space": {"seed": [1]}, "methd": "grid"}, r"search\.methd: expected one of method, .*did you mean method"),
        ({"space": {"seed": [1]}, "method": "annealing"}, r"search\.method: expected 'grid', 'random' or 'bayes'"),
        (
            {"space": {"seed": [1]}, "method": "random"},
            r"search\.trials: expected a whole number from 1 to 5,000",
        ),
        ({"space": {"seed": [1, 2]}, "method": "bayes", "trials": 3}, r"search\.trials: expected at most 2, .*found 3"),
        ({"space": {"seed": [1, 2, 3]}, "trials": 2}, r"search\.space: expected at most 2 combinations, found 3"),
        ({"space": {"seed": [1]}, "trials": 0}, r"search\.trials: expected at least 1, found 0"),
        ({"space": {"seed": [1]}, "trials": 10**9}, r"search\.trials: expected at most 5000"),
        ({"space": {"seed": [1]}, "trials": "many"}, r"search\.trials: expected a whole number, found .many."),
        ({"space": {"seed": [1]}, "prune": {"keep": 1.5}}, r"search\.prune\.keep: expected less than 1"),
        ({"space": {"seed": [1]}, "prune": {"kep": 0.5}}, r"search\.prune\.kep: expected one of siblings, folds, keep"),
        (
            {"space": {"seed": [1]}, "alpha_grid": [1.0]},
            r"search\.alpha_grid: expected nothing, since no trial is an",
        ),
        (
            {"space": {"hyperparameters": {"lightgbm": {"num_leaves": [7]}}}},
            r"num_leaves: expected lightgbm to be the algorithm, or one of those that the space lists",
        ),
        (
            {"space": {"seed": list(range(100)), "hyperparameters.alpha": [float(n + 1) for n in range(100)]}},
            r"search\.space: expected at most 5,000 combinations; with method = 'random' some .*found 10,000",
        ),
    ],
)
def test_a_bad_search_names_field_value_and_expectation(search: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse_search(BASE | {"search": search})


def test_whatever_is_listed_as_an_algorithm_is_left_to_the_recipe_to_refuse() -> None:
    plan = parse_search(searched({"space": {"algorithm": [{"low": 1}, "ridge"], "hyperparameters.ridge.alpha": [1.0]}}))
    assert plan.trials == 2


def test_one_grid_of_the_elastic_net_is_given_in_one_place() -> None:
    search = {"alpha_grid": [1.0], "space": {"hyperparameters": {"elastic_net": {"alpha": [2.0]}}}}
    with pytest.raises(BadInput, match=r"search\.alpha_grid: expected nothing beside search\.space\.hyperparameters"):
        parse_search(searched(search, algorithm="elastic_net"))


def test_the_default_metric_is_the_headline_unless_trials_differ_in_what_they_predict() -> None:
    assert choose(None, "regression", ["features", "hyperparameters.alpha", "algorithm"]) == "rmse"
    assert choose(None, "classification", ["seed"]) == "log_loss"
    assert choose(None, "regression", ["features", "split"]) == "skill"
    assert choose(None, "classification", ["target.horizon"]) == "skill"
    assert choose("r2", "regression", []) == "r2"


def test_a_metric_of_another_task_is_refused() -> None:
    with pytest.raises(BadInput, match=r"search\.metric: expected one of rmse, .* for a regression, found accuracy"):
        choose("accuracy", "regression", [])


def test_every_measure_of_a_training_can_be_searched_by() -> None:
    import numpy as np  # noqa: PLC0415 - the module under test does without

    from forecastle.training import metrics  # noqa: PLC0415

    truth, guess = np.array([0.0, 1.0, 3.0]), np.array([0.5, 1.0, 2.0])
    measured = metrics.regression(truth, guess) | metrics.in_target_units(truth, guess)
    assert measured.keys() | {"skill"} == set(METRICS["regression"])
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    measured = metrics.classification(np.array([0, 1, 1]), probabilities)
    assert measured.keys() | {"skill"} == set(METRICS["classification"])


def _documented() -> list[str]:
    text = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    return [block.partition("```")[0] for block in text.split("```toml\n")[1:]]


@pytest.mark.parametrize("block", _documented())
def test_what_the_documentation_shows_can_be_used(block: str) -> None:
    document = tomllib.loads(block)
    if "search" in document:
        assert parse_search(document).trials == 2 * 2 * (1 + 1 + 3)
    elif "batch" in document:
        assert len(batch.parse_batch(document)) == 4
    else:
        assert documents.Prune.model_validate(document["prune"]) == documents.Prune()
