"""The table of a model's windows."""

from collections.abc import Callable

import msgspec

from forecastle.registry.folds import fold_table
from forecastle.registry.manifest import Fold, Manifest

FOLD = Fold(
    train_rows=1_000,
    test_rows=20,
    dropped_rows=0,
    train_start="2019-01-01T00:00:00+00:00",
    train_end="2019-12-31T00:00:00+00:00",
    test_start="2020-01-01T09:30:00+00:00",
    test_end="2020-02-01T00:00:00+00:00",
    metrics={"rmse": 1.234567, "mae": 1.0},
    baselines={},
)


def test_a_window_shows_bounds_rows_and_its_headline_measure(make_manifest: Callable[..., Manifest]) -> None:
    table = fold_table(make_manifest(folds=(FOLD,)))
    assert table.columns == ("window", "trained from", "to", "rows", "tested from", "to", "rows", "rmse")
    days = ("2019-01-01", "2019-12-31", "1,000", "2020-01-01 09:30:00", "2020-02-01", "20")
    assert table.rows == (("1", *days, "1.2346"),)


def test_what_was_left_out_is_shown_where_something_was(make_manifest: Callable[..., Manifest]) -> None:
    purged = msgspec.structs.replace(FOLD, dropped_rows=5, warm_up_rows=1_200)
    table = fold_table(make_manifest(folds=(FOLD, purged)))
    assert table.columns[7:] == ("purged", "warm-up", "rmse")
    assert [row[7:9] for row in table.rows] == [("0", "0"), ("5", "1,200")]
    table = fold_table(make_manifest(folds=(msgspec.structs.replace(FOLD, embargoed_rows=3, outside_rows=4),)))
    assert table.columns[7:9] == ("embargoed", "outside")


def test_without_time_the_bounds_are_row_numbers(make_manifest: Callable[..., Manifest]) -> None:
    plain = msgspec.structs.replace(FOLD, train_start="0", train_end="99", test_start="7", test_end="50", metrics={})
    (row,) = fold_table(make_manifest(folds=(plain,))).rows
    assert row == ("1", "0", "99", "1,000", "7", "50", "20", "-")
