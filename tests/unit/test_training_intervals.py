"""Prediction intervals: the finite-sample rule, each side by itself, and a coverage measured forwards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecastle.training import intervals
from forecastle.training.arrays import Floats
from forecastle.training.errors import TooFewRows
from forecastle.training.intervals import Residuals
from forecastle.training.samples import Clockwork


@pytest.mark.parametrize(
    ("rows", "coverage", "lower", "upper"),
    [(9, 0.8, 1, 9), (19, 0.8, 2, 18), (20, 0.8, 2, 19), (99, 0.9, 5, 95), (39, 0.95, 1, 39), (3, 0.5, 1, 3)],
)
def test_the_rank_counts_the_row_that_is_not_known_yet(rows: int, coverage: float, lower: int, upper: int) -> None:
    residuals = np.random.default_rng(0).permutation(np.arange(1.0, rows + 1))
    found = intervals.fit([Residuals(residuals)], coverage=coverage)
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
    found = intervals.fit([Residuals(skewed)], coverage=0.8)
    assert found.lower == pytest.approx(-np.log(0.9), abs=0.03)
    assert found.upper == pytest.approx(-np.log(0.1), abs=0.2)


def window(values: Floats, *, starts: int, horizon: int = 0) -> Residuals:
    """Residuals of consecutive rows from `starts` on, each known `horizon` rows later."""
    times = starts + np.arange(len(values))
    return Residuals(values, Clockwork(times, times + horizon))


def test_each_window_is_held_against_those_before_it() -> None:
    """A calm stretch says too little of the wild one after it; that the wild one says enough does not count."""
    calm, wild = np.linspace(-1, 1, 99), np.linspace(-10, 10, 99)
    onwards = intervals.fit([Residuals(calm), Residuals(wild)], coverage=0.8)
    assert onwards.measured_rows == 99
    assert onwards.measured_coverage == (np.abs(wild) <= calm[-10]).mean()
    back = intervals.fit([Residuals(wild), Residuals(calm)], coverage=0.8)
    assert (back.measured_rows, back.measured_coverage) == (99, 1.0)
    assert (onwards.lower, onwards.upper) == (back.lower, back.upper), "what is served is made of all"


def test_every_window_before_counts() -> None:
    windows = [window(np.full(5, float(place)), starts=10 * place) for place in range(6)]
    found = intervals.fit(windows, coverage=0.8)
    assert found.measured_rows == 5 * 4, "the first has nothing before it, the second too little: 5 rows of 9"
    assert found.measured_coverage == 0.0, "each is greater than all before"


@given(st.integers(0, 12), st.integers(0, 10))
def test_what_was_not_known_yet_has_no_part_in_it(horizon: int, shift: int) -> None:
    """Windows may overlap and labels reach into the next one: changing those residuals changes nothing measured."""
    first, second = np.random.default_rng(horizon).normal(size=(2, 40))
    late = np.arange(40) + horizon >= 40 - shift
    later = window(second, starts=40 - shift, horizon=horizon)

    def measured(first: Floats) -> float | None:
        return intervals.fit([window(first, starts=0, horizon=horizon), later], coverage=0.8).measured_coverage

    assert measured(first) == measured(first + np.where(late, 1000.0, 0.0))
    assert measured(first) != measured(first + np.where(late, 0.0, 1000.0))


def test_a_single_windows_second_half_is_held_against_its_first() -> None:
    values = np.concatenate([np.linspace(-1, 1, 50), np.full(50, 5.0)])
    for single in (Residuals(values), window(values, starts=7)):
        found = intervals.fit([single], coverage=0.8)
        assert (found.measured_coverage, found.measured_rows) == (0.0, 50)


def test_rows_of_one_time_are_in_one_half() -> None:
    times = np.repeat(np.arange(20), 5)
    found = intervals.fit([Residuals(np.arange(100.0), Clockwork(times, times))], coverage=0.8)
    assert found.measured_rows == 50
    uneven = np.concatenate([np.arange(30), np.full(70, 30)])
    found = intervals.fit([Residuals(np.arange(100.0), Clockwork(uneven, uneven))], coverage=0.8)
    assert found.measured_rows == 70


def test_too_few_rows_to_measure_on_leave_the_measure_out() -> None:
    found = intervals.fit([Residuals(np.arange(10.0))], coverage=0.8)
    assert (found.measured_coverage, found.measured_rows) == (None, 0)


def test_too_few_rows_say_how_many_it_takes() -> None:
    message = r"interval: expected at least 199 out-of-sample rows for a coverage of 0.99, found 100"
    with pytest.raises(TooFewRows, match=message):
        intervals.fit([Residuals(np.arange(100.0))], coverage=0.99)
