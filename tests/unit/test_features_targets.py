from datetime import UTC, datetime, timedelta
from math import exp, log, nan
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecastle.features.errors import BadExpression, BadTarget
from forecastle.features.targets import TRANSFORMS, Target, compute_target, invert, plan_target

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def prices() -> pl.DataFrame:
    """Two tickers in turn; B ends a day early, A has a gap on the third day."""
    days = [0, 0, 1, 1, 2, 2, 3]
    return pl.DataFrame({
        "t": pl.Series([START + timedelta(days=day) for day in days], dtype=pl.Datetime("us", "UTC")),
        "key": ["A", "B", "A", "B", "A", "B", "A"],
        "Close": [1.0, 10.0, 2.0, 5.0, None, 20.0, 4.0],
        "sky": ["sun", "fog", "fog", "fog", None, "sun", "sun"],
    })  # fmt: skip


def target(frame: pl.DataFrame, transform: str, horizon: int = 1, expression: str = "close") -> Target:
    return compute_target(frame, expression=expression, transform=transform, horizon=horizon, time="t", keys=("key",))


def known(values: Any) -> list[Any]:
    return pl.Series(values, nan_to_null=True).to_list()


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ("none", [2, 5, None, 20, 4, None, None]),
        ("log", [log(2), log(5), None, log(20), log(4), None, None]),
        ("log_return", [log(2), log(0.5), None, log(4), None, None, None]),
        ("pct_change", [1, -0.5, None, 3, None, None, None]),
        ("up", [1, 0, None, 1, None, None, None]),
    ],
)
def test_the_next_row_of_the_same_key(prices: pl.DataFrame, transform: str, expected: list[float | None]) -> None:
    found = target(prices, transform)
    assert known(found.values) == [None if value is None else pytest.approx(value) for value in expected]
    assert known(found.current) == [1, 10, 2, 5, None, 20, 4]
    assert found.label_rows.tolist() == [2, 3, 4, 5, 6, -1, -1]


def test_labels_know_when_they_will_be_known(prices: pl.DataFrame) -> None:
    found = target(prices, "none", horizon=2)
    assert known(found.values) == [None, 20, 4, None, None, None, None]
    assert found.label_times is not None
    days = [None if np.isnat(time) else (time - np.datetime64("2024-01-01")).astype(int) for time in found.label_times]
    assert days == [2 * 86400e6, 2 * 86400e6, 3 * 86400e6, None, None, None, None]


def test_unchanged_is_up_and_not_positive_has_no_logarithm(prices: pl.DataFrame) -> None:
    flat = prices.with_columns(Close=pl.Series([3.0, 0.0, 3.0, -1.0, 0.0, 2.0, 0.0]))
    assert known(target(flat, "up").values) == [1, 0, 0, 1, 1, None, None]
    assert known(target(flat, "log").values) == [log(3), None, None, log(2), None, None, None]
    assert known(target(flat, "log_return").values) == [0, None, None, None, None, None, None]
    assert known(target(flat, "pct_change").values) == [0, None, -1, -3, None, None, None]


def test_horizon_0_is_the_row_itself_and_the_last_value_known_before_it(prices: pl.DataFrame) -> None:
    found = target(prices, "none", horizon=0)
    assert known(found.values) == [1, 10, 2, 5, None, 20, 4]
    assert known(found.current) == [None, None, 1, 10, 2, 5, 2]
    assert found.label_rows.tolist() == list(range(7))


def test_a_class_column_is_labels(prices: pl.DataFrame) -> None:
    found = target(prices, "none", expression="sky")
    assert found.kind == "category"
    assert found.values.tolist() == ["fog", "fog", None, "sun", "sun", None, None]
    assert found.current.tolist() == ["sun", "fog", "fog", "fog", None, "sun", "sun"]
    assert target(prices, "none", 0, "sky").current.tolist() == [None, None, "sun", "fog", "fog", "fog", "fog"]


