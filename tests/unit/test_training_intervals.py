"""Prediction intervals: the finite-sample rule, each side by itself, and a coverage measured on rows of others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecastle.training import intervals
from forecastle.training.errors import TooFewRows


@pytest.mark.parametrize(
    ("rows", "coverage", "lower", "upper"),
    [(9, 0.8, 1, 9), (19, 0.8, 2, 18), (20, 0.8, 2, 19), (99, 0.9, 5, 95), (39, 0.95, 1, 39), (3, 0.5, 1, 3)],
)
def test_the_rank_counts_the_row_that_is_not_known_yet(rows: int, coverage: float, lower: int, upper: int) -> None:
    residuals = np.random.default_rng(0).permutation(np.arange(1.0, rows + 1))
    found = intervals.fit([residuals], coverage=coverage)
    assert (found.lower, found.upper, found.rows, found.coverage) == (lower, upper, rows, coverage)


@given(st.integers(20, 200), st.sampled_from([0.5, 0.8, 0.9]))
def test_of_all_rows_one_of_which_is_not_known_at_least_that_share_is_covered(rows: int, coverage: float) -> None:
    """Held out one after the other, exactly as exchangeability has it."""
    residuals = np.random.default_rng(rows).normal(size=rows)
    inside = 0
    for place, value in enumerate(residuals):
        lower, upper = intervals.bounds(np.delete(residuals, place), coverage)
        inside += lower <= value <= upper
    assert inside / rows >= coverage


def test_a_model_that_is_off_to_one_side_gets_an_interval_that_says_so() -> None:
    skewed = np.random.default_rng(0).exponential(size=2000)
    found = intervals.fit([skewed], coverage=0.8)
    assert found.lower == pytest.approx(-np.log(0.9), abs=0.03)
    assert found.upper == pytest.approx(-np.log(0.1), abs=0.2)


def test_each_window_is_held_against_the_others() -> None:
    calm, wild = np.linspace(-1, 1, 99), np.linspace(-10, 10, 99)
    found = intervals.fit([calm, wild], coverage=0.8)
    assert found.measured_rows == 198
    covered = np.abs(wild) <= 0.8 + 1e-9
    assert found.measured_coverage == pytest.approx((99 + covered.sum()) / 198, abs=0.03)


def test_a_single_windows_second_half_is_held_against_its_first() -> None:
    found = intervals.fit([np.concatenate([np.linspace(-1, 1, 50), np.full(50, 5.0)])], coverage=0.8)
    assert (found.measured_coverage, found.measured_rows) == (0.0, 50)


def test_too_few_rows_to_measure_on_leave_the_measure_out() -> None:
    found = intervals.fit([np.arange(10.0)], coverage=0.8)
    assert (found.measured_coverage, found.measured_rows) == (None, 0)


def test_too_few_rows_say_how_many_it_takes() -> None:
    message = r"interval: expected at least 199 out-of-sample rows for a coverage of 0.99, found 100"
    with pytest.raises(TooFewRows, match=message):
        intervals.fit([np.arange(100.0)], coverage=0.99)
