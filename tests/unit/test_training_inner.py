"""The inner validation stretch lies between what is fitted and what is tested, and no label reaches into it."""

import numpy as np
import pytest

from forecastle.training.arrays import Integers
from forecastle.training.errors import TooFewRows
from forecastle.training.inner import hold_out
from forecastle.training.samples import Clockwork, Samples


def samples(rows: int, *, horizon: int | None = None, classes: Integers | None = None) -> Samples:
    times = np.arange(rows)
    return Samples(
        rows=np.arange(rows) * 3,
        target=np.zeros(rows) if classes is None else classes.astype(np.float64),
        classes=() if classes is None else tuple(map(str, np.unique(classes))),
        groups=np.zeros(rows, dtype=np.int64),
        clockwork=None if horizon is None else Clockwork(times, times + horizon),
    )


def test_it_is_the_last_fifth_of_the_rows_given() -> None:
    inner = hold_out(samples(300, horizon=0), np.arange(100, 200), seed=0, purpose="calibration")
    assert inner.train.tolist() == list(range(100, 180))
    assert inner.test.tolist() == list(range(180, 200))


def test_rows_whose_label_reaches_into_it_are_dropped() -> None:
    inner = hold_out(samples(300, horizon=7), np.arange(100, 200), seed=0, purpose="calibration")
    assert inner.train.tolist() == list(range(100, 173))
    assert inner.test.tolist() == list(range(180, 200))
    assert inner.dropped == 7


def test_positions_on_both_sides_of_a_test_stretch_are_held_out_from_the_end() -> None:
    positions = np.concatenate([np.arange(50), np.arange(100, 150)])
    inner = hold_out(samples(150, horizon=2), positions, seed=0, purpose="calibration")
    assert inner.test.tolist() == list(range(130, 150))
    assert inner.train.tolist() == [*range(50), *range(100, 128)]


def test_without_time_it_is_a_seeded_draw_of_every_class() -> None:
    classes = np.array([0] * 80 + [1] * 20)
    table = samples(100, classes=classes)
    one, same, other = (hold_out(table, np.arange(100), seed=seed, purpose="calibration") for seed in (1, 1, 2))
    assert np.bincount(classes[one.test]).tolist() == [16, 4]
    assert one.test.tolist() == same.test.tolist() != other.test.tolist()
    assert sorted([*one.train, *one.test]) == list(range(100))


@pytest.mark.parametrize(
    ("rows", "horizon", "message"),
    [
        (60, 45, "expected at least 10 training rows before the inner validation stretch of a window, found 3"),
        (40, 0, "expected at least 10 rows in the inner validation stretch of a window, found 8"),
    ],
)
def test_too_few_rows_name_the_field_that_asks_for_them(rows: int, horizon: int, message: str) -> None:
    with pytest.raises(TooFewRows, match=f"hyperparameters.early_stopping: {message}"):
        hold_out(samples(rows, horizon=horizon), np.arange(rows), seed=0, purpose="hyperparameters.early_stopping")
