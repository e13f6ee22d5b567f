"""What was known at a moment stays as it was: bars, joined series, targets' inputs, and features over all of them."""

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest

from forecastle.features.asof import row_at
from forecastle.features.frames import prepare
from forecastle.features.plan import FeaturePlan

START = datetime(2024, 1, 1, 9, 30, tzinfo=UTC)
ENTRIES = ["close", "high - low", "volume", "sma(close, 3)", "rsi(close, 5)", "ret(close_SPY, 1)", "hour()", "atr(3)"]


@cache
def ticks(seed: int = 1, keys: tuple[str, ...] = ("A", "B")) -> pl.DataFrame:
    """Rows every few minutes for two days; B stops on the first."""
    random = np.random.default_rng(seed)
    parts = []
    for index, key in enumerate(keys):
        rows = 500 - 250 * index
        minutes = np.cumsum(random.integers(1, 9, rows)).tolist()
        close = 100 + np.cumsum(random.normal(0, 1, rows))
        columns = {
            "time": pl.Series([START + timedelta(minutes=m) for m in minutes], dtype=pl.Datetime("us", "UTC")),
            "key": [key] * rows,
            "open": close + random.normal(0, 1, rows),
            "high": close + 3,
            "low": close - 3,
            "close": close,
            "volume": random.integers(0, 100, rows),
        }
        parts.append(pl.DataFrame(columns))
    return pl.concat(parts).sort("time", "key")


@cache
def index(seed: int = 2) -> pl.DataFrame:
    return ticks(seed, ("X",)).drop("key")


def until(frame: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    return frame.filter(pl.col("time") <= moment)


def retold(frame: pl.DataFrame, other: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    return pl.concat([until(frame, moment), other.filter(pl.col("time") > moment).gather_every(3)])


def prepared(
    frame: pl.DataFrame, series: pl.DataFrame, timeframe: str | None, *, now: datetime | None = None
) -> pl.DataFrame:
    if timeframe is None:  # times to be joined on must be the same
        series = frame.select("time", "close").unique("time", keep="first", maintain_order=True)
    return prepare(frame, time="time", keys=("key",), timeframe=timeframe, context={"SPY": series}, until=now)


def moments() -> list[datetime]:
    """On a bar's end, just before and after it, and on ordinary rows."""
    end = START.replace(minute=0) + timedelta(hours=10)
    rows: list[datetime] = ticks()["time"].gather([200, 333, 600]).to_list()
    return [*rows, end, end - timedelta(microseconds=1), end + timedelta(minutes=1)]


every_timeframe = pytest.mark.parametrize("timeframe", [None, "15m", "1h"])


@every_timeframe
def test_nothing_after_a_moment_changes_a_row_before_it(timeframe: str | None) -> None:
    whole = prepared(ticks(), index(), timeframe)
    for moment in moments():
        other = prepared(retold(ticks(), ticks(3), moment), retold(index(), index(4), moment), timeframe)
        assert until(other, moment).equals(until(whole, moment))


@every_timeframe
def test_what_is_labelled_by_a_moment_is_known_at_that_moment(timeframe: str | None) -> None:
    whole = prepared(ticks(), index(), timeframe)
    for moment in moments():
        past = prepared(until(ticks(), moment), until(index(), moment), timeframe, now=moment)
        assert past.equals(until(whole, moment))


@every_timeframe
def test_features_of_prepared_rows_equal_those_as_of_their_time(timeframe: str | None) -> None:
    frame = prepared(ticks(), index(), timeframe)
    plan = FeaturePlan.of(ENTRIES, schema=frame.schema, time="time", keys=("key",), context=("SPY",))
    whole = plan.compute(frame, {})
    for row in (3, frame.height // 2, frame.height - 1):
        at = row_at(frame, plan, {}, key={"key": frame["key"][row]}, time=frame["time"][row]).features
        assert at == whole.row(row, named=True)


def test_trap_an_hourly_average_is_not_known_at_the_start_of_its_hour() -> None:
    """The hourly close of 10:59 must not show in a row of 10:05."""
    closes = pl.DataFrame({
        "time": pl.Series([START + timedelta(minutes=m) for m in range(600)], dtype=pl.Datetime("us", "UTC")),
        "close": [float(m) for m in range(600)],
    })  # fmt: skip
    hourly = prepare(closes, time="time", keys=(), timeframe="1h")
    plan = FeaturePlan.of(["sma(close, 1)"], schema=hourly.schema, time="time", keys=())
    moment = START.replace(hour=10, minute=5) + timedelta(days=0)
    seen = row_at(hourly, plan, {}, key={}, time=moment).features["sma(close, 1)"]
    assert seen == closes.filter(pl.col("time") < START.replace(hour=10, minute=0))["close"][-1]


def test_trap_a_bar_does_not_mix_rows_of_training_and_test() -> None:
    """Every row of a bar lies before its time, so a split by time cuts between bars, never through one."""
    frame = ticks(1, ("A",))
    bars = prepare(frame, time="time", keys=("key",), timeframe="1h")
    for moment in moments():
        training = bars.filter(pl.col("time") <= moment)
        changed = pl.concat(
            [until(frame, moment), frame.filter(pl.col("time") > moment).with_columns(close=1e9, high=1e9)]
        )
        again = prepare(changed, time="time", keys=("key",), timeframe="1h")
        assert again.filter(pl.col("time") <= moment).equals(training)


def test_trap_regimes_are_not_learned_from_all_of_history() -> None:
    frame = ticks(1, ("A",))
    moment = frame["time"][300]
    training = (frame["time"] <= moment).to_numpy()
    plan = FeaturePlan.of(
        ["mixture(std(ret(close), 10))", "mixture2(std(ret(close), 10), ret(close, 10))"],
        schema=frame.schema, time="time", keys=("key",),
    )  # fmt: skip
    changed = pl.concat(
        [until(frame, moment), frame.filter(pl.col("time") > moment).with_columns(close=pl.col("close") ** 3)]
    )
    assert plan.fit(changed, training) == plan.fit(frame, training)
    assert plan.fit(frame) != plan.fit(frame, training)
    states = plan.fit(frame, training)
    assert plan.compute(changed, states).head(301).equals(plan.compute(frame, states).head(301))
