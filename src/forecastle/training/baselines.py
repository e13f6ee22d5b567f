"""Naive forecasts that a model has to beat, made for the same test rows from what was known at the time."""

from collections.abc import Mapping

import numpy as np

from forecastle.training.arrays import Floats, Integers
from forecastle.training.samples import Samples
from forecastle.training.splits import Window

DAY_US = 86_400_000_000
YEAR_US = 365 * DAY_US
CLIMATOLOGY_DAYS = 7
"""A day of the year takes part in the mean of this many days on either side."""
MAX_GROUPS = 10_000
DAYS = 366


def values(samples: Samples, window: Window) -> Mapping[str, Floats]:
    """For a regression: `mean`, `persistence` and `climatology`, where they mean something, [rows of the test].

    - mean: of the training rows.
    - persistence: the value known at the row stays.
    - climatology: the mean of the training rows of the same keys within a week of that day of the year; given more
      than a year of training.
    """
    mean = float(samples.target[window.train].mean())
    forecasts = {"mean": np.full(len(window.test), mean)}
    if samples.unchanged is not None:
        unchanged = samples.unchanged[window.test]
        forecasts["persistence"] = np.where(np.isnan(unchanged), mean, unchanged)
    if samples.clockwork is not None and np.ptp(samples.clockwork.known[window.train]) > YEAR_US:
        forecasts["climatology"] = _climatology(samples, samples.clockwork.known, window)
    return forecasts


def probabilities(samples: Samples, window: Window) -> Mapping[str, Floats]:
    """For classes: `prior`, the frequencies in the training rows, [rows of the test, K]."""
    counts = np.bincount(samples.codes[window.train], minlength=len(samples.classes))
    return {"prior": np.tile(counts / counts.sum(), (len(window.test), 1))}


def labels(samples: Samples, window: Window) -> Mapping[str, Integers]:
    """For classes: `persistence`, the class known at the row, where rows follow one another in time."""
    if samples.unchanged is None:
        return {}
    unchanged = samples.unchanged[window.test]
    likeliest = np.bincount(samples.codes[window.train]).argmax()
    return {"persistence": np.where(np.isnan(unchanged), likeliest, unchanged).astype(np.int64)}


def _climatology(samples: Samples, known: Integers, window: Window) -> Floats:
    groups = samples.groups if samples.groups.max() < MAX_GROUPS else np.zeros_like(samples.groups)
    days = day_of_year(known)
    cells = groups * DAYS + days
    size = (int(groups.max()) + 1) * DAYS
    count = np.bincount(cells[window.train], minlength=size).reshape(-1, DAYS)
    total = np.bincount(cells[window.train], samples.target[window.train], minlength=size).reshape(-1, DAYS)
    near = range(-CLIMATOLOGY_DAYS, CLIMATOLOGY_DAYS + 1)
    count_near = np.sum([np.roll(count, shift, axis=1) for shift in near], axis=0)
    total_near = np.sum([np.roll(total, shift, axis=1) for shift in near], axis=0)
    overall = float(samples.target[window.train].mean())
    of_group = _means(total.sum(axis=1), count.sum(axis=1), np.full(len(count), overall))
    table = _means(total_near, count_near, np.repeat(of_group[:, None], DAYS, axis=1))
    return table[groups[window.test], days[window.test]]


def _means(total: Floats, count: Integers, otherwise: Floats) -> Floats:
    return np.divide(total, count, out=otherwise, where=count > 0)


def day_of_year(times: Integers) -> Integers:
    """0 for the first of January, of times in microseconds since 1970."""
    days = times.astype("datetime64[us]").astype("datetime64[D]")
    since: Integers = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    return since
