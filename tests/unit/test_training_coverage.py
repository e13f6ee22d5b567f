"""What the rows of its tables cannot bear is refused before a recipe becomes a job."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from forecastle.data.dataset import Column, Dataset
from forecastle.data.storage import TableStore
from forecastle.errors import BadInput
from forecastle.training.coverage import check_rows
from forecastle.training.errors import BadRecipe
from forecastle.training.recipe import Recipe

START = datetime(2024, 1, 1, tzinfo=UTC)
HOURS = 48
RECIPE: dict[str, Any] = {
    "name": "bars",
    "dataset": "bars",
    "features": ["close"],
    "algorithm": "ridge",
    "target": {"column": "close", "horizon": 1},
}
FROM_TO = "2024-01-01 to 2024-01-02T23:00:00Z"

Keep = Callable[..., Dataset]


@pytest.fixture
def tables(tmp_path: Path) -> TableStore:
    return TableStore(tmp_path)


@pytest.fixture
def keep(tables: TableStore) -> Keep:
    def keep(name: str, frame: pl.DataFrame, *keys: str, time: str | None = "time") -> Dataset:
        frame.write_parquet(tables.path(name))
        columns = tuple(Column(column, "number") for column in frame.columns)
        return Dataset(name, name, name, frame.height, columns, time, keys, START)

    return keep


def hourly(hours: int, **columns: pl.Expr) -> pl.DataFrame:
    times = pl.Series([START + timedelta(hours=hour) for hour in range(hours)], dtype=pl.Datetime("us", "UTC"))
    return pl.DataFrame({"time": times}).with_columns(close=pl.int_range(pl.len()), **columns)


@pytest.fixture
def bars(keep: Keep) -> Dataset:
    """Two days of hourly bars of AAA, of which BBB has the first ten hours."""
    both = pl.concat([hourly(HOURS, len=pl.lit("AAA")), hourly(10, len=pl.lit("BBB"))])
    return keep("bars", both.sort("time", "len"), "len")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"timeframe": "4h"},
        {"keys": ["aaa"]},
        {"context": ["index"]},
        {"split": {"kind": "walk_forward", "train": 40, "test": 8}},
        {"split": {"kind": "calendar", "train": "1d", "test": "1d"}},
        {"split": {"kind": "calendar", "train": "expanding", "test": "12h"}},
        {"split": {"kind": "purged_kfold", "folds": HOURS}},
        {"split": {"kind": "chronological", "test": 0.82}},
        {"target": {"column": "close", "horizon": HOURS - 1}},
        {"keys": ["AAA"], "timeframe": "2h", "split": {"kind": "walk_forward", "train": 20, "test": 3}},
    ],
)
def test_what_the_rows_can_bear_passes(tables: TableStore, keep: Keep, bars: Dataset, change: dict[str, Any]) -> None:
    check_rows(Recipe.parse(RECIPE | change), {"bars": bars, "index": keep("index", hourly(HOURS))}, tables)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"timeframe": "3 parsecs"},
            "timeframe: expected a number and m, h, d or w, such as 5m, 1h or 1d, found 3 parsecs",
        ),
        ({"timeframe": "1d"}, "timeframe: expected at least 11 rows to train and test on, found 2"),
        ({"keys": ["AAA", "AAB"]}, "keys: expected values of len such as AAA, found AAB"),
        ({"keys": ["BBB"]}, "keys: expected at least 11 rows to train and test on, found 10"),
        (
            {"split": {"kind": "walk_forward", "train": 40, "test": 9}},
            "split: expected train + test of at most 48 distinct times, found 40 + 9",
        ),
        (
            {"timeframe": "2h", "split": {"kind": "walk_forward", "train": 1_000, "test": 4}},
            "split: expected train + test of at most 23 distinct times, found 1,000 + 4",
        ),
        (
            {"split": {"kind": "calendar", "train": "9w", "test": "1d"}},
            f"split.train: expected rows over more than 9w to train and 1d to test, found {FROM_TO}",
        ),
        (
            {"split": {"kind": "purged_kfold", "folds": HOURS + 1}},
            "split.folds: expected at most 48 distinct times, found 49",
        ),
        (
            {"split": {"kind": "chronological", "test": 0.84}},
            "split.test: expected a share that leaves 10 of 58 rows to train on, found 0.84",
        ),
        (
            {"target": {"column": "close", "horizon": HOURS}},
            "target.horizon: expected fewer rows than the 48 of the longest series, found 48",
        ),
    ],
)
def test_what_they_cannot_is_refused_by_the_name_of_its_field(
    tables: TableStore, bars: Dataset, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput) as caught:
        check_rows(Recipe.parse(RECIPE | change), {"bars": bars}, tables)
    assert caught.value.message == message
    assert len(caught.value.problems) == 1


def test_a_context_needs_one_row_a_time_and_nearly_all_times(tables: TableStore, keep: Keep, bars: Dataset) -> None:
    recipe = Recipe.parse(RECIPE | {"context": ["index"]})
    for frame, message in (
        (pl.concat([hourly(HOURS), hourly(1)]), "context.index: expected one row a time, found several at 2024-01-01"),
        (
            hourly(HOURS - 8),
            "context: expected series with a row for all but 5% of the table's times, found none for 13.8% in index",
        ),
    ):
        with pytest.raises(BadInput) as caught:
            check_rows(recipe, {"bars": bars, "index": keep("index", frame)}, tables)
        assert caught.value.message.startswith(message)


def test_a_table_without_time_needs_rows_only(tables: TableStore, keep: Keep) -> None:
    recipe = Recipe.parse(RECIPE | {"target": "close"})
    check_rows(recipe, {"bars": keep("homes", pl.DataFrame({"close": range(11)}), time=None)}, tables)
    with pytest.raises(BadInput, match="dataset: expected at least 11 rows to train and test on, found 10"):
        check_rows(recipe, {"bars": keep("fewer", pl.DataFrame({"close": range(10)}), time=None)}, tables)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"kind": "kfold", "folds": 13}, "split.folds: expected at most 12 rows, found 13"),
        ({"kind": "stratified_kfold", "folds": 13}, "split.folds: expected at most 12 rows, found 13"),
        (
            {"kind": "random", "test": 0.25},
            "split.test: expected a share that leaves 10 of 12 rows to train on, found 0.25",
        ),
        ({"kind": "random", "test": 0.05}, "split.test: expected a share that is at least one of 12 rows, found 0.05"),
        ({"kind": "kfold", "folds": 12}, None),
        ({"kind": "random", "test": 0.1}, None),
    ],
)
def test_a_table_without_time_bears_splits_by_its_rows(
    tables: TableStore, keep: Keep, split: dict[str, Any], message: str | None
) -> None:
    recipe = Recipe.parse(RECIPE | {"target": "close", "split": split})
    homes = {"bars": keep("homes", pl.DataFrame({"close": range(12)}), time=None)}
    if message is None:
        check_rows(recipe, homes, tables)
        return
    with pytest.raises(BadRecipe) as caught:
        check_rows(recipe, homes, tables)
    assert caught.value.message == message
