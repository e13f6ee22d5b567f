"""Rows in order and one for each time and key, however little memory there is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastle.data import ordering
from forecastle.data.ordering import ROW, deduplicated, ordered

START = datetime(2020, 1, 1, tzinfo=UTC)
ROWS = st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc")), min_size=1, max_size=60)
Rows = list[tuple[int, str]]


class Twice(Exception):
    """Rows of the same time and key."""


def frames(rows: Rows, size: int) -> Iterator[pl.DataFrame]:
    table = pl.DataFrame(
        {
            "t": [START + timedelta(days=day) for day, _ in rows],
            "k": [key for _, key in rows],
            ROW: list(range(len(rows))),
        },
        schema={"t": pl.Datetime("us", "UTC"), "k": pl.String, ROW: pl.Int64},
    )
    yield from table.iter_slices(size)


def triples(found: Iterator[pl.DataFrame]) -> list[tuple[int, str, int]]:
    return [((t - START).days, k, row) for frame in found for t, k, row in frame.select("t", "k", ROW).rows()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ordering")


@pytest.fixture(params=[64, ordering.BUCKET_BYTES], ids=["tiny buckets", "one bucket"])
def bucket_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "BUCKET_BYTES", request.param)


@pytest.mark.usefixtures("bucket_bytes")
@pytest.mark.parametrize("size", [1, 7, 100])
@pytest.mark.parametrize("kind", ["ascending", "descending", "by key", "shuffled", "all at once"])
def test_rows_are_ordered_by_time_key_and_place(folder: Path, kind: str, size: int) -> None:
    rows: Rows = {
        "ascending": [(day, key) for day in range(20) for key in "ab"],
        "descending": [(day, key) for day in reversed(range(20)) for key in "ba"],
        "by key": [(day, key) for key in "ab" for day in range(20)],
        "shuffled": [(day * 7 % 20, "ab"[day % 2]) for day in range(40)],
        "all at once": [(5, "abc"[day % 3]) for day in range(40)],
    }[kind]
    expected = sorted((day, key, row) for row, (day, key) in enumerate(rows))
    assert triples(ordered(frames(rows, size), ["t", "k"], folder)) == expected


@settings(max_examples=50, deadline=None)
@given(rows=ROWS, size=st.integers(1, 9))
def test_any_rows_are_ordered(folder: Path, rows: Rows, size: int) -> None:
    expected = sorted((day, key, row) for row, (day, key) in enumerate(rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ordering, "BUCKET_BYTES", 200)
        assert triples(ordered(frames(rows, size), ["t", "k"], folder)) == expected


@settings(max_examples=50, deadline=None)
@given(rows=ROWS, size=st.integers(1, 9), keep=st.sampled_from(["first", "last"]))
def test_one_row_of_a_group_stays(rows: Rows, size: int, keep: Literal["first", "last"]) -> None:
    expected: dict[tuple[int, str], int] = {}
    for i, (day, key) in enumerate(rows):
        if keep == "last" or (day, key) not in expected:
            expected[day, key] = i
    in_order = pl.concat(frames(rows, len(rows))).sort("t", "k", ROW).with_columns(kept=pl.col(ROW))
    found = pl.concat(deduplicated(in_order.iter_slices(size), ["t", "k"], keep, lambda _: Twice()))
    assert found["kept"].to_list() == [row for _, row in sorted(expected.items())]


@settings(max_examples=50, deadline=None)
@given(rows=ROWS, size=st.integers(1, 9))
def test_a_group_of_two_is_refused_with_its_rows(rows: Rows, size: int) -> None:
    in_order = pl.concat(frames(rows, len(rows))).sort("t", "k", ROW)
    seen: list[pl.DataFrame] = []

    def refuse(twice: pl.DataFrame) -> Exception:
        seen.append(twice)
        return Twice()

    run = deduplicated(in_order.iter_slices(size), ["t", "k"], "error", refuse)
    if len(set(rows)) == len(rows):
        assert sum(frame.height for frame in run) == len(rows)
    else:
        with pytest.raises(Twice):
            list(run)
        assert seen[0].height >= 2
        assert seen[0].head(2).select("t", "k").n_unique() == 1
