from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from forecastle.features import limits
from forecastle.features.errors import BadFrame, TooManyMissing
from forecastle.features.frames import prepare, prepared_schema
from forecastle.features.plan import FeaturePlan

NINE = datetime(2024, 5, 6, 9, 0, tzinfo=UTC)  # a Monday


def times(minutes: list[float]) -> pl.Series:
    return pl.Series("time", [NINE + timedelta(minutes=m) for m in minutes], dtype=pl.Datetime("us", "UTC"))


@pytest.fixture
def ticks() -> pl.DataFrame:
    return pl.DataFrame({
        "time": times([0, 20, 40, 60, 80, 180, 200]),
        "Open": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
        "HIGH": [5.0, 9.0, 6.0, 7.0, 8.0, 9.0, 10.0],
        "low": [0.5, 1.0, 0.2, 3.0, 4.0, 5.0, 6.0],
        "close": [1.5, 2.5, None, 4.5, 5.5, 6.5, 7.5],
        "Volume": [10, 20, 30, 0, 0, 5, None],
        "vwap": [1.0, 2.0, 3.0, 4.0, 6.0, 6.0, 7.0],
        "note": ["a", "b", "c", "d", None, "e", "f"],
    })  # fmt: skip


def test_bars_are_labelled_by_their_end_and_only_when_complete(ticks: pl.DataFrame) -> None:
    bars = prepare(ticks, time="time", keys=(), timeframe="1h")
    assert bars["time"].to_list() == [NINE + timedelta(hours=1), NINE + timedelta(hours=2)]
    assert bars.columns == ticks.columns
    assert bars.drop("time").rows() == [
        (1.0, 9.0, 0.2, 2.5, 60, pytest.approx(140 / 60), "c"),
        (4.0, 8.0, 3.0, 5.5, 0, 5.0, "d"),
    ]
    later = prepare(ticks, time="time", keys=(), timeframe="1h", until=NINE + timedelta(hours=4))
    assert later.height == 3
    assert later.drop("time").row(2) == (6.0, 10.0, 5.0, 7.5, 5, 6.0, "f")


@pytest.mark.parametrize("columns", [("time", "volume", "vwap"), ("time", "vwap")])
def test_sums_of_a_bar_have_the_same_bits_whatever_the_rest_of_the_table_is(columns: tuple[str, ...]) -> None:
    """Sums over groups of a column that is known to be sorted, or has a gap somewhere, are added in another order."""
    random = np.random.default_rng(0)
    times = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minute) for minute in range(1_200)]
    table = pl.DataFrame({"time": times, "volume": random.uniform(0, 999, 1_200), "vwap": random.uniform(1, 2, 1_200)})
    whole = prepare(table.select(columns), time="time", keys=(), timeframe="1h").drop("time")
    gap = pl.when(pl.int_range(pl.len()) != 1_100)
    others = [table.sort("time"), table.head(900).sort("time"), table.with_columns(gap.then(pl.exclude("time")))]
    for other in others:
        bars = prepare(other.select(columns), time="time", keys=(), timeframe="1h").drop("time").head(14)
        assert bars.to_numpy().tobytes() == whole.head(14).to_numpy().tobytes()


def test_a_row_at_a_boundary_belongs_to_the_next_bar_and_completes_the_last(ticks: pl.DataFrame) -> None:
    assert prepare(ticks.head(3), time="time", keys=(), timeframe="1h").height == 0
    bars = prepare(ticks.head(4), time="time", keys=(), timeframe="1h")
    assert bars["HIGH"].to_list() == [9.0]


@pytest.mark.parametrize(
    ("timeframe", "ends"),
    [("20m", [20, 40, 60, 80, 100, 200]), ("90min", [90]), ("3H", [180]), ("1d", []), ("1w", [])],
)
def test_timeframes(ticks: pl.DataFrame, timeframe: str, ends: list[int]) -> None:
    shifted = ticks.with_columns(pl.col("time") - timedelta(minutes=0))
    found = prepare(shifted, time="time", keys=(), timeframe=timeframe)["time"].to_list()
    assert found == [NINE + timedelta(minutes=minutes) for minutes in ends]


def test_weeks_begin_on_monday() -> None:
    days = pl.DataFrame({"time": times([1440 * day for day in range(-2, 9)]), "close": range(11)})
    found = prepare(days, time="time", keys=(), timeframe="1w")
    midnight = NINE.replace(hour=0)
    assert found.rows() == [(midnight, 1), (midnight + timedelta(days=7), 8)]


def test_each_key_has_its_own_bars_and_all_tell_the_time(ticks: pl.DataFrame) -> None:
    both = pl.concat([
        ticks.with_columns(key=pl.lit("A")),
        ticks.head(2).with_columns(pl.col("Open") * 100, key=pl.lit("B")),
    ]).sort("time", "key")  # fmt: skip
    bars = prepare(both, time="time", keys=("key",), timeframe="1h")
    assert bars.select("time", "key", "Open").rows() == [
        (NINE + timedelta(hours=1), "A", 1.0),
        (NINE + timedelta(hours=1), "B", 100.0),
        (NINE + timedelta(hours=2), "A", 4.0),
    ]


@pytest.mark.parametrize("timeframe", ["", "h", "0m", "1M", "-1h", "1y", "1.5h", "one hour", "10000m", "1h30m", "1hh"])
def test_a_timeframe_is_a_number_and_a_unit(ticks: pl.DataFrame, timeframe: str) -> None:
    with pytest.raises(BadFrame, match=r"timeframe: expected a number and m, h, d or w, such as 5m, 1h or 1d, found"):
        prepare(ticks, time="time", keys=(), timeframe=timeframe or " ")


