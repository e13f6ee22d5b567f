"""Which features the next generation keeps, and when its best model is promoted."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from forecastle.errors import BadInput
from forecastle.registry.describe import Importance, Ranking
from forecastle.registry.manifest import Manifest
from forecastle.training.search.evolution import Rules, child_of, promotion, survivors
from forecastle.training.search.evolve import parse_rules
from forecastle.training.trials import Trial

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def ranking(*importances: float, method: str | None = "permutation") -> Ranking:
    return Ranking(method, tuple(Importance(f"f{number}", value) for number, value in enumerate(importances)))


def test_first_go_the_features_that_do_not_matter() -> None:
    assert survivors(ranking(9, 8, 7, 6, 5, 4, 0, 0, -1), Rules()) == ("f0", "f1", "f2", "f3", "f4", "f5")


def test_then_the_lowest_quarter() -> None:
    assert survivors(ranking(*range(12, 0, -1)), Rules()) == tuple(f"f{number}" for number in range(9))
    assert survivors(ranking(6, 5, 4, 3, 2, 1), Rules()) == ("f0", "f1", "f2", "f3", "f4")


def test_at_least_five_are_kept() -> None:
    assert survivors(ranking(9, 8, 0, 0, 0, 0, 0), Rules()) == ("f0", "f1", "f2", "f3", "f4")
    assert survivors(ranking(5, 4, 3, 2, 1), Rules()) is None
    assert survivors(ranking(5, 4, 0, 0, 0), Rules()) is None


def test_how_many_go_and_stay_can_be_said() -> None:
    assert survivors(ranking(*range(12, 0, -1)), Rules(drop=0.5, keep=2)) == tuple(f"f{number}" for number in range(6))
    assert survivors(ranking(3, 2, 1), Rules(drop=0.9, keep=2)) == ("f0", "f1")


def test_a_coefficient_counts_by_its_size() -> None:
    kept = survivors(ranking(-9, 8, -7, 6, 5, -4, 0, method="coefficient"), Rules())
    assert kept == ("f0", "f1", "f2", "f3", "f4", "f5")


def test_a_model_that_does_not_tell_cannot_evolve() -> None:
    assert survivors(Ranking(None, ()), Rules()) is None


def test_a_child_has_its_features_in_the_parents_order(make_manifest: Callable[..., Manifest]) -> None:
    recipe = {
        "name": "model",
        "dataset": "table",
        "features": ["x = a", "sma(b, 3)", "c"],
        "algorithm": "ridge",
        "target": {"column": "d", "task": "regression", "horizon": 0},
    }
    manifest = make_manifest(recipe=recipe)
    child = child_of(manifest, ["c", "x"])
    assert child.features == ("x = a", "c")
    assert child.parent == manifest.id


def generation(number: int, value: float | None) -> Trial:
    return Trial(search_id="s", number=number, parameters={}, state="completed", value=value, created_at=NOW)


def test_the_best_child_is_promoted_if_it_is_better_by_enough() -> None:
    generations = [generation(0, 1.0), generation(1, 0.9), generation(2, 0.8), generation(3, 1.5)]
    found = promotion(generations, Rules(least_improvement=0.15), "rmse")
    assert found is not None
    assert (found.best.number, found.earned) == (2, True)
    assert found.improvement == pytest.approx(0.2)
    modest = promotion(generations, Rules(least_improvement=0.25), "rmse")
    assert modest is not None
    assert (modest.best.number, modest.earned) == (2, False)


def test_where_more_is_better_more_is_an_improvement() -> None:
    found = promotion([generation(0, -0.5), generation(1, -0.4)], Rules(), "skill")
    assert found is not None
    assert (found.best.number, found.earned) == (1, True)
    assert found.improvement == pytest.approx(0.2)


@pytest.mark.parametrize("child", [1.0, 1.2, None])
def test_a_child_that_is_no_better_is_not_promoted(child: float | None) -> None:
    found = promotion([generation(0, 1.0), generation(1, child)], Rules(), "rmse")
    assert found is not None
    assert (found.best.number, found.earned, found.improvement) == (0, False, 0.0)


def test_without_the_original_there_is_nothing_to_be_better_than() -> None:
    assert promotion([generation(0, None)], Rules(), "rmse") is None
    assert promotion([], Rules(), "rmse") is None


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"generations": 0}, "generations: expected at least 1, found 0"),
        ({"keep": 0}, "keep: expected at least 1, found 0"),
        ({"drop": 1}, "drop: expected less than 1"),
        ({"stage": "live"}, "stage: expected 'dev', 'staging', 'production' or 'archived', found .live."),
        ({"least_improvement": -1}, "least_improvement: expected at least 0"),
        ({"generation": 2}, r"generation: expected one of generations, .* \(did you mean generations\?\)"),
    ],
)
def test_bad_rules_name_field_value_and_expectation(rules: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse_rules(rules)
