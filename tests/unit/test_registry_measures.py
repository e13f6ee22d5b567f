"""What a measure says beside the naive forecasts."""

import pytest

from forecastle.registry.measures import verdict


@pytest.mark.parametrize(
    ("value", "beats"),
    [(0.25, True), (0.2524, True), (0.25247843244118473, False), (0.252478432453805, False), (1.0, False)],
)
def test_a_lead_that_is_rounding_is_none(value: float, beats: bool) -> None:
    naive = {"persistence": {"rmse": 0.358}, "mean": {"rmse": 0.252478432453805}}
    found = verdict("regression", {"rmse": value}, naive)
    assert found is not None
    assert found.baseline_name == "mean"
    assert found.beats_it is beats


def test_nothing_beats_a_naive_forecast_without_error() -> None:
    found = verdict("regression", {"rmse": 0.0}, {"mean": {"rmse": 0.0}})
    assert found is not None
    assert not found.beats_it
    assert found.skill is None