def test_any_expression_may_be_a_target(prices: pl.DataFrame) -> None:
    assert known(target(prices, "none", 1, "close > 4").values) == [0, 1, None, 1, 0, None, None]
    assert known(target(prices, "none", 1, "close - lag(close)").values) == [1, -5, None, 15, None, None, None]


def test_a_plain_table_has_targets_of_its_own_rows() -> None:
    wine = pl.DataFrame({"quality": [5, 6, None], "kind": ["red", None, "white"]})
    found = compute_target(wine, expression="quality", transform="none", horizon=0, time=None, keys=())
    assert known(found.values) == [5, 6, None]
    assert known(found.current) == [None] * 3
    assert found.label_times is None
    found = compute_target(wine, expression="kind", transform="none", horizon=0, time=None, keys=())
    assert found.values.tolist() == ["red", None, "white"]
    assert found.current.tolist() == [None] * 3


def test_nothing_beyond_the_horizon_changes_a_target(prices: pl.DataFrame) -> None:
    for transform in TRANSFORMS:
        whole, early = target(prices, transform), target(prices.head(4), transform)
        assert known(early.values)[:2] == known(whole.values)[:2]
        assert known(early.values)[2:] == [None, None]


def test_the_plan_names_the_columns_that_features_must_not_see(prices: pl.DataFrame) -> None:
    plan = plan_target(
        "close - lag(close) + 0 * (sky == 'sun')",
        transform="none", horizon=0, schema=prices.schema, time="t", keys=("key",),
    )  # fmt: skip
    assert plan.columns == ("Close", "sky")
    assert plan.expression == 'Close - lag(Close, 1) + 0 * (sky == "sun")'
    assert plan.kind == "number"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transform": "ln"}, "target.transform: expected none | log | log_return | pct_change | up, found ln"),
        ({"horizon": -1}, "target.horizon: expected 0 to 10,000 rows, found -1"),
        ({"horizon": 10_001}, "target.horizon: expected 0 to 10,000 rows, found 10001"),
        ({"horizon": 1, "time": None, "keys": ()}, "expected 0 for a table without a time column, found 1"),
        ({"horizon": 0, "transform": "up"}, "expected 1 or more with the transform up, found 0"),
        ({"expression": "sky", "transform": "log"}, "expected none for the category sky, found log"),
    ],
)
def test_what_does_not_fit_is_told(prices: pl.DataFrame, changes: dict[str, Any], message: str) -> None:
    choices: dict[str, Any] = {"expression": "close", "transform": "none", "horizon": 1, "time": "t", "keys": ("key",)}
    with pytest.raises(BadTarget) as caught:
        compute_target(prices, **choices | changes)
    assert message in caught.value.message
    assert [problem.field.partition(".")[0] for problem in caught.value.problems] == ["target"]


@pytest.mark.parametrize("expression", ["clse", "close +", "t", "mixture(close)", "sma(sky)"])
def test_a_target_is_an_expression_that_learns_nothing(prices: pl.DataFrame, expression: str) -> None:
    with pytest.raises(BadExpression):
        target(prices, "none", 1, expression)


@given(st.floats(0.01, 1e4), st.floats(0.01, 1e4))
@UNHURRIED
def test_predictions_turn_back_into_units(current: float, future: float) -> None:
    now = np.array([current])
    for transform, predicted in {
        "none": future,
        "log": log(future),
        "log_return": log(future / current),
        "pct_change": future / current - 1,
    }.items():
        assert invert(np.array([predicted]), now, transform) == pytest.approx([future], rel=1e-9)
    assert invert(np.array([1.0]), now, "up").tolist() == [1.0]


def test_an_unknown_current_gives_an_unknown_value() -> None:
    assert np.isnan(invert(np.array([0.1]), np.array([nan]), "log_return"))
    assert invert(np.array([1.0]), np.array([nan]), "log").tolist() == [exp(1)]
