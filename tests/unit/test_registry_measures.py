"""What a measure says beside the naive forecasts."""

import pytest

from forecastle.registry.measures import Verdict, verdict

NAIVE = {"persistence": {"rmse": 0.358}, "mean": {"rmse": 0.252478432453805}}


def against_naive(rmse: float) -> Verdict:
    found = verdict("regression", {"rmse": rmse}, NAIVE)
    assert found is not None
    assert found.baseline_name == "mean"
    return found


@pytest.mark.parametrize("rmse", [0.0, 0.25, 0.2524])
def test_less_error_beats_the_best_naive_forecast(rmse: float) -> None:
    assert against_naive(rmse).beats_it


@pytest.mark.parametrize("rmse", [0.25247843244118473, 0.252478432453805, 1.0])
def test_a_lead_that_is_rounding_is_none(rmse: float) -> None:
    assert not against_naive(rmse).beats_it


def test_nothing_beats_a_naive_forecast_without_error() -> None:
    found = verdict("regression", {"rmse": 0.0}, {"mean": {"rmse": 0.0}})
    assert found is not None
    assert not found.beats_it
    assert found.skill is None
