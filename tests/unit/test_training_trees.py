"""Boosters' trees, read from their own formats: missing values, values near zero, thresholds, deep and empty trees."""

from typing import Any

import numpy as np
import onnxruntime
import pytest

from forecastle.training import openmp
from forecastle.training.algorithms import catalogue, trees
from forecastle.training.algorithms.fitted import Options
from forecastle.training.algorithms.lightgbm import ZERO_BOUND, read_trees
from forecastle.training.algorithms.trees import Tree
from forecastle.training.algorithms.xgboost import fit as fit_xgboost
from forecastle.training.algorithms.xgboost import read_trees as read_json
from forecastle.training.arrays import Floats
from forecastle.training.errors import TrainingFailed
from forecastle.training.graphs import INPUT, GraphBuilder

openmp.load()
import lightgbm  # noqa: E402
import xgboost  # noqa: E402


def booster(matrix: Floats, **settings: Any) -> lightgbm.Booster:
    target = np.nan_to_num(matrix[:, 0]) + np.isnan(matrix).sum(axis=1)
    usual = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 2, "min_data_in_bin": 1, "num_leaves": 16}
    return lightgbm.train(usual | settings, lightgbm.Dataset(matrix, target, params=usual | settings), 10)


def answers(grown: list[Tree], matrix: Floats, *, single: bool = False) -> Floats:
    graph = GraphBuilder()
    inputs = trees.emit_single(graph, INPUT) if single else INPUT
    model = graph.finish(
        graph.vector(trees.emit(graph, inputs, grown, outputs=1)), name="out", features=matrix.shape[1], classes=0
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: Floats = session.run(None, {INPUT: matrix})[0]
    return found


def numbers(rows: int = 300) -> Floats:
    return np.random.default_rng(0).normal(size=(rows, 3))


def with_gaps(matrix: Floats) -> Floats:
    holes = np.random.default_rng(1).random(matrix.shape) < 0.3
    return np.where(holes, np.nan, matrix)


def same(model: lightgbm.Booster, matrix: Floats) -> None:
    assert answers(read_trees(model.model_to_string(), 1), matrix) == pytest.approx(
        model.predict(matrix), rel=1e-12, abs=1e-12
    )


def test_missing_goes_where_it_went_in_training() -> None:
    matrix = with_gaps(numbers())
    same(booster(matrix), matrix)


def test_missing_is_zero_to_a_model_that_has_seen_none() -> None:
    model = booster(numbers())
    same(model, with_gaps(numbers()))
    same(model, np.full((1, 3), np.nan))


@pytest.mark.parametrize("size", [0.0, 1e-300, 1e-36, ZERO_BOUND, np.nextafter(ZERO_BOUND, 1), 1e-34])
def test_values_near_zero_are_read_as_the_library_reads_them(size: float) -> None:
    rng = np.random.default_rng(2)
    matrix = rng.choice([-1.0, -0.0, 0.0, 1.0], size=(300, 3))
    signs = rng.choice([-1.0, 1.0], size=matrix.shape)
    same(booster(matrix), np.where(matrix == 0, signs * size, matrix))


def test_a_value_on_a_threshold_goes_the_way_of_the_library() -> None:
    model = booster(numbers())
    grown = read_trees(model.model_to_string(), 1)
    thresholds = np.concatenate([tree.threshold for tree in grown])
    for exact in (thresholds, np.nextafter(thresholds, np.inf), np.nextafter(thresholds, -np.inf)):
        same(model, np.repeat(exact[:, None], 3, axis=1))


def test_trees_as_deep_as_their_leaves_allow() -> None:
    matrix = np.geomspace(1, 1e12, 2000)[:, None]
    model = booster(matrix, num_leaves=1500, min_data_in_leaf=1, max_bin=5000)
    same(model, matrix)


def test_a_tree_without_a_split_answers_its_one_value() -> None:
    assert (answers([Tree.constant(2.5), Tree.constant(-1.0)], numbers(5)) == 1.5).all()
    same(booster(numbers(), min_data_in_leaf=1000), numbers())


def test_what_the_graph_cannot_say_is_refused() -> None:
    matrix = np.random.default_rng(0).integers(0, 4, (300, 2)).astype(np.float64)
    settings = {"verbosity": -1, "num_threads": 1, "min_data_per_group": 1, "max_cat_to_onehot": 1}
    table = lightgbm.Dataset(matrix, matrix[:, 0], params=settings, categorical_feature=[0])
    for model in (lightgbm.train(settings, table, 2), booster(matrix, zero_as_missing=True)):
        with pytest.raises(TrainingFailed, match="cannot be exported"):
            read_trees(model.model_to_string(), 1)


# --- XGBoost -----------------------------------------------------------------------------------------------------


def grown_by_levels(matrix: Floats, **settings: Any) -> xgboost.Booster:
    target = np.nan_to_num(matrix[:, 0]) + np.isnan(matrix).sum(axis=1)
    usual = {"nthread": 1, "base_score": 0.0, "verbosity": 0, "max_depth": 5, "min_child_weight": 0}
    return xgboost.train(usual | settings, xgboost.DMatrix(matrix, target, nthread=1), 10)


def same_as_xgboost(model: xgboost.Booster, matrix: Floats) -> None:
    """To float32's rounding of ten additions: a row that went the other way would differ by far more."""
    found = answers(read_json(bytes(model.save_raw("json"))), matrix, single=True)
    assert found == pytest.approx(model.inplace_predict(matrix, predict_type="margin"), rel=1e-6, abs=1e-6)


def test_xgboosts_missing_values_go_where_they_went_in_training() -> None:
    model = grown_by_levels(with_gaps(numbers()))
    same_as_xgboost(model, with_gaps(numbers()))
    same_as_xgboost(model, np.full((1, 3), np.nan))


def test_xgboosts_thresholds_belong_to_the_right_and_are_compared_in_float32() -> None:
    model = grown_by_levels(numbers())
    read = read_json(bytes(model.save_raw("json")))
    thresholds = np.concatenate([tree.threshold for tree in read]).astype(np.float32)
    for single in (thresholds, np.nextafter(thresholds, np.float32(np.inf))):  # the last on the left, the first not
        exact = single.astype(np.float64)
        spacing = np.spacing(single).astype(np.float64)
        for near in (exact, exact + 0.49 * spacing, exact - 0.49 * spacing, exact + 0.51 * spacing):
            same_as_xgboost(model, np.repeat(near[:, None], 3, axis=1))


@pytest.mark.parametrize("size", [0.0, 1e-300, 1e-44, 1e-36, 1e29])
def test_xgboost_reads_the_smallest_and_largest_numbers_as_the_graph_does(size: float) -> None:
    rng = np.random.default_rng(2)
    matrix = rng.choice([-1.0, -0.0, 0.0, 1.0], size=(300, 3))
    same_as_xgboost(grown_by_levels(matrix), rng.choice([-1.0, 1.0], size=matrix.shape) * size)


def test_xgboosts_tree_without_a_split_answers_its_one_value() -> None:
    same_as_xgboost(grown_by_levels(numbers(), min_child_weight=1000), numbers(5))


def test_xgboosts_category_splits_are_refused() -> None:
    codes = np.random.default_rng(0).integers(0, 6, 300).astype(np.float64)
    table = xgboost.DMatrix(codes[:, None], codes % 3, feature_types=["c"], enable_categorical=True, nthread=1)
    model = xgboost.train({"nthread": 1, "max_cat_to_onehot": 1, "verbosity": 0}, table, 2)
    with pytest.raises(TrainingFailed, match="cannot be exported"):
        read_json(bytes(model.save_raw("json")))


def test_what_xgboost_refuses_is_said_in_a_line() -> None:
    settings = catalogue.complete(catalogue.find("xgboost"), {})
    with pytest.raises(TrainingFailed, match=r"xgboost cannot learn from these values: .*Label"):
        fit_xgboost(numbers(30), np.full(30, np.inf), Options("regression", settings, 0))
