"""Diagnostics, against counting by hand."""

import numpy as np
import pytest

from forecastle.registry.diagnostics import QUANTILES, Band
from forecastle.training import diagnostics
from forecastle.training.arrays import Floats


def folds(rows: int = 500) -> list[tuple[Floats, Floats]]:
    rng = np.random.default_rng(3)
    truth = rng.normal(10.0, 2.0, rows)
    predicted = truth + rng.normal(0.5, 1.0, rows)
    return list(zip(np.split(truth, 2), np.split(predicted, 2), strict=True))


def test_residuals_are_truth_less_prediction() -> None:
    found = diagnostics.residuals(folds())
    assert found is not None
    each = [truth - predicted for truth, predicted in folds()]
    pooled = np.sort(np.concatenate(each))
    assert found.quantiles == pytest.approx([pooled[round(q * (len(pooled) - 1))] for q in QUANTILES], abs=0.02)
    assert len(found.folds) == 2
    assert found.folds[1][2] == pytest.approx(np.median(each[1]))
    assert found.quantiles[2] == pytest.approx(-0.5, abs=0.15)


def test_the_histogram_counts_every_row_once() -> None:
    found = diagnostics.residuals(folds())
    assert found is not None
    edges, counts = np.array(found.histogram.edges), np.array(found.histogram.counts)
    pooled = np.concatenate([truth - predicted for truth, predicted in folds()])
    assert counts.sum() == len(pooled)
    assert len(edges) == len(counts) + 1
    for position in range(1, len(counts) - 1):  # the outermost hold what lies beyond them too
        inside = (pooled >= edges[position]) & (pooled < edges[position + 1])
        assert counts[position] == inside.sum()


def test_bands_go_from_the_lowest_tenth_of_the_predictions_to_the_highest() -> None:
    found = diagnostics.residuals(folds())
    assert found is not None
    assert [band.rows for band in found.bands] == [50] * 10
    truth, predicted = (np.concatenate(parts) for parts in zip(*folds(), strict=True))
    lowest = np.argsort(predicted)[:50]
    assert found.bands[0].predicted == pytest.approx(predicted[lowest].mean())
    assert found.bands[0].observed == pytest.approx(truth[lowest].mean())
    assert [band.predicted for band in found.bands] == sorted(band.predicted for band in found.bands)


def test_the_scatter_is_drawn_evenly_and_stays_small() -> None:
    found = diagnostics.residuals(folds(40_000))
    assert found is not None
    truth, predicted = (np.concatenate(parts) for parts in zip(*folds(40_000), strict=True))
    assert len(found.scatter) == 300
    assert found.scatter[0] == pytest.approx((predicted[0], truth[0]))
    assert found.scatter[-1] == pytest.approx((predicted[-1], truth[-1]))


def test_few_rows_that_are_all_the_same() -> None:
    found = diagnostics.residuals([(np.full(3, 2.0), np.full(3, 1.5))])
    assert found is not None
    assert (found.histogram.edges, found.histogram.counts) == ((0.5, 0.5), (3,))
    assert found.quantiles == (0.5,) * 5
    assert sum(band.rows for band in found.bands) == 3
    assert found.scatter == ((1.5, 2.0),) * 3


def test_an_outlier_does_not_flatten_the_picture() -> None:
    truth = np.append(np.linspace(-1.0, 1.0, 999), 1e9)
    found = diagnostics.residuals([(truth, np.zeros(1000))])
    assert found is not None
    assert found.histogram.edges[-1] < 10
    assert sum(found.histogram.counts) == 1000


def test_a_rare_difference_among_equals_is_still_seen() -> None:
    found = diagnostics.residuals([(np.append(np.zeros(999), 5.0), np.zeros(1000))])
    assert found is not None
    assert (found.histogram.counts[0], found.histogram.counts[-1]) == (999, 1)


def test_numbers_too_large_to_average_are_left_out() -> None:
    assert diagnostics.residuals([(np.full(10, 1e300), np.zeros(10))]) is None


def test_of_two_classes_the_reliability_is_that_of_the_second() -> None:
    said = np.array([0.1, 0.15, 0.15, 0.3, 0.95, 1.0])
    codes = np.array([0, 0, 1, 0, 1, 1])
    found = diagnostics.reliability([(codes, np.column_stack([1 - said, said]))], ("down", "up"))
    assert found.of == "up"
    first, *others = found.bands
    assert [first.predicted, first.observed, first.rows] == pytest.approx([0.4 / 3, 1 / 3, 3])
    assert others == [Band(0.3, 0.0, 1), Band(0.975, 1.0, 2)]


def test_of_more_classes_the_reliability_is_that_of_the_one_predicted() -> None:
    probabilities = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.45, 0.55, 0.0]])
    halves = [(np.array([0]), probabilities[:1]), (np.array([2, 1]), probabilities[1:])]
    found = diagnostics.reliability(halves, ("a", "b", "c"))
    assert found.of is None
    assert found.bands == (Band(0.525, 1.0, 2), Band(0.8, 0.0, 1))
