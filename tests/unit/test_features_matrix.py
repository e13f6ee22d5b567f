"""A feature matrix gives back the columns that it was made of."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecastle.features.matrix import Column, FeatureMatrix

TEXTS = st.text("aäz☕ ", max_size=3)
ROWS = st.lists(st.tuples(st.none() | st.floats(allow_nan=False, allow_infinity=False), st.none() | TEXTS), max_size=12)
SCHEMA = {"x": pl.Float64, "city": pl.String}


@given(ROWS)
def test_numbers_texts_and_what_is_missing_come_back(rows: list[tuple[float | None, str | None]]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    matrix = FeatureMatrix.of(frame)
    assert matrix.frame(frame.columns).equals(frame)
    assert (matrix.height, matrix.width) == frame.shape
    assert matrix.column(1).vocabulary == tuple(sorted({text for _, text in rows if text is not None}, key=str.encode))


@given(ROWS, st.lists(st.integers(0, 11)))
def test_some_rows_are_those_rows(rows: list[tuple[float | None, str | None]], chosen: list[int]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    places = np.array([place for place in chosen if place < len(rows)], dtype=np.int64)
    matrix = FeatureMatrix.of(frame)
    assert matrix.frame(frame.columns, places).equals(frame[places])
    np.testing.assert_array_equal(matrix.take(places), matrix.values[places])


def test_what_is_not_finite_is_missing() -> None:
    matrix = FeatureMatrix.of(pl.DataFrame({"x": [1.0, np.inf, -np.inf, np.nan, None]}))
    assert np.isnan(matrix.values[1:, 0]).all()


@pytest.mark.parametrize("rows", [[0, 1, 2], [2, 0]])
def test_another_column_takes_the_place_of_one_and_the_first_matrix_stays(rows: list[int]) -> None:
    first = FeatureMatrix.of(pl.DataFrame({"x": [1.0, 2.0, 3.0], "city": ["b", None, "a"]}))
    other = first.with_columns({1: Column.of(pl.Series(["z", "y", None]))}).with_columns({0: Column(np.zeros(3))})
    places = np.array(rows)
    assert other.frame(["x", "city"], places).rows() == [[(0.0, "z"), (0.0, "y"), (0.0, None)][row] for row in rows]
    np.testing.assert_array_equal(other.take(places)[:, 1], np.array([1.0, 0.0, np.nan])[places])
    assert first.frame(["x", "city"]).rows() == [(1.0, "b"), (2.0, None), (3.0, "a")]
