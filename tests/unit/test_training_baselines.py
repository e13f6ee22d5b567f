"""Baselines know what was known then, and no more."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from forecastle.training import baselines
from forecastle.training.arrays import Floats, Integers
from forecastle.training.samples import Clockwork, Samples
from forecastle.training.splits import Window

DAY_US = 86_400_000_000


def days(count: int) -> Integers:
    start = int(datetime(2015, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    return start + np.arange(count) * DAY_US


def halves(rows: int) -> Window:
    return Window(np.arange(rows // 2), np.arange(rows // 2, rows))


def samples_of(
    target: Floats, *, classes: tuple[str, ...] = (), unchanged: Floats | None = None, timed: bool = True
) -> Samples:
    rows = np.arange(len(target))
    clockwork = Clockwork(days(len(target)), days(len(target))) if timed else None
    return Samples(rows, target, classes, np.zeros_like(rows), clockwork, unchanged)


def test_the_mean_is_that_of_the_training_rows() -> None:
    assert list(baselines.values(samples_of(np.array([1.0, 3, 50, 60])), halves(4))["mean"]) == [2, 2]


def test_persistence_is_the_value_known_at_the_row_and_the_mean_where_there_is_none() -> None:
    samples = samples_of(np.array([2.0, 3, 4, 5]), unchanged=np.array([1.0, 2, 3, np.nan]))
    assert list(baselines.values(samples, halves(4))["persistence"]) == [3, 2.5]


def test_persistence_of_a_class_is_the_one_known_at_the_row_and_the_likeliest_where_there_is_none() -> None:
    samples = samples_of(np.array([0.0, 1, 1, 0]), classes=("a", "b"), unchanged=np.array([0, 0, 1, np.nan]))
    assert list(baselines.labels(samples, Window(np.arange(3), np.arange(2, 4)))["persistence"]) == [1, 1]


def test_rows_without_order_have_no_persistence() -> None:
    assert set(baselines.values(samples_of(np.arange(8.0), timed=False), halves(8))) == {"mean"}
    assert baselines.labels(samples_of(np.array([0.0, 1] * 4), classes=("a", "b"), timed=False), halves(8)) == {}


def test_the_prior_is_the_share_of_each_class_in_training() -> None:
    samples = samples_of(np.array([0.0, 0, 0, 1, 1, 1, 1, 1]), classes=("a", "b"))
    assert baselines.probabilities(samples, halves(8))["prior"].tolist() == [[0.75, 0.25]] * 4


def test_climatology_is_the_mean_of_the_season_of_the_same_keys() -> None:
    count = 3 * 365
    times = np.repeat(days(count), 2)
    groups = np.tile([0, 1], count)
    season = np.cos(2 * np.pi * baselines.day_of_year(times) / 365.25)
    samples = Samples(np.arange(2 * count), season + 10 * groups, (), groups, Clockwork(times, times))
    window = Window(np.arange(2 * 2 * 365), np.arange(2 * 2 * 365, 2 * count))
    forecast = baselines.values(samples, window)["climatology"]
    assert np.abs(forecast - samples.target[window.test]).max() < 0.05


def test_climatology_sees_no_test_row() -> None:
    rng = np.random.default_rng(0)
    samples = samples_of(rng.normal(size=1000))
    window = Window(np.arange(800), np.arange(800, 1000))
    changed = samples_of(np.append(samples.target[:800], np.full(200, 1e9)))
    before, after = (baselines.values(each, window)["climatology"] for each in (samples, changed))
    assert (before == after).all()


def test_climatology_needs_more_than_a_year() -> None:
    assert "climatology" not in baselines.values(samples_of(np.ones(400)), halves(400))


@pytest.mark.parametrize(("day", "number"), [((2015, 1, 1), 0), ((2016, 12, 31), 365), ((1969, 3, 1), 59)])
def test_days_of_the_year(day: tuple[int, int, int], number: int) -> None:
    since = datetime(*day, 12, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    assert baselines.day_of_year(np.array([since // timedelta(microseconds=1)])).tolist() == [number]
