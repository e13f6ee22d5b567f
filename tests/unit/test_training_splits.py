"""Windows: nothing on both sides, nothing known too late, nothing silently empty."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from forecastle.training.arrays import Integers
from forecastle.training.errors import BadRecipe, TooFewRows
from forecastle.training.recipe import Chronological, Random, Split, WalkForward
from forecastle.training.samples import Clockwork
from forecastle.training.splits import MIN_TRAIN_ROWS, Window, split


def windows_of(
    how: Split, *, rows: int, clockwork: Clockwork | None = None, classes: Integers | None = None, seed: int = 0
) -> tuple[Window, ...]:
    return split(how, rows=rows, clockwork=clockwork, classes=classes, seed=seed)


def ticking(moments: int, *, per_moment: int = 1, horizon: int = 0) -> Clockwork:
    """Rows at 0, 10, 20, …, several at a time; a label is known `horizon` moments later."""
    times = np.repeat(np.arange(moments), per_moment) * 10
    return Clockwork(times, times + horizon * 10)


@st.composite
def clockworks(draw: st.DrawFn) -> Clockwork:
    gaps = draw(st.lists(st.integers(0, 3), min_size=12, max_size=120))
    times = np.cumsum(gaps)
    return Clockwork(times, times + draw(st.integers(0, 8)))


kinds = st.one_of(
    st.builds(Chronological, kind=st.just("chronological"), test=st.floats(0.05, 0.9)),
    st.builds(
        WalkForward,
        kind=st.just("walk_forward"),
        train=st.integers(5, 40),
        test=st.integers(1, 20),
        step=st.none() | st.integers(1, 30),
    ),
)


@given(how=kinds, clockwork=clockworks())
def test_every_training_label_is_known_before_the_test_begins(
    how: Chronological | WalkForward, clockwork: Clockwork
) -> None:
    try:
        windows = windows_of(how, rows=len(clockwork.times), clockwork=clockwork)
    except TooFewRows:
        assume(False)
    for window in windows:
        starts = clockwork.times[window.test].min()
        assert (clockwork.known[window.train] < starts).all()
        assert len(window.train) >= MIN_TRAIN_ROWS
        assert len(window.test) > 0
        assert (np.diff(window.train) > 0).all()
        assert (np.diff(window.test) > 0).all()
        assert not set(clockwork.times[window.train]) & set(clockwork.times[window.test])
        earlier = (clockwork.times < starts) & (clockwork.times >= clockwork.times[window.train].min())
        assert len(window.train) + window.dropped >= earlier.sum()
    firsts = [clockwork.times[window.test].min() for window in windows]
    assert firsts == sorted(set(firsts))


@given(rows=st.integers(20, 300), share=st.floats(0.05, 0.8), classes=st.integers(2, 5), seed=st.integers(0, 99))
def test_a_random_split_takes_its_share_of_every_class(rows: int, share: float, classes: int, seed: int) -> None:
    assume(rows * (1 - share) >= MIN_TRAIN_ROWS + 1 and rows * share >= 1)
    codes = np.random.default_rng(seed).integers(0, classes, rows)
    (window,) = windows_of(Random(kind="random", test=share), rows=rows, classes=codes, seed=seed)
    assert sorted([*window.train, *window.test]) == list(range(rows))
    assert set(codes[window.train]) == set(codes)
    for code in set(codes):
        members = int((codes == code).sum())
        assert abs((codes[window.test] == code).sum() - members * share) <= 2


def test_a_random_split_is_settled_by_its_seed() -> None:
    how = Random(kind="random")
    first, again, other = (windows_of(how, rows=100, seed=seed)[0] for seed in (1, 1, 2))
    assert (first.test == again.test).all()
    assert (first.test != other.test).any()


def test_a_class_of_one_row_is_learned_from() -> None:
    codes = np.array([0] * 30 + [1])
    for seed in range(20):
        (window,) = windows_of(Random(kind="random", test=0.5), rows=31, classes=codes, seed=seed)
        assert 30 in window.train


def test_training_rows_whose_label_lies_in_the_test_window_are_dropped() -> None:
    (window,) = windows_of(Chronological(kind="chronological", test=0.2), rows=100, clockwork=ticking(100, horizon=5))
    assert list(window.train) == list(range(75))
    assert list(window.test) == list(range(80, 100))
    assert window.dropped == 5


def test_walk_forward_trains_on_n_tests_on_m_and_moves_by_m() -> None:
    windows = windows_of(WalkForward(kind="walk_forward", train=50, test=20), rows=100, clockwork=ticking(100))
    assert [(w.train[0], w.train[-1], w.test[0], w.test[-1]) for w in windows] == [(0, 49, 50, 69), (20, 69, 70, 89)]


def test_walk_forward_moves_by_its_step() -> None:
    how = WalkForward(kind="walk_forward", train=50, test=20, step=5)
    assert len(windows_of(how, rows=100, clockwork=ticking(100))) == 7


def test_walk_forward_counts_times_so_that_one_time_is_never_on_both_sides() -> None:
    clockwork = ticking(40, per_moment=3)
    (window,) = windows_of(WalkForward(kind="walk_forward", train=30, test=10), rows=120, clockwork=clockwork)
    assert list(window.train) == list(range(90))
    assert list(window.test) == list(range(90, 120))


def test_a_chronological_split_keeps_rows_of_one_time_together() -> None:
    clockwork = Clockwork(np.array([0] * 15 + [10] * 15), np.array([0] * 15 + [10] * 15))
    (window,) = windows_of(Chronological(kind="chronological", test=0.2), rows=30, clockwork=clockwork)
    assert list(window.test) == list(range(15, 30))


def test_without_time_the_order_of_the_file_is_the_order() -> None:
    (window,) = windows_of(Chronological(kind="chronological", test=0.25), rows=40)
    assert list(window.test) == list(range(30, 40))


@pytest.mark.parametrize(
    ("how", "rows", "horizon", "message"),
    [
        (Chronological(kind="chronological"), 5, 0, "usable rows: expected at least 11, found 5"),
        (
            Chronological(kind="chronological"),
            30,
            20,
            (
                "training rows in window 1 after 20 whose label lies in its test stretch were dropped: "
                "expected at least 10, found 4"
            ),
        ),
        (
            WalkForward(kind="walk_forward", train=1000, test=100),
            300,
            0,
            "distinct times for one window of 1,000 to train and 100 to test: expected at least 1,100, found 300",
        ),
    ],
)
def test_too_few_rows_says_how_many_there_are_and_are_needed(how: Split, rows: int, horizon: int, message: str) -> None:
    with pytest.raises(TooFewRows) as caught:
        windows_of(how, rows=rows, clockwork=ticking(rows, horizon=horizon))
    assert caught.value.message == message


def test_rows_of_a_time_series_are_never_shuffled() -> None:
    with pytest.raises(BadRecipe, match=r"split\.kind: expected chronological or walk_forward .* found random"):
        windows_of(Random(kind="random"), rows=100, clockwork=ticking(100))


def test_a_table_without_time_cannot_be_walked_forward() -> None:
    with pytest.raises(BadRecipe, match=r"split\.kind: expected random or chronological"):
        windows_of(WalkForward(kind="walk_forward", train=20, test=10), rows=100)
