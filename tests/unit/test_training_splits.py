"""Windows: nothing on both sides, nothing known too late, nothing silently empty."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from forecastle.training.arrays import Integers
from forecastle.training.errors import BadRecipe, TooFewRows
from forecastle.training.samples import Clockwork
from forecastle.training.schemes import (
    Calendar,
    Chronological,
    KFold,
    PurgedKFold,
    Random,
    Split,
    StratifiedKFold,
    WalkForward,
)
from forecastle.training.splits import MIN_TRAIN_ROWS, Window, split

DAY = 86_400_000_000


def windows_of(
    how: Split, *, rows: int, clockwork: Clockwork | None = None, classes: Integers | None = None, seed: int = 0
) -> tuple[Window, ...]:
    return split(how, rows=rows, clockwork=clockwork, classes=classes, seed=seed)


def ticking(moments: int, *, per_moment: int = 1, horizon: int = 0) -> Clockwork:
    """Rows at 0, 10, 20, …, several at a time; a label is known `horizon` moments later."""
    times = np.repeat(np.arange(moments), per_moment) * 10
    return Clockwork(times, times + horizon * 10)


def daily(first: str, last: str, *, horizon: int = 0) -> Clockwork:
    """A row at every midnight from the first day to the last."""
    times = np.arange(np.datetime64(first), np.datetime64(last) + 1).astype("datetime64[us]").astype(np.int64)
    return Clockwork(times, times + horizon * DAY)


def day(instant: Any) -> str:
    return str(datetime.fromtimestamp(int(instant) / 1e6, UTC).date())


@st.composite
def clockworks(draw: st.DrawFn) -> Clockwork:
    """Some rows at one time, some after a gap; each label takes its own while to be known. In quarters of a day."""
    gaps = draw(st.lists(st.integers(0, 3) | st.just(20), min_size=40, max_size=120))
    times = 1_000 * DAY + np.cumsum(gaps) * (DAY // 4)
    waits = draw(st.lists(st.integers(0, 8), min_size=len(gaps), max_size=len(gaps)))
    return Clockwork(times, times + np.array(waits) * (DAY // 4))


rows_or_none = st.none() | st.integers(1, 30)
spans = st.sampled_from(["1d", "2d", "1w", "30d", "1mo", "36h"])
long_spans = st.sampled_from(["1w", "15d", "30d", "1mo"])
walks = st.one_of(
    st.builds(Chronological, kind=st.just("chronological"), test=st.floats(0.05, 0.6)),
    st.builds(
        WalkForward,
        kind=st.just("walk_forward"),
        train=st.integers(10, 40),
        test=st.integers(1, 20),
        step=rows_or_none,
        expanding=st.booleans(),
    ),
    st.builds(
        Calendar,
        kind=st.just("calendar"),
        train=long_spans,
        test=spans,
        step=st.none() | spans,
        expanding=st.booleans(),
    ),
)
purged_folds = st.builds(
    PurgedKFold, kind=st.just("purged_kfold"), folds=st.integers(2, 6), embargo=st.integers(0, 5) | spans
)


def attempt(how: Split, clockwork: Clockwork) -> tuple[Window, ...]:
    try:
        return windows_of(how, rows=len(clockwork.times), clockwork=clockwork)
    except (TooFewRows, BadRecipe):
        assume(False)
        raise


def outcome(how: Split, clockwork: Clockwork) -> set[str]:
    """`windows`, or the fields that are to blame."""
    try:
        windows = windows_of(how, rows=len(clockwork.times), clockwork=clockwork)
    except BadRecipe as error:
        return {problem.field for problem in error.problems}
    return {"windows"} if windows else set()


def check_sides(window: Window, clockwork: Clockwork) -> None:
    """Both sides are there, in order, and share neither a row nor a time."""
    assert len(window.train) >= MIN_TRAIN_ROWS
    assert len(window.test) > 0
    assert (np.diff(window.train) > 0).all()
    assert (np.diff(window.test) > 0).all()
    assert not set(clockwork.times[window.train]) & set(clockwork.times[window.test])


@given(how=walks, clockwork=clockworks())
def test_every_training_label_is_known_before_the_test_begins(
    how: Chronological | WalkForward | Calendar, clockwork: Clockwork
) -> None:
    windows = attempt(how, clockwork)
    for window in windows:
        check_sides(window, clockwork)
        starts, ends = clockwork.times[window.test][[0, -1]]
        assert (clockwork.known[window.train] < starts).all()
        assert ((clockwork.times >= starts) & (clockwork.times <= ends)).sum() == len(window.test)
        begins = clockwork.times[window.train[0]]
        stretch = (clockwork.times >= begins) & (clockwork.times < starts)
        assert (clockwork.known[stretch] < starts).sum() <= len(window.train) + window.dropped
    stretches = [tuple(window.test[[0, -1]]) for window in windows]
    assert stretches == sorted(set(stretches))


@given(how=purged_folds, clockwork=clockworks())
def test_no_label_of_a_training_row_is_open_while_one_of_the_test_is(how: PurgedKFold, clockwork: Clockwork) -> None:
    windows = attempt(how, clockwork)
    assert sorted(np.concatenate([window.test for window in windows])) == list(range(len(clockwork.times)))
    for window in windows:
        check_sides(window, clockwork)
        opens, answered = clockwork.times[window.test].min(), clockwork.known[window.test].max()
        train_opens, train_known = clockwork.times[window.train], clockwork.known[window.train]
        assert ((train_known < opens) | (train_opens > answered)).all()
        assert len(window.train) + len(window.test) + window.dropped + window.embargoed == len(clockwork.times)


@given(clockwork=clockworks(), folds=st.integers(2, 6), embargo=st.integers(0, 5))
def test_an_embargo_of_rows_leaves_out_that_many_times_after_the_test(
    clockwork: Clockwork, folds: int, embargo: int
) -> None:
    for window in attempt(PurgedKFold(kind="purged_kfold", folds=folds, embargo=embargo), clockwork):
        answered = clockwork.known[window.test].max()
        later = np.unique(clockwork.times[clockwork.times > answered])
        assert not np.isin(clockwork.times[window.train], later[:embargo]).any()
        assert np.isin(later[embargo:], clockwork.times[window.train]).all()
        assert window.embargoed == np.isin(clockwork.times, later[:embargo]).sum()


@given(clockwork=clockworks(), folds=st.integers(2, 6), days=st.integers(1, 9))
def test_an_embargo_of_days_lasts_that_long_after_the_test(clockwork: Clockwork, folds: int, days: int) -> None:
    for window in attempt(PurgedKFold(kind="purged_kfold", folds=folds, embargo=f"{days}d"), clockwork):
        answered = clockwork.known[window.test].max()
        later = clockwork.times[window.train][clockwork.times[window.train] > answered]
        assert (later > answered + days * DAY).all()


@given(how=walks | purged_folds, clockwork=clockworks())
def test_every_window_has_enough_rows_or_the_error_names_a_field(how: Split, clockwork: Clockwork) -> None:
    assert (
        set()
        < outcome(how, clockwork)
        <= {"windows", *(f"split.{name}" for name in ("train", "test", "folds", "embargo"))}
    )


@given(
    rows=st.integers(20, 300),
    folds=st.integers(2, 10),
    classes=st.none() | st.integers(2, 4),
    seed=st.integers(0, 99),
)
def test_folds_of_a_plain_table_test_every_row_once(rows: int, folds: int, classes: int | None, seed: int) -> None:
    codes = None if classes is None else np.random.default_rng(seed).integers(0, classes, rows)
    how: Split = KFold(kind="kfold", folds=folds)
    if codes is not None:
        assume(np.unique(codes, return_counts=True)[1].min() >= folds)
        how = StratifiedKFold(kind="stratified_kfold", folds=folds)
    windows = windows_of(how, rows=rows, classes=codes, seed=seed)
    assert len(windows) == folds
    assert sorted(np.concatenate([window.test for window in windows])) == list(range(rows))
    for window in windows:
        assert sorted([*window.train, *window.test]) == list(range(rows))
        assert abs(len(window.test) - rows / folds) < 1
        for code in () if codes is None else np.unique(codes):
            of_class = int((codes == code).sum())
            assert abs(int((codes[window.test] == code).sum()) - of_class / folds) <= 1  # type: ignore[index]
            assert code in codes[window.train]  # type: ignore[index]


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


@pytest.mark.parametrize("how", [Random(kind="random"), KFold(kind="kfold")], ids=lambda how: how.kind)
def test_a_draw_is_settled_by_its_seed(how: Split) -> None:
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


def test_purged_folds_drop_overlapping_labels_on_both_sides_and_then_the_embargo() -> None:
    how = PurgedKFold(kind="purged_kfold", folds=4, embargo=3)
    window = windows_of(how, rows=100, clockwork=ticking(100, horizon=5))[1]
    assert list(window.test) == list(range(25, 50))
    assert list(window.train) == [*range(20), *range(58, 100)]
    assert (window.dropped, window.embargoed) == (10, 3)


def test_walk_forward_trains_on_n_tests_on_m_and_moves_by_m() -> None:
    windows = windows_of(WalkForward(kind="walk_forward", train=50, test=20), rows=100, clockwork=ticking(100))
    assert [(w.train[0], w.train[-1], w.test[0], w.test[-1]) for w in windows] == [(0, 49, 50, 69), (20, 69, 70, 89)]


def test_an_expanding_walk_keeps_its_beginning() -> None:
    how = WalkForward(kind="walk_forward", train=50, test=20, expanding=True)
    windows = windows_of(how, rows=100, clockwork=ticking(100))
    assert [(w.train[0], w.train[-1], w.test[0], w.test[-1]) for w in windows] == [(0, 49, 50, 69), (0, 69, 70, 89)]


def test_walk_forward_moves_by_its_step() -> None:
    how = WalkForward(kind="walk_forward", train=50, test=20, step=5)
    assert len(windows_of(how, rows=100, clockwork=ticking(100))) == 7


def test_walk_forward_counts_times_so_that_one_time_is_never_on_both_sides() -> None:
    clockwork = ticking(40, per_moment=3)
    (window,) = windows_of(WalkForward(kind="walk_forward", train=30, test=10), rows=120, clockwork=clockwork)
    assert list(window.train) == list(range(90))
    assert list(window.test) == list(range(90, 120))


def bounds(how: Split, clockwork: Clockwork) -> list[tuple[str, ...]]:
    """First and last day of both sides of each window."""
    return [
        tuple(day(clockwork.times[side[end]]) for side in (window.train, window.test) for end in (0, -1))
        for window in windows_of(how, rows=len(clockwork.times), clockwork=clockwork)
    ]


def test_a_calendar_walk_trains_three_months_tests_one_and_moves_by_one() -> None:
    how = Calendar(kind="calendar", train="3mo", test="1mo")
    assert bounds(how, daily("2019-12-01", "2020-05-31")) == [
        ("2019-12-01", "2020-02-29", "2020-03-01", "2020-03-31"),
        ("2020-01-01", "2020-03-31", "2020-04-01", "2020-04-30"),
        ("2020-02-01", "2020-04-30", "2020-05-01", "2020-05-31"),
    ]


def test_a_calendar_walk_keeps_to_the_months_wherever_the_rows_begin() -> None:
    how = Calendar(kind="calendar", train="1y", test="6mo", expanding=True)
    assert bounds(how, daily("2019-01-17", "2020-12-31")) == [
        ("2019-01-17", "2019-12-31", "2020-01-01", "2020-06-30"),
        ("2019-01-17", "2020-06-30", "2020-07-01", "2020-12-31"),
    ]


def test_an_expanding_calendar_begins_with_a_stretch_as_long_as_a_test() -> None:
    how = Calendar.model_validate({"kind": "calendar", "train": "expanding", "test": "1y"})
    assert how == Calendar(kind="calendar", train="1y", test="1y", expanding=True)
    assert bounds(how, daily("2018-01-01", "2020-12-31")) == [
        ("2018-01-01", "2018-12-31", "2019-01-01", "2019-12-31"),
        ("2018-01-01", "2019-12-31", "2020-01-01", "2020-12-31"),
    ]


def test_weeks_begin_on_monday_and_days_at_midnight_in_utc() -> None:
    how = Calendar(kind="calendar", train="2w", test="1w")
    (first, *_) = bounds(how, daily("2020-01-02", "2020-02-28"))
    assert first == ("2020-01-02", "2020-01-12", "2020-01-13", "2020-01-19")


@pytest.mark.parametrize(("last", "windows"), [("2020-06-15", 2), ("2020-06-16", 3)])
def test_a_last_stretch_that_is_not_half_filled_is_left_out(last: str, windows: int) -> None:
    assert len(bounds(Calendar(kind="calendar", train="3mo", test="1mo"), daily("2020-01-01", last))) == windows


def test_a_month_without_rows_is_no_window() -> None:
    whole = daily("2020-01-01", "2020-12-31")
    summer = np.isin(whole.times.astype("datetime64[us]").astype("datetime64[M]").astype(int) % 12, [6, 7])
    clockwork = Clockwork(whole.times[~summer], whole.known[~summer])
    tests = [test for _, _, test, _ in bounds(Calendar(kind="calendar", train="4mo", test="1mo"), clockwork)]
    assert tests == ["2020-05-01", "2020-06-01", "2020-09-01", "2020-10-01", "2020-11-01", "2020-12-01"]


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
        (Chronological(kind="chronological"), 5, 0, "dataset: expected at least 11 usable rows, found 5"),
        (
            Chronological(kind="chronological"),
            30,
            20,
            (
                "split.test: expected at least 10 training rows in window 1, less 20 whose label lies in its test "
                "stretch, found 4"
            ),
        ),
        (
            WalkForward(kind="walk_forward", train=1000, test=100),
            300,
            0,
            (
                "split.train: expected at least 1,100 distinct times for one window of 1,000 to train and 100 to test, "
                "found 300"
            ),
        ),
        (
            PurgedKFold(kind="purged_kfold", folds=50),
            40,
            0,
            "split.folds: expected at least 50 distinct times, one for each fold, found 40",
        ),
        (
            PurgedKFold(kind="purged_kfold", folds=2, embargo=12),
            40,
            4,
            (
                "split.embargo: expected at least 10 training rows in window 1, less 4 whose label lies in its test "
                "stretch and 12 under the embargo, found 4"
            ),
        ),
    ],
    ids=str,
)
def test_too_few_rows_says_how_many_there_are_and_are_needed(how: Split, rows: int, horizon: int, message: str) -> None:
    with pytest.raises(TooFewRows) as caught:
        windows_of(how, rows=rows, clockwork=ticking(rows, horizon=horizon))
    assert caught.value.message == message


def test_a_calendar_longer_than_the_rows_says_what_they_span() -> None:
    with pytest.raises(BadRecipe) as caught:
        bounds(Calendar(kind="calendar", train="3y", test="3mo"), daily("2019-01-01", "2020-12-31"))
    assert caught.value.message == (
        "split.train: expected rows over more than 3y to train and 3mo to test, found 2019-01-01 to 2020-12-31"
    )


def test_a_class_rarer_than_the_folds_is_refused() -> None:
    codes = np.array([0] * 30 + [1] * 3)
    with pytest.raises(TooFewRows, match=r"split\.folds: expected at least 5 rows of the rarest class.* found 3"):
        windows_of(StratifiedKFold(kind="stratified_kfold"), rows=33, classes=codes)


def test_a_walk_of_too_many_steps_is_refused() -> None:
    decade = Clockwork(np.array([0, *range(3_650 * DAY, 3_670 * DAY, DAY)]), np.zeros(21, dtype=np.int64))
    with pytest.raises(BadRecipe, match=r"split\.step: expected rows crossed in at most 10,000 steps, found 1h"):
        windows_of(Calendar(kind="calendar", train="1h", test="1h"), rows=21, clockwork=decade)


@pytest.mark.parametrize("kind", [Random, KFold, StratifiedKFold])
def test_plain_k_fold_on_time_series_is_refused(kind: type[Random]) -> None:
    how = kind.model_validate({"kind": kind.model_fields["kind"].annotation.__args__[0]})  # type: ignore[union-attr]
    with pytest.raises(BadRecipe) as caught:
        windows_of(how, rows=100, clockwork=ticking(100))
    assert caught.value.message == (
        "split.kind: expected chronological, walk_forward, calendar or purged_kfold for a table with time, "
        f"found {how.kind}"
    )


@pytest.mark.parametrize(
    "how",
    [
        WalkForward(kind="walk_forward", train=20, test=10),
        Calendar(kind="calendar", train="1y", test="1y"),
        PurgedKFold(kind="purged_kfold"),
    ],
    ids=lambda how: how.kind,
)
def test_a_table_without_time_cannot_be_walked_through(how: Split) -> None:
    with pytest.raises(BadRecipe, match=r"split\.kind: expected random, chronological, kfold or stratified_kfold"):
        windows_of(how, rows=100)
