"""The documentation of features: its examples run, and it lists every function as it is."""

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from forecastle.features import catalogue
from forecastle.features.plan import FeaturePlan

DOCUMENT = (Path(__file__).parents[2] / "docs" / "features.md").read_text()
START = datetime(2023, 1, 2, tzinfo=UTC)
ROWS = 400


def examples() -> list[tuple[str, str]]:
    """Table and entry of each line of each block."""
    return [
        (table, line.partition(" #")[0].strip())
        for table, block in re.findall(r"```expr (\w+)\n(.*?)```", DOCUMENT, re.DOTALL)
        for line in block.splitlines()
    ]


@cache
def table(name: str) -> tuple[pl.DataFrame, str | None, tuple[str, ...], tuple[str, ...]]:
    """A table of the examples with its time column, keys and hidden columns."""
    random = np.random.default_rng(5)
    times = pl.Series([START + timedelta(days=day) for day in range(ROWS)], dtype=pl.Datetime("us", "UTC"))
    if name == "wine":
        columns = {column: random.uniform(1, 2, ROWS) for column in ("alcohol", "sulphates", "Fixed Acidity")}
        return (
            pl.DataFrame({**columns, "volatile_acidity": random.uniform(1, 2, ROWS), "bottled_on": times}),
            None,
            (),
            (),
        )
    if name == "matches":
        teams = [random.permutation(["ars", "che", "liv", "mun"])[:2] for _ in range(ROWS)]
        frame = pl.DataFrame({
            "date": times, "home": [a for a, _ in teams], "away": [b for _, b in teams], "season": ["23"] * ROWS,
            "ft_home": random.integers(0, 5, ROWS), "ft_away": random.integers(0, 5, ROWS),
        })  # fmt: skip
        return frame, "date", ("home", "away"), ("ft_home", "ft_away")
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, ROWS)))
    frame = pl.DataFrame({
        "date": times, "ticker": ["A", "B"] * (ROWS // 2), "sector": ["tech"] * ROWS, "weekday": np.arange(ROWS) % 5,
        "open": close, "high": close * 1.01, "low": close * 0.98, "close": close, "Adj Close": close / 2,
        "volume": random.integers(1, 9, ROWS), "close_SPY": close[::-1], "close_VIX": random.uniform(10, 20, ROWS),
    })  # fmt: skip
    return frame, "date", ("ticker",), ()


@pytest.mark.parametrize(("name", "entry"), examples())
def test_the_examples_run(name: str, entry: str) -> None:
    frame, time, keys, hidden = table(name)
    plan = FeaturePlan.of([entry], schema=frame.schema, time=time, keys=keys, hidden=hidden)
    values = plan.compute(frame, plan.fit(frame)).to_series()
    assert values.null_count() < frame.height


def test_there_are_examples_of_every_kind_of_table() -> None:
    assert {name for name, _ in examples()} == {"prices", "matches", "wine"}


def test_two_spellings_in_the_documentation_are_one_feature() -> None:
    frame, time, keys, _ = table("prices")
    plan = FeaturePlan.of(
        ["a = sma(close, 20)", "b = sma(x=close, window=20)"], schema=frame.schema, time=time, keys=keys
    )
    assert plan.columns[0].expression == plan.columns[1].expression


@pytest.mark.parametrize("function", catalogue(), ids=lambda function: function.name)
def test_every_function_is_listed_as_it_is(function: object) -> None:
    row = f"| `{function.signature}` | {function.doc} |"  # type: ignore[attr-defined]
    assert row.replace("|return|", "\\|return\\|") in DOCUMENT


def test_no_function_is_listed_that_is_not_there() -> None:
    listed = set(re.findall(r"^\| `(\w+)\(", DOCUMENT, re.MULTILINE))
    assert listed == {function.name for function in catalogue()}
