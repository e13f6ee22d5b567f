"""Records, their lines and their quotes."""

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastle.data.quotes import QuoteCensus, broken_quote
from forecastle.data.records import read_records

FIELDS = st.lists(st.text('ab";,\n\r ', max_size=6), min_size=2, max_size=4)


def written(rows: Sequence[Sequence[str]], delimiter: str, quoting: int) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return file.getvalue()


@settings(max_examples=300, deadline=None)
@given(
    st.lists(FIELDS, min_size=1, max_size=5), st.sampled_from(",;"), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
)
def test_no_quote_that_was_written_well_is_broken(rows: list[list[str]], delimiter: str, quoting: int) -> None:
    text = written(rows, delimiter, quoting)
    found = list(read_records(io.StringIO(text, newline=""), delimiter, "t", strict=True))
    quoted = quoting == csv.QUOTE_ALL
    assert [fields for _, fields in found] == [
        [field if quoted or {*field} & {*'\r\n"', delimiter} else field.lstrip(" ") for field in row] for row in rows
    ]
    lines = text.splitlines(keepends=True)
    assert [line for line, _ in found] == sorted({line for line, _ in found})
    assert all(0 < line <= len(lines) for line, _ in found)


@pytest.mark.parametrize(
    ("record", "broken"),
    [
        ('1,"a"', None),
        ('1,"a ""b"" c",2', None),
        ('1,5" pipe,2', None),
        ('"a\nb","c"\n', None),
        ('1,"a', (2, None)),
        ('1, "a""', (3, None)),
        ('1,"a\n2,"b"\n', (2, 7)),
        ('"a"b', (0, 2)),
    ],
)
def test_finds_the_first_broken_quote(record: str, broken: tuple[int, int | None] | None) -> None:
    assert broken_quote(record, ",") == broken


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("text", "odd_uneven"),
    [
        ('1,"a"\n"b",2\n', (False, False)),
        ('1,"a, b"\r\n2,"c"', (False, False)),
        ('1,5" pipe\n', (True, False)),
        ('1,"a\n2,b\n', (True, True)),
        ('1,"a\n2,"b\n', (False, True)),
    ],
)
def test_a_census_sees_what_does_not_add_up_however_the_bytes_are_cut(
    text: str, size: int, odd_uneven: tuple[bool, bool]
) -> None:
    census = QuoteCensus(",")
    for start in range(0, len(text), size):
        census.add(text[start : start + size].encode())
    assert (census.odd, census.uneven) == odd_uneven
