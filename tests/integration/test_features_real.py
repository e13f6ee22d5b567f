"""Features of real tables as of real moments equal those of the whole table."""

from pathlib import Path

import polars as pl
import pytest

from forecastle.features.asof import row_at
from forecastle.features.frames import prepare
from forecastle.features.functions import CATALOGUE
from forecastle.features.plan import FeaturePlan

pytestmark = pytest.mark.real_data

FORM = [
    "before(mean(either(ft_home, ft_away), 5)) over either(home, away)",
    "before(mean(either(ft_away, ft_home), 5)) over either(away, home)",
    "before(mean(ft_home - ft_away, 380, 20)) over season",
    "month()",
]
RESULTS = ("ht_home", "ht_away", "ft_home", "ft_away")


def dated(path: Path, column: str) -> pl.DataFrame:
    frame = pl.read_csv(path, try_parse_dates=True)
    return frame.with_columns(pl.col(column).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))


def test_football_form_before_every_hundredth_match(real_data: Path) -> None:
    frame = dated(real_data / "football" / "epl-matches-2010-2023.csv", "date").sort("date", "home", "away")
    plan = FeaturePlan.of(FORM, schema=frame.schema, time="date", keys=("home", "away"), hidden=RESULTS)
    whole = plan.compute(frame, {})
    assert whole.null_count().sum_horizontal()[0] < 0.2 * frame.height
    for row in range(0, frame.height, 100):
        key = frame.select("home", "away").row(row, named=True)
        at = row_at(frame, plan, {}, key=key, time=frame["date"][row], event=True)
        assert at.features == whole.row(row, named=True)


@pytest.mark.parametrize("timeframe", [None, "1w"])
def test_every_function_on_five_tickers(real_data: Path, timeframe: str | None) -> None:
    frame = dated(real_data / "market" / "tickers-daily-2015-2017.csv", "Date").sort("Date", "Stock")
    index = dated(real_data / "market" / "SP500-daily-2000-2020.csv", "date")
    context = {name: index.select("date", "close") for name in ("SPY", "VIX")}
    frame = prepare(frame, time="Date", keys=("Stock",), timeframe=timeframe, context=context)
    entries = [function.example for function in CATALOGUE.values() if "goals" not in function.example]
    plan = FeaturePlan.of(entries, schema=frame.schema, time="Date", keys=("Stock",), context=tuple(context))
    states = plan.fit(frame)
    whole = plan.compute(frame, states)
    for row in range(7, frame.height, frame.height // 5):
        at = row_at(frame, plan, states, key={"Stock": frame["Stock"][row]}, time=frame["Date"][row]).features
        assert at == whole.row(row, named=True)
