"""Preprocessing learns from the training rows alone, and its graph computes the same."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
import polars as pl
import pytest

from forecastle.features.matrix import FeatureMatrix
from forecastle.training.arrays import Floats, Integers
from forecastle.training.errors import TrainingFailed
from forecastle.training.graphs import INPUT, GraphBuilder
from forecastle.training.preprocess import Categories, Preprocessor, encode, fit, learn_categories

FRAME = pl.DataFrame(
    {
        "city": ["b", "a", "b", None, "c"],
        "heat": [1.0, 2.0, 3.0, 4.0, 1e9],
        "flat": [7.0] * 5,
    }
)
TRAINING = np.array([0, 1, 2, 3])


def learned(frame: pl.DataFrame, rows: Integers) -> tuple[Categories | None, ...]:
    return learn_categories(FeatureMatrix.of(frame), frame.columns, rows)


def encoded(frame: pl.DataFrame, categories: Sequence[Categories | None]) -> Floats:
    return encode(FeatureMatrix.of(frame), np.arange(frame.height), categories)


def fitted(**options: Any) -> tuple[Preprocessor, Floats]:
    categories = learned(FRAME, TRAINING)
    matrix = encoded(FRAME, categories)
    settings: dict[str, Any] = {
        "names": FRAME.columns,
        "order": (0, 1, 2),
        "fill_missing": False,
        "standardise": True,
    } | options
    return fit(matrix[TRAINING], categories, **settings), matrix


def in_graph(preprocessor: Preprocessor, matrix: Floats) -> Floats:
    graph = GraphBuilder()
    result = preprocessor.emit(graph, INPUT)
    model = graph.finish(result, name="columns", features=matrix.shape[1], classes=len(preprocessor.sources))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    columns: Floats = session.run(None, {INPUT: matrix})[0]
    return columns


def test_categories_are_those_of_the_training_rows_and_everything_else_is_unknown() -> None:
    categories = learned(FRAME, TRAINING)
    assert categories == (("a", "b"), None, None)
    assert encoded(FRAME, categories)[:, 0].tolist() == [1, 0, 1, -1, -1]


def test_standardised_columns_have_mean_0_and_deviation_1_over_the_training_rows() -> None:
    preprocessor, matrix = fitted()
    columns = preprocessor.transform(matrix)[TRAINING]
    assert columns[:, 0].mean() == pytest.approx(0)
    assert columns[:, 0].std() == pytest.approx(1)


def test_a_row_outside_the_training_window_moves_nothing() -> None:
    preprocessor, matrix = fitted(fill_missing=True)
    assert preprocessor.centre is not None
    assert preprocessor.centre[0] == 2.5  # the 1e9 of the last row is not in it
    assert matrix[4, 1] == 1e9


def test_a_constant_column_becomes_zero() -> None:
    preprocessor, matrix = fitted()
    assert preprocessor.transform(matrix)[:, 1].tolist() == [0] * 5
    almost = np.full((10, 1), 0.1)  # whose computed deviation is not quite 0
    assert (
        fit(almost, [None], names=["heat"], order=[0], fill_missing=False, standardise=True).transform(almost).tolist()
        == [[0]] * 10
    )


def test_missing_numbers_get_the_median_of_the_training_rows() -> None:
    matrix = np.array([[1.0], [2.0], [9.0], [np.nan]])
    preprocessor = fit(matrix, [None], names=["heat"], order=[0], fill_missing=True, standardise=False)
    assert preprocessor.transform(matrix)[:, 0].tolist() == [1, 2, 9, 2]


def test_a_number_missing_in_all_training_rows_is_zero() -> None:
    matrix = np.array([[np.nan, 1.0], [np.nan, 2.0]])
    preprocessor = fit(matrix, [None, None], names=["heat", "flat"], order=[0, 1], fill_missing=True, standardise=True)
    assert np.isfinite(preprocessor.transform(matrix)).all()


@pytest.mark.parametrize("standardise", [True, False])
@pytest.mark.parametrize("fill_missing", [True, False])
def test_the_graph_computes_the_same(*, standardise: bool, fill_missing: bool) -> None:
    preprocessor, matrix = fitted(standardise=standardise, fill_missing=fill_missing)
    if fill_missing:
        matrix = np.vstack([matrix, [np.nan] * 3, [-1, np.nan, np.nan]])
    assert (in_graph(preprocessor, matrix) == preprocessor.transform(matrix)).all()


@pytest.mark.parametrize("features", [["city"], ["heat"], ["city", "heat"]])
def test_any_mixture_of_kinds_will_do(features: list[str]) -> None:
    frame = FRAME.select(features)
    categories = learned(frame, TRAINING)
    matrix = encoded(frame, categories)
    preprocessor = fit(
        matrix, categories, names=features, order=range(len(features)), fill_missing=False, standardise=True
    )
    assert (in_graph(preprocessor, matrix) == preprocessor.transform(matrix)).all()


def test_columns_come_in_the_order_asked_for_whatever_order_was_declared() -> None:
    preprocessor, matrix = fitted(order=(2, 1, 0))
    assert preprocessor.sources.tolist() == [2, 1, 0, 0]
    swapped = FRAME.select("flat", "heat", "city")
    categories = learned(swapped, TRAINING)
    again = fit(
        encoded(swapped, categories)[TRAINING],
        categories,
        names=swapped.columns,
        order=(0, 1, 2),
        fill_missing=False,
        standardise=True,
    )
    assert (again.transform(encoded(swapped, categories)) == preprocessor.transform(matrix)).all()


def test_infinite_values_are_missing() -> None:
    frame = pl.DataFrame({"ratio": [1.0, np.inf, -np.inf, np.nan]})
    assert np.isnan(encoded(frame, [None])[1:]).all()


def test_what_cannot_be_learned_from_is_refused() -> None:
    empty = pl.DataFrame({"city": pl.Series([None, None], dtype=pl.String)})
    categories = learned(empty, np.array([0, 1]))
    with pytest.raises(TrainingFailed, match="every feature is empty"):
        fit(encoded(empty, categories), categories, names=["city"], order=[0], fill_missing=False, standardise=False)
    many = pl.DataFrame({"id": [f"{number}" for number in range(1001)]})
    with pytest.raises(TrainingFailed, match="feature id has 1,001 categories; at most 1,000"):
        learned(many, np.arange(1001))


def test_values_too_large_to_standardise_are_named_with_their_features() -> None:
    matrix = np.array([[1e300, 1.0, 2e200], [-1e300, 2.0, 0.0], [0.0, 3.0, 0.0]])
    names = ["price", "small", "volume"]
    with pytest.raises(
        TrainingFailed, match=r"^values of volume \(2e\+200\), price \(1e\+300\) are too large to stand"
    ):
        fit(matrix, [None] * 3, names=names, order=[2, 1, 0], fill_missing=False, standardise=True)
    with pytest.raises(TrainingFailed, match=r"x4 \(1e\+300\) and 2 more are too large"):
        fit(
            np.repeat(matrix[:, :1], 7, axis=1),
            [None] * 7,
            names=[f"x{position}" for position in range(7)],
            order=range(7),
            fill_missing=False,
            standardise=True,
        )


def test_some_rows_of_numbers_are_a_view_and_nothing_else_is() -> None:
    numbers = FeatureMatrix.of(FRAME.select("heat", "flat"))
    together, apart = (encode(numbers, rows, [None, None]) for rows in (np.array([1, 2, 3]), np.array([1, 3])))
    assert np.shares_memory(together, numbers.values)
    assert not np.shares_memory(apart, numbers.values)
    mixed = FeatureMatrix.of(FRAME)
    before = mixed.values.copy()
    assert not np.shares_memory(encode(mixed, np.arange(5), [("b",), None, None]), mixed.values)
    np.testing.assert_array_equal(mixed.values, before)