def test_context_columns_carry_the_name_of_their_series(ticks: pl.DataFrame) -> None:
    index = pl.DataFrame({"Date": times([0, 20, 40, 60, 80, 180, 200, 220]), "close": range(8)})
    joined = prepare(ticks, time="time", keys=(), context={"SPY": index})
    assert joined.columns == [*ticks.columns, "close_SPY"]
    assert joined["close_SPY"].to_list() == list(range(7))
    schema = prepared_schema(ticks.schema, time="time", context={"SPY": index.schema})
    assert schema == joined.schema
    plan = FeaturePlan.of(["close - close_spy"], schema=schema, time="time", keys=(), context=("SPY",))
    assert plan.columns[0].expression == "close - close_SPY"


def test_context_series_become_bars_of_the_same_length(ticks: pl.DataFrame) -> None:
    index = pl.DataFrame({"time": times([0, 30, 60, 90, 120, 150, 180]), "Volume": [1, 2, 3, 4, 5, 6, 7]})
    joined = prepare(ticks, time="time", keys=(), timeframe="1h", context={"SPY": index})
    assert joined["Volume_SPY"].to_list() == [3, 7]


def test_a_join_may_lose_5_percent_of_the_rows() -> None:
    rows = pl.DataFrame({"time": times(list(range(100))), "close": range(100)})
    assert prepare(rows, time="time", keys=(), context={"X": rows.tail(95)}).height == 95
    with pytest.raises(TooManyMissing, match=r"6\.0% of the rows are lost after joining, the limit is 5%: X 6.0%"):
        prepare(rows, time="time", keys=(), context={"X": rows.tail(94)})


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (pl.DataFrame({"time": times([0, 0, 20]), "close": [1, 2, 3]}), "expected one row a time, found several"),
        (pl.DataFrame({"close": [1, 2, 3]}), "expected one time column, found none"),
        (pl.DataFrame({"a": times([0]), "b": times([0])}), "expected one time column, found a, b"),
    ],
)  # fmt: skip
def test_a_context_series_has_one_row_a_time(ticks: pl.DataFrame, context: pl.DataFrame, message: str) -> None:
    with pytest.raises(BadFrame, match=message):
        prepare(ticks, time="time", keys=(), context={"X": context})


def test_a_taken_name_is_told(ticks: pl.DataFrame) -> None:
    with pytest.raises(BadFrame, match=r"context\.X: expected names that are free, found a column close_X already"):
        prepare(ticks.with_columns(close_X=1), time="time", keys=(), context={"X": ticks.select("time", "close")})


def test_keys_are_selected_in_any_case() -> None:
    frame = pl.DataFrame({"time": times([0, 0, 0]), "key": ["AAPL", "Msft", "tsla"], "n": [1, 2, 3]})

    def selected(*names: str) -> list[Any]:
        return prepare(frame, time="time", keys=("key",), select_keys=names)["n"].to_list()

    assert selected() == [1, 2, 3]
    assert selected("aapl", "MSFT") == [1, 2]
    with pytest.raises(BadFrame, match="keys: expected values of key such as AAPL, found APL"):
        selected("APL")
    with pytest.raises(BadFrame, match="the table has no key columns"):
        prepare(frame, time="time", keys=(), select_keys=["AAPL"])


def test_a_plain_table_is_left_as_it_is() -> None:
    wine = pl.DataFrame({"quality": [3, 1, 2]})
    assert prepare(wine, time=None, keys=()).equals(wine)
    for choice in ({"timeframe": "1d"}, {"context": {"X": wine}}):
        with pytest.raises(BadFrame, match="expected a table with a time column"):
            prepare(wine, time=None, keys=(), **choice)


def test_columns_that_lose_too_many_rows_are_named() -> None:
    table = pl.DataFrame({"good": [1] * 10, "bad": [None] * 2 + [1] * 8, "worse": [1] * 6 + [None] * 4})
    with pytest.raises(TooManyMissing) as caught:
        limits.check_columns("when loading", table)
    assert caught.value.message == "60.0% of the rows are lost when loading, the limit is 15%: worse 40.0%, bad 20.0%"
    assert caught.value.columns == {"worse": 0.4, "bad": 0.2}
    limits.check_columns("when loading", table, limit=0.6)
    limits.check_columns("when saving", table.select("good"))
    limits.check_columns("when saving", table.head(0))


def test_warm_up_rows_are_not_counted_as_lost() -> None:
    frame = pl.DataFrame({"time": times([n // 2 for n in range(200)]), "key": ["A", "B"] * 100, "x": [1.0] * 200})
    frame = frame.with_columns(x=pl.when(pl.int_range(200) != 100).then(pl.col("x")))

    def usable(*entries: str) -> int:
        plan = FeaturePlan.of(entries, schema=frame.schema, time="time", keys=("key",))
        columns = plan.compute(frame, {})
        missing = {name: columns[name].is_null().to_numpy() for name in plan.names}
        return int(limits.check_features(missing, frame, time="time", keys=("key",)).usable.sum())

    assert usable("x", "mean(x, 10)") == 200 - 18 - 1
    assert usable("mean(x, 60)") == 40 + 41
    assert usable("mean(x, 99)") == 3
    with pytest.raises(
        TooManyMissing, match=r"lost after computing features, the limit is 2%: where\(.* 1.6%, lag\(x, 1\)"
    ):
        usable("lag(x, 1) / lag(x, 2)", "where(isnull(lag(x, 9)), 1, x / (count(x) - 50))", "ret(x, 5)", "ret(x, 7)")
