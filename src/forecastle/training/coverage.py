"""Whether the rows of its tables can bear a recipe, found out before anything is queued. Reads tables, so it blocks."""

from collections.abc import Mapping

import polars as pl

from forecastle.data.dataset import Dataset
from forecastle.data.storage import TableStore
from forecastle.errors import FieldProblem
from forecastle.features.errors import TooManyMissing
from forecastle.features.frames import prepare, time_of
from forecastle.training.errors import BadRecipe
from forecastle.training.recipe import Recipe, WalkForward
from forecastle.training.splits import MIN_TRAIN_ROWS


def check_rows(recipe: Recipe, dataset: Dataset, context: Mapping[str, Dataset], tables: TableStore) -> None:
    """Prepare the times and keys of the tables as training will, and see whether enough is left.

    Args:
        recipe: fits the columns of its tables.
        dataset: its table.
        context: the tables of its context series, by name.
        tables: where they are.

    Raises:
        BadFrame: a key is in no row, the timeframe is malformed, or a context series has several rows a time.
        BadRecipe: joining loses too many rows, or too few are left for the horizon or the split.
    """
    rows = _prepared(recipe, dataset, context, tables)
    least = MIN_TRAIN_ROWS + 1
    if rows.height < least:
        field = "keys" if recipe.keys else "timeframe" if recipe.timeframe else "dataset"
        raise BadRecipe.at(field, expected=f"at least {least} rows to train and test on", found=f"{rows.height}")
    _check_horizon(recipe, rows, dataset.keys)
    if isinstance(recipe.split, WalkForward) and dataset.time is not None:
        _check_windows(recipe.split, rows.get_column(dataset.time).n_unique())


def _prepared(recipe: Recipe, dataset: Dataset, context: Mapping[str, Dataset], tables: TableStore) -> pl.DataFrame:
    time, keys = dataset.time, dataset.keys
    rows = tables.scan(dataset.sha256)
    own = [name for name in (time, *keys) if name is not None] or rows.collect_schema().names()[:1]
    try:
        return prepare(
            rows.select(own).collect(),
            time=time,
            keys=keys,
            timeframe=recipe.timeframe,
            context={name: _times(name, series, tables, str(time)) for name, series in context.items()},
            select_keys=recipe.keys,
        )
    except TooManyMissing as error:
        expected = f"series with a row for all but {error.limit:.0%} of the table's times"
        problem = FieldProblem("context", expected, f"none for {error.share:.1%} in {', '.join(error.columns)}")
        raise BadRecipe(problems=[problem]) from error


def _times(name: str, series: Dataset, tables: TableStore, time: str) -> pl.DataFrame:
    rows = tables.scan(series.sha256)
    return rows.select(time_of(name, rows.collect_schema(), time)).collect()


def _check_horizon(recipe: Recipe, rows: pl.DataFrame, keys: tuple[str, ...]) -> None:
    """The rows at the end of each series have no label."""
    horizon = recipe.target.rows_ahead
    longest = rows.select(pl.len().over(keys).max()).item() if keys else rows.height
    if horizon >= longest:
        expected = f"fewer rows than the {longest:,} of the longest series"
        raise BadRecipe.at("target.horizon", expected=expected, found=horizon)


def _check_windows(split: WalkForward, times: int) -> None:
    if split.train + split.test > times:
        expected = f"train + test of at most {times:,} distinct times"
        raise BadRecipe.at("split", expected=expected, found=f"{split.train:,} + {split.test:,}")
