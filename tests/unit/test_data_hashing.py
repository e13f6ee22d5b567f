"""A table's hash is that of what it says, and a file's round trip says what was written."""

import csv
import io
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastle.data.dates import INSTANT
from forecastle.data.hashing import ContentHash
from forecastle.data.importing import import_table
from forecastle.data.options import ImportOptions

SCHEMA = pl.Schema({"t": INSTANT, "i": pl.Int64(), "f": pl.Float64(), "b": pl.Boolean(), "s": pl.String()})
MOMENTS = st.datetimes(min_value=datetime(1950, 1, 1), max_value=datetime(2050, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is given beside
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=12)
ROWS = st.lists(
    st.tuples(MOMENTS, st.none() | INTEGERS, st.none() | FLOATS, st.none() | st.booleans(), st.none() | WORDS),
    min_size=1,
    max_size=20,
)


def table(rows: list[Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def digest(*frames: pl.DataFrame, time: str | None = None, keys: tuple[str, ...] = ()) -> str:
    content = ContentHash(frames[0].schema, time=time, keys=keys)
    for frame in frames:
        content.update(frame)
    return content.hexdigest()


@settings(max_examples=30, deadline=None)
@given(rows=ROWS, cut=st.integers(0, 20))
def test_the_hash_does_not_see_how_rows_are_cut(rows: list[Any], cut: int) -> None:
    whole = table(rows)
    assert digest(whole.head(cut), whole.slice(cut)) == digest(whole)
    assert digest(pl.concat([whole.head(cut), whole.slice(cut)], rechunk=False)) == digest(whole)


@settings(max_examples=30, deadline=None)
@given(ROWS, st.data())
def test_the_hash_sees_every_value(rows: list[Any], data: st.DataObject) -> None:
    changed = list(rows)
    place = data.draw(st.integers(0, len(rows) - 1))
    changed[place] = data.draw(ROWS.map(lambda other: other[0]))
    same = table(changed).equals(table(rows))
    assert (digest(table(changed)) == digest(table(rows))) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"a": ["x", "yz"]}, {"a": ["xy", "z"]}, id="where texts end"),
        pytest.param({"a": ["", "x"]}, {"a": [None, "x"]}, id="empty and missing texts"),
        pytest.param({"a": [0, 1]}, {"a": [None, 1]}, id="zero and missing"),
        pytest.param({"a": [0, 1]}, {"a": [0.0, 1.0]}, id="types"),
        pytest.param({"a": [1], "b": [2]}, {"b": [2], "a": [1]}, id="order of columns"),
        pytest.param({"a": [1]}, {"b": [1]}, id="names"),
        pytest.param({"a": [1, 2]}, {"a": [2, 1]}, id="order of rows"),
        pytest.param({"a": [False]}, {"a": [None]}, id="false and missing"),
    ],
)
def test_the_hash_tells_apart(one: dict[str, Any], other: dict[str, Any]) -> None:
    retyped = {"a": pl.Series(other["a"], dtype=pl.Boolean)} if other.get("a") == [None] else other
    assert digest(pl.DataFrame(one)) != digest(pl.DataFrame(retyped))


def test_the_hash_sees_time_and_keys() -> None:
    frame = table([(datetime(2020, 1, 1, tzinfo=UTC), 1, 1.0, True, "x")])
    hashes = {digest(frame), digest(frame, time="t"), digest(frame, time="t", keys=("s",))}
    assert len(hashes) == 3


def test_zero_has_no_sign() -> None:
    assert digest(pl.DataFrame({"a": [0.0]})) == digest(pl.DataFrame({"a": [-0.0]}))


def test_the_hash_is_the_same_for_ever() -> None:
    frame = table(
        [
            (datetime(2020, 1, 2, 3, 4, 5, 6, tzinfo=UTC), 1, 0.5, True, "größe"),
            (datetime(1969, 12, 31, tzinfo=UTC), None, None, None, None),
        ]
    )
    assert digest(frame, time="t", keys=("s",)) == "247ac3423622c4eec0f14c1034ef0682f886ad751cc94bf6073126359da54268"


@settings(max_examples=30, deadline=None)
@given(rows=ROWS, delimiter=st.sampled_from([",", ";", "\t", "|"]))
def test_what_is_written_as_csv_is_what_is_imported(rows: list[Any], delimiter: str) -> None:
    rows = [(*row[:4], f"w{row[4]}w" if row[4] is not None else None) for row in rows]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(SCHEMA.names())
    writer.writerows([t.isoformat(), i, None if f is None else repr(f), b, s] for t, i, f, b, s in rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_text(text.getvalue(), encoding="utf-8", newline="")
        imported = import_table(path, ImportOptions(time="none", delimiter=delimiter, header=True), Path(folder))
        read = pl.read_parquet(imported.path)
    for name, dtype in SCHEMA.items():
        expected = table(rows)[name]
        if expected.null_count() < len(expected):
            found = read[name].cast(dtype)
            assert found.to_list() == expected.to_list()
        assert read[name].null_count() == expected.null_count()
