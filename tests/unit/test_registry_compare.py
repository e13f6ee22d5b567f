"""Models side by side."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from forecastle.registry import compare as comparing
from forecastle.registry import measures
from forecastle.registry.compare import Comparison, Difference, FeatureDifference, Measured
from forecastle.registry.errors import NotComparable
from forecastle.registry.leads import lead, student
from forecastle.registry.manifest import FeatureColumn, Fold, Manifest, TargetFacts
from forecastle.registry.models import Model

Make = Callable[..., Manifest]


def fold(number: int = 0, **metrics: float) -> Fold:
    start = 100 * number
    return Fold(
        train_rows=100,
        test_rows=20,
        dropped_rows=0,
        train_start=str(start),
        train_end=str(start + 99),
        test_start=str(start + 100),
        test_end=str(start + 119),
        metrics=metrics,
        baselines={},
    )


def published(manifest: Manifest, version: int) -> tuple[Model, Manifest]:
    own = {name: getattr(manifest, name) for name in ("id", "name", "task", "algorithm", "fingerprint", "created_at")}
    more = {name: getattr(manifest, name) for name in ("metrics", "baselines", "dataset", "parent")}
    model = Model(
        **own,
        **more,
        version=version,
        stage="dev",
        graph_sha256="",
        manifest_sha256="",
        skill=measures.skill(manifest.task, manifest.metrics, manifest.baselines),
        cohort=None,
        group=None,
        tags=(),
        owner=None,
    )
    return model, manifest


def compare(*manifests: Manifest) -> Comparison:
    return comparing.compare([published(manifest, version) for version, manifest in enumerate(manifests, start=1)])


def measured(found: Comparison, name: str) -> Measured:
    return next(each for each in found.measures if each.measure == name)


def test_what_is_the_same_for_all_is_left_out(make_manifest: Make) -> None:
    recipe: dict[str, Any] = {"name": "a", "seed": 7, "hyperparameters": {"alpha": 1.0}, "target": {"column": "c"}}
    other = recipe | {"name": "b", "hyperparameters": {"alpha": 2.0, "depth": 3}, "tags": ["x"]}
    found = compare(make_manifest(recipe=recipe), make_manifest(recipe=other, trained_rows=90))
    assert found.recipe == (
        Difference("hyperparameters.alpha", (1.0, 2.0)),
        Difference("hyperparameters.depth", (None, 3)),
    )
    assert found.facts == (Difference("trained rows", (100, 90)),)
    assert (found.features, found.shared_features, found.notes) == ((), 2, ())
    assert [each.version for each in found.models] == [1, 2]


def test_features_are_added_removed_or_computed_otherwise(make_manifest: Make) -> None:
    first = (FeatureColumn("a", "a"), FeatureColumn("slow", "sma(a, 20)"))
    second = (FeatureColumn("a", "a"), FeatureColumn("slow", "sma(a, 50)"), FeatureColumn("b", "b"))
    found = compare(make_manifest(features=first), make_manifest(features=second))
    assert found.shared_features == 1
    assert found.features == (
        FeatureDifference("slow = sma(a, 20)", (True, False)),
        FeatureDifference("slow = sma(a, 50)", (False, True)),
        FeatureDifference("b", (False, True)),
    )


def test_the_best_by_each_measure_is_marked_by_its_nature(make_manifest: Make) -> None:
    found = compare(
        make_manifest(metrics={"rmse": 1.0, "r2": 0.9, "mae": 1.0}),
        make_manifest(metrics={"rmse": 3.0, "r2": 0.95}),
        make_manifest(metrics={"rmse": 1.0, "r2": 0.5}),
    )
    assert (measured(found, "rmse").best, measured(found, "rmse").better) == ((0, 2), "asc")
    assert (measured(found, "r2").best, measured(found, "r2").better) == ((1,), "desc")
    assert measured(found, "mae") == Measured("mae", "asc", (1.0, None, None), (), None, None)
    assert measured(found, "skill").values == (0.5, -0.5, 0.5)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"task": "classification", "classes": ("a", "b"), "metrics": {"log_loss": 1.0}}, "some are regressions"),
        ({"target": TargetFacts("c", "log_return", 1)}, "different things (c, log_return of c 1 ahead)"),
        ({"dataset": "wine"}, "different datasets (prices, wine)"),
    ],
)
def test_models_that_answer_different_questions_are_not_ranked(
    make_manifest: Make, changes: dict[str, Any], note: str
) -> None:
    found = compare(make_manifest(metrics={"rmse": 1.0, "log_loss": 2.0}), make_manifest(**changes))
    (said,) = found.notes
    assert note in said
    assert all(not each.best and each.lead is None for each in found.measures if each.measure != "skill")


def test_models_of_different_test_windows_are_ranked_with_a_warning(make_manifest: Make) -> None:
    found = compare(
        make_manifest(metrics={"rmse": 1.0}, folds=(fold(0, rmse=1.0),)),
        make_manifest(metrics={"rmse": 2.0}, folds=(fold(0, rmse=2.0), fold(1, rmse=2.0))),
    )
    assert found.notes == ("their test windows differ: they did not sit the same exam, so small leads mean little",)
    assert (measured(found, "rmse").best, measured(found, "rmse").lead) == ((0,), None)
    assert Difference("windows", (1, 2)) in found.facts


def test_a_dataset_that_changed_under_its_name_is_noted(make_manifest: Make) -> None:
    found = compare(make_manifest(), make_manifest(dataset_sha256="1" * 64))
    assert found.notes == ("the dataset was another one, though of the same name, when some of them were trained",)


def test_a_lead_is_held_against_the_spread_of_the_windows(make_manifest: Make) -> None:
    def manifest(*rmse: float) -> Manifest:
        folds = tuple(fold(number, rmse=value) for number, value in enumerate(rmse))
        return make_manifest(metrics={"rmse": float(np.mean(rmse))}, folds=folds)

    best, close, far = manifest(1.0, 2.0, 3.0, 2.0), manifest(1.2, 1.9, 3.1, 2.0), manifest(2.0, 3.1, 3.9, 3.0)
    found = measured(compare(far, best, close), "rmse")
    assert found.lead is not None
    assert (found.best, found.next) == ((1,), 2)
    assert (found.lead.windows, found.lead.won, found.lead.clear) == (4, 2, False)
    ahead = measured(compare(far, best), "rmse").lead
    assert ahead is not None
    differences = np.array([1.0, 1.1, 0.9, 1.0])
    margin = stats.t.ppf(0.975, 3) * np.sqrt(differences.var(ddof=1) * (1 / 4 + 20 / 100))
    assert (ahead.won, ahead.clear) == (4, True)
    assert ahead.mean == pytest.approx(1.0)
    assert ahead.margin == pytest.approx(margin, rel=0.01)
    assert str(ahead) == "better in 4 of 4 windows, clearly ahead"


def test_of_a_measure_of_which_more_is_better_the_lead_is_positive_too(make_manifest: Make) -> None:
    one, other = (make_manifest(folds=(fold(0, r2=value), fold(1, r2=value))) for value in (0.9, 0.5))
    ahead = lead(one, other, "r2")
    assert ahead is not None
    assert ahead.mean == pytest.approx(0.4)
    assert (ahead.won, ahead.margin, ahead.clear) == (2, None, None)
    assert str(ahead) == "better in 2 of 2 windows: too few to say more"


def test_a_measure_that_a_window_lacks_has_no_lead(make_manifest: Make) -> None:
    full, gap = (make_manifest(folds=(fold(0, r2=1.0), each)) for each in (fold(1, r2=1.0), fold(1)))
    assert lead(full, gap, "r2") is None
    assert lead(make_manifest(), make_manifest(), "r2") is None


def test_importances_are_shares_so_that_methods_can_be_compared(make_manifest: Make) -> None:
    first = make_manifest(importances={"permutation": {"a": 3.0, "b": 1.0, "c": -1.0}})
    second = make_manifest(importances={"coefficient": {"a": -0.5, "b": 0.0}})
    found = {each.feature: each.shares for each in compare(first, second).importances}
    assert found == {"a": (0.75, 1.0), "b": (0.25, 0.0), "c": (0.0, None)}


@pytest.mark.parametrize("count", [0, 1, 21])
def test_too_few_or_too_many(make_manifest: Make, count: int) -> None:
    with pytest.raises(NotComparable, match=f"ids: expected 2 to 20 models, found {count}"):
        compare(*(make_manifest() for _ in range(count)))


def test_a_model_is_not_compared_with_itself(make_manifest: Make) -> None:
    manifest = make_manifest()
    with pytest.raises(NotComparable, match=f"each model once, found {manifest.id} twice"):
        compare(manifest, manifest)


@pytest.mark.parametrize("freedom", [2, 3, 5, 10, 30, 1000])
def test_students_quantile(freedom: int) -> None:
    tolerance = 0.04 if freedom == 2 else 0.01
    assert student(0.975, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=tolerance)
