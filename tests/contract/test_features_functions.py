"""What every function of the expression language must hold to; a new function is tested by being registered.

All functions are computed together, once for each table, and looked at one by one.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TypeAlias

import numpy as np
import polars as pl
import pytest

from forecastle.features.asof import row_at
from forecastle.features.calls import constants, series
from forecastle.features.expressions import parse
from forecastle.features.functions import CATALOGUE
from forecastle.features.functions.declare import Function
from forecastle.features.functions.runs import Runs
from forecastle.features.nodes import Call
from forecastle.features.plan import FeaturePlan, States

Compute: TypeAlias = Callable[[pl.DataFrame], pl.DataFrame]

ROWS = 340
START = datetime(2020, 11, 1, tzinfo=UTC)
NUMBERS = ("open", "high", "low", "close", "volume", "close_SPY", "close_VIX", "goals")
GROUPS = ("", " over sector", " over either(home, away)")
REMEMBERS_ALL = {  # recursions and running totals, by their definition
    "ema", "dema", "tema", "trix", "rsi", "cmo", "macd", "macd_signal", "macd_histogram", "atr", "natr", "adx",
    "plus_di", "minus_di", "ppo", "sar", "obv", "ad", "adosc", "ewm", "count", "cumulative", "streak",
}  # fmt: skip

every_function = pytest.mark.parametrize("function", CATALOGUE.values(), ids=CATALOGUE)
every_group = pytest.mark.parametrize("group", GROUPS, ids=["keys", "over", "either"])


@cache
def bars(seed: int = 7, *, rows: int = ROWS, gaps: bool = True) -> pl.DataFrame:
    """Three tickers that start and end at different times, every seven hours; two share a sector."""
    random = np.random.default_rng(seed)
    parts = []
    for index, ticker in enumerate(("AAA", "BBB", "CCC")):
        close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, rows)))
        opening = close * np.exp(random.normal(0, 0.005, rows))
        times = [START + timedelta(hours=7 * step + 14 * index) for step in range(rows)]
        columns = {
            "time": pl.Series(times, dtype=pl.Datetime("us", "UTC")),
            "ticker": [ticker] * rows,
            "sector": ["tech" if index else "food"] * rows,
            "home": random.choice(["x", "y", "z"], rows),
            "away": random.choice(["u", "v", "w", "x"], rows),
            "open": opening,
            "high": np.maximum(opening, close) * (1 + random.uniform(0, 0.01, rows)),
            "low": np.minimum(opening, close) * (1 - random.uniform(0, 0.01, rows)),
            "close": close,
            "volume": random.integers(0, 1000, rows),
            "close_SPY": 300 * np.exp(np.cumsum(random.normal(0, 0.01, rows))),
            "close_VIX": random.uniform(10, 40, rows),
            "goals": random.integers(0, 6, rows),
        }
        parts.append(_with_gaps(pl.DataFrame(columns), random) if gaps else pl.DataFrame(columns))
    return pl.concat(parts).sort("time", "ticker")


def _with_gaps(frame: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    holes = {name: pl.Series(random.random(frame.height) < 0.01) for name in NUMBERS}
    return frame.with_columns(pl.when(~hole).then(pl.col(name)).alias(name) for name, hole in holes.items())


@cache
def learned(group: str = "") -> tuple[FeaturePlan, States]:
    """All functions, with what they learned from the first half of the standard table."""
    entries = [f"{function.name} = {function.example}{group}" for function in CATALOGUE.values()]
    frame = bars()
    plan = FeaturePlan.of(entries, schema=frame.schema, time="time", keys=("ticker",))
    return plan, plan.fit(frame, np.arange(frame.height) < frame.height // 2)


def computing(group: str = "") -> Compute:
    plan, states = learned(group)
    return lambda frame: plan.compute(frame, states)


@cache
def standard(group: str = "", *, gaps: bool = True) -> pl.DataFrame:
    return computing(group)(bars(gaps=gaps))


def bits(values: pl.Series) -> bytes:
    return values.to_numpy().astype(np.float64).tobytes()


def cuts() -> list[datetime]:
    """Moments at the start, at a missing price, in the middle and near the end."""
    frame = bars()
    times: list[datetime] = frame["time"].gather([3, 701, frame.height - 4]).to_list()
    return [*times, frame.filter(pl.col("close").is_null())["time"][5]]


@cache
def retold(moment: datetime) -> pl.DataFrame:
    """The same rows up to a moment; afterwards other numbers, other entities and fewer rows."""
    other = bars(seed=8).filter(pl.col("time") > moment).with_columns(pl.col(name) * 3 for name in ("close", "volume"))
    return pl.concat([bars().filter(pl.col("time") <= moment), other.gather_every(2)])


def stories(compute: Compute) -> list[tuple[pl.DataFrame, pl.DataFrame]]:
    """What is computed up to a moment when other rows follow, and when none do; each with what it should be."""
    whole, pairs = compute(bars()), []
    for moment in cuts():
        rows = bars().filter(pl.col("time") <= moment).height
        pairs.append((compute(retold(moment)).head(rows), whole.head(rows)))
        pairs.append((compute(bars().head(rows)), whole.head(rows)))
    return pairs


@cache
def told(group: str) -> list[tuple[pl.DataFrame, pl.DataFrame]]:
    return stories(computing(group))


def sees_the_future(name: str, pairs: list[tuple[pl.DataFrame, pl.DataFrame]]) -> bool:
    return any(bits(then[name]) != bits(now[name]) for then, now in pairs)


@pytest.mark.parametrize(
    "peek",
    [
        pl.col("close").shift(-1).over("ticker"),
        pl.col("close") - pl.col("close").mean().over("ticker"),
        pl.col("close").backward_fill().over("ticker"),
        pl.col("close").rank().over("ticker"),
        pl.len().cast(pl.Float64) + 0 * pl.col("close"),
    ],
)
def test_the_check_itself_catches_a_look_ahead(peek: pl.Expr) -> None:
    assert sees_the_future("peek", stories(lambda frame: frame.select(peek=peek)))


@every_group
@every_function
def test_nothing_after_a_row_changes_it(function: Function, group: str) -> None:
    assert not sees_the_future(function.name, told(group))


@every_function
def test_is_described(function: Function) -> None:
    expression = parse(function.example)
    assert function.doc.endswith(".")
    assert str(parse(str(expression))) == str(expression)
    assert str(expression).startswith(f"{function.name}(")


@every_function
def test_says_something_on_ordinary_bars(function: Function) -> None:
    values = standard(gaps=False)[function.name]
    assert values.null_count() < len(values)
    assert values.n_unique() > 1 or function.name in {"isnull", "or"}


@every_group
@every_function
def test_is_deterministic_and_independent_of_other_features(function: Function, group: str) -> None:
    states = learned(group)[1]
    entry = f"{function.name} = {function.example}{group}"
    alone = FeaturePlan.of([entry], schema=bars().schema, time="time", keys=("ticker",)).compute(bars(), states)
    assert bits(alone[function.name]) == bits(standard(group)[function.name])


@cache
def with_another_key() -> pl.DataFrame:
    mine = pl.col("ticker") != "BBB"
    return pl.concat([bars().filter(mine), bars(seed=9).filter(~mine).gather_every(3)]).sort("time", "ticker")


@cache
def beside_another_key() -> pl.DataFrame:
    return computing()(with_another_key())


@every_function
def test_no_key_changes_another(function: Function) -> None:
    before = standard()[function.name].filter(bars()["ticker"] != "BBB")
    after = beside_another_key()[function.name].filter(with_another_key()["ticker"] != "BBB")
    assert bits(before) == bits(after)


@cache
def as_of(group: str, row: int) -> dict[str, float | str | None]:
    plan, states = learned(group)
    key, time = {"ticker": bars()["ticker"][row]}, bars()["time"][row]
    return row_at(bars(), plan, states, key=key, time=time + timedelta(minutes=5)).features


@every_group
@every_function
def test_as_of_equals_the_whole_table(function: Function, group: str) -> None:
    for row in (0, 5, 500, 1000, bars().height - 1):
        assert as_of(group, row)[function.name] == standard(group)[function.name][row]


@cache
def recent() -> pl.DataFrame:
    return computing()(bars(gaps=False).tail(-90))


@pytest.mark.parametrize("name", sorted(set(CATALOGUE) - REMEMBERS_ALL))
def test_a_longer_history_changes_nothing(name: str) -> None:
    known = recent()[name].is_not_null()
    assert known.any()
    assert bits(recent()[name].filter(known)) == bits(standard(gaps=False)[name].tail(-90).filter(known))


@pytest.mark.parametrize(
    "function", [item for item in CATALOGUE.values() if item.mode == "local"], ids=lambda f: f.name
)
def test_a_local_function_takes_as_many_values_as_it_says(function: Function) -> None:
    call = parse(function.example)
    assert isinstance(call, Call)
    local = function.kernel(*constants(call))
    random = np.random.default_rng(2)
    for extra in (0, 3):
        pieces = [Runs(random.uniform(1, 2, local.reach + extra)) for _ in series(call)]
        assert local.formula(*pieces).shape == (1 + extra,)


@cache
def holed() -> pl.DataFrame:
    hole = pl.int_range(pl.len()).is_between(30, 35)
    frame = bars(gaps=False).with_columns(pl.when(~hole).then(pl.col(name)).alias(name) for name in NUMBERS)
    return computing()(frame)


@every_function
def test_a_gap_is_missing_itself_and_heals(function: Function) -> None:
    values = holed()[function.name]
    assert values.tail(3).null_count() == 0
    if function.mode in {"window", "local"}:
        assert values[30:36].null_count() == 6


@cache
def extreme(value: float, *, alternating: bool) -> pl.DataFrame:
    frame = bars(gaps=False)
    factor = value * (-1) ** pl.int_range(pl.len()) if alternating else pl.lit(value)
    return computing()(frame.with_columns((pl.col(name) * alternating + factor).alias(name) for name in NUMBERS))


@pytest.mark.parametrize("alternating", [False, True])
@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 1e-300, 1e300])
@every_function
def test_extremes_are_missing_never_infinite(function: Function, value: float, alternating: bool) -> None:  # noqa: FBT001
    values = extreme(value, alternating=alternating)[function.name]
    assert values.drop_nulls().is_finite().all()


@every_group
@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_tables_of_hardly_any_rows(rows: int, group: str) -> None:
    assert computing(group)(bars().head(rows)).shape == (rows, len(CATALOGUE))


@pytest.mark.parametrize("function", [item for item in CATALOGUE.values() if item.fit], ids=lambda item: item.name)
def test_learns_from_the_training_rows_only(function: Function) -> None:
    plan = FeaturePlan.of([function.example], schema=bars().schema, time="time", keys=("ticker",))
    moment = cuts()[1]
    past = bars().filter(pl.col("time") <= moment)
    states = plan.fit(bars(), (bars()["time"] <= moment).to_numpy())
    assert states == plan.fit(retold(moment), (retold(moment)["time"] <= moment).to_numpy())
    assert states == plan.fit(past)
    assert states != plan.fit(bars())
