"""Numbers with decimal commas and with thousands apart: read where that is safe, and never lost in silence."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastle.data.errors import BadTable
from forecastle.data.importing import ImportedTable, import_table
from forecastle.data.numerals import Sign, is_number, plain
from forecastle.data.options import ImportOptions

Import = Callable[..., ImportedTable]


@pytest.fixture
def load(tmp_path: Path) -> Import:
    """Imports content with options as keywords."""

    def load(content: str, *, file: str = "t.csv", **options: Any) -> ImportedTable:
        path = tmp_path / file
        path.write_text(content)
        return import_table(path, ImportOptions(**options), Path(tempfile.mkdtemp(dir=tmp_path)))

    return load


def values(table: ImportedTable, column: str = "a") -> list[Any]:
    found: list[Any] = pl.read_parquet(table.path)[column].to_list()
    return found


def notes(table: ImportedTable) -> dict[str, str]:
    return {column.name: column.note for column in table.columns if column.note}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1,5", "2", "-3,25", "", "1e3", "2,5E-1"], [1.5, 2.0, -3.25, None, 1000.0, 0.25]),
        (["0,123", "12,345"], [0.123, 12.345]),
        (["1.234,5", "1.234", "-1.234.567,25", "7"], [1234.5, 1234.0, -1234567.25, 7.0]),
        (["1.234.567", "12"], [1234567, 12]),
        (["1 234,5", "1 234", "12,5"], [1234.5, 1234.0, 12.5]),
        (["1\u00a0234,5", "1\u202f234,5", "+,5"], [1234.5, 1234.5, 0.5]),
        (["1,234.5", "1,234", "2.25", "-7"], [1234.5, 1234.0, 2.25, -7.0]),
        (["1,234,567", "1,234"], [1234567, 1234]),
        (["1'234.5", "2"], [1234.5, 2.0]),
        (["1,234", "0.5"], [1234.0, 0.5]),
    ],
)
@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_a_column_that_agrees_becomes_numbers_and_says_so(
    load: Import, delimiter: str, cells: list[str], expected: list[float | None]
) -> None:
    table = load(f"a{delimiter}b\n" + "".join(f"{cell}{delimiter}x\n" for cell in cells))
    assert values(table) == expected
    assert [column.kind for column in table.columns] == ["number", "category"]
    assert notes(table)["a"].startswith("numbers with ")
    assert list(notes(table)) == ["a"]


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("a;b\n1,5;1\n", "numbers with a decimal comma, such as 1,5"),
        ("a;b\n3;1\n1.234,5;1\n", "numbers with a decimal comma, such as 1.234,5"),
        ('a,b\n"1,234.5",1\n', "numbers with thousands apart, such as 1,234.5"),
        ('a,b\n"1,5",1\n', "text: values such as 1,5 are numbers if you say --decimal ,"),
        ('a,b\n"1,5",1\n"1,5 2",1\n', "text: many values look like numbers, such as 1,5, but not 1,5 2"),
        (
            "a;b\n612 345;1\n",
            "text: values such as 612 345 are numbers if you say --decimal . or --decimal ,",
        ),
    ],
)
def test_the_note_gives_an_example(load: Import, content: str, note: str) -> None:
    assert notes(load(content)) == {"a": note}


def test_whole_numbers_stay_whole(load: Import) -> None:
    table = load('a,b\n"1,234",1\n"9,007,199,254,740,993",2\n')
    assert values(table) == [1234, 9007199254740993]


def test_other_columns_settle_what_one_leaves_open(load: Import) -> None:
    assert values(load("a;b\n1,234;0,5\n")) == [1.234]
    assert values(load("a;b\n1,234;0.5\n")) == [1234]
    assert values(load('a,b\n"1,234","1,234.5"\n')) == [1234]
    assert values(load("a;b\n1.234;1.234,5\n")) == [1234.0]
    assert values(load('a,b\n"1,234",1\n')) == [1234]


def test_points_are_decimal_signs_where_nothing_speaks_for_commas(load: Import) -> None:
    table = load("a;b\n1.234;2\n12.345;3\n")
    assert values(table) == [1.234, 12.345]
    assert notes(table) == {}


@pytest.mark.parametrize(
    ("decimal", "content", "expected"),
    [
        (",", "a;b\n1,234;1\n", [1.234]),
        (".", "a;b\n1,234;1\n", [1234]),
        (",", 'a,b\n"1,5",1\n2,1\n3,1\n', [1.5, 2.0, 3.0]),
        (",", "a;b\n1.234;1\n2,5;1\n", [1234.0, 2.5]),
        (",", "a;b\n1.234;1\n", [1234.0]),
        (".", "a;b\n1.234;1\n", [1.234]),
        (",", "a;b\n612 345;1\n", [612345]),
        (",", "a;b\n2.5;1\n", [2.5]),
        (",", "a;b\n1,234.5;1\n", [1234.5]),
        (".", "a;b\n1,5;1\n", ["1,5"]),
    ],
)
def test_the_sign_can_be_said(load: Import, decimal: str, content: str, expected: list[Any]) -> None:
    table = load(content, decimal=decimal)
    assert values(table) == expected
    assert (table.columns[0].note is None) == (decimal == "." and expected == [1.234])


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        (
            "a;b\n1,5;1\n2.5;2\n",
            {},
            (
                "t.csv: line 3, column 'a': expected a number with a decimal comma, such as 1,5, found '2.5'; "
                "keep the column as text with --text a, or skip the value with --missing 2.5"
            ),
        ),
        (
            "a;b\n1,5;1\n2,5;1\nabc;2\n",
            {},
            (
                "t.csv: line 4, column 'a': expected a number like the others (1,5), found 'abc'; "
                "keep the column as text with --text a, or skip the value with --missing abc"
            ),
        ),
        (
            'a,b\n"1,234.5",1\n"2,345.5",1\nabc,2\n',
            {},
            (
                "t.csv: line 4, column 'a': expected a number like the others (1,234.5), found 'abc'; "
                "keep the column as text with --text a, or skip the value with --missing abc"
            ),
        ),
        (
            "a;b\n1,234;1\n12,345;2\n",
            {},
            (
                "t.csv: line 2, column 'a': expected some number that tells whether the comma is a decimal sign "
                "or sets thousands apart, found '1,234'; "
                "say --decimal , or --decimal ., or keep it as text with --text a"
            ),
        ),
        (
            "a;b\n2,5;1\n1.234;2\n",
            {},
            (
                "t.csv: line 3, column 'a': expected some number that tells whether the point is a decimal sign "
                "or sets thousands apart, found '1.234'; "
                "say --decimal , or --decimal ., or keep it as text with --text a"
            ),
        ),
        (
            "a;b\n2,5;1.234\n1,5;2\n",
            {},
            (
                "t.csv: line 2, column 'b': expected some number that tells whether the point is a decimal sign "
                "or sets thousands apart, as commas are decimal signs in other columns, found '1.234'; "
                "say --decimal , or --decimal ., or keep it as text with --text b"
            ),
        ),
        (
            'a,b\n1,1\n2,1\n"3,5",1\n',
            {},
            (
                "t.csv: line 4, column 'a': expected a number, found '3,5'; "
                "say --decimal , if a comma is its decimal sign, or keep the column as text with --text a, "
                "or skip the value with --missing 3,5"
            ),
        ),
        (
            "a;b\n1,5;1\n9,9e999;2\n",
            {},
            (
                "t.csv: line 3, column 'a': expected a finite number, found '9,9e999'; "
                "count it as missing with --missing 9,9e999"
            ),
        ),
        (
            "time;v\n1577836800,5;1\n",
            {"time": "time"},
            (
                "t.csv: line 2, column 'time': expected a date, found '1577836800,5'; "
                "say which column tells the time with --time COLUMN, or --time none"
            ),
        ),
    ],
)
def test_a_column_that_does_not_agree_is_refused(
    load: Import, content: str, options: dict[str, Any], expected: str
) -> None:
    with pytest.raises(BadTable) as refused:
        load(content, **options)
    assert refused.value.message == expected


def test_columns_kept_as_text_and_keys_are_left_alone(load: Import) -> None:
    content = "a;date;k\n1,5;2020-01-01;1,5\n2.5;2020-01-02;2,5\n"
    table = load(content, text=("a",), keys=("k",))
    assert (values(table), values(table, "k"), notes(table)) == (["1,5", "2.5"], ["1,5", "2,5"], {})


def test_a_row_of_such_numbers_is_no_header(load: Import) -> None:
    assert load("1,5;2,5\n3,5;4,5\n").rows == 2


def test_what_comes_blocks_later_counts(load: Import) -> None:
    plain_rows = "".join(f"{row % 1000};x{row}\n" for row in range(600_000))
    assert values(load(f"a;b\n{plain_rows}1,5;y\n"))[-1] == 1.5
    with pytest.raises(BadTable, match=r"line 2, column 'a': expected a number with a decimal comma, .* found '2\.5'"):
        load(f"a;b\n2.5;x\n{plain_rows}1,5;y\n3,5;y\n")


@pytest.mark.parametrize("decimal", ["auto", ","])
def test_json_lines_have_numbers_of_their_own(load: Import, decimal: str) -> None:
    content = '{"a": "1,5", "b": 1.234}\n{"a": "2,5", "b": 2}\n'
    if decimal == "auto":
        table = load(content, file="t.jsonl")
        assert (values(table), values(table, "b")) == (["1,5", "2,5"], [1.234, 2.0])
        assert notes(table) == {"a": "text: values such as 1,5 are numbers in delimited files only"}
    else:
        with pytest.raises(BadTable, match="expected a delimited file for --decimal"):
            load(content, file="t.jsonl", decimal=decimal)


def written(number: float, sign: Sign, apart: str) -> str:
    text = f"{number:,.3f}".replace(".", "D").replace(",", apart)
    return text.replace("D", sign)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=5),
    st.sampled_from([(",", "."), (",", ""), (",", " "), (".", ","), (".", "'"), (".", "")]),
)
def test_what_is_written_is_read(numbers: list[float], style: tuple[Sign, str]) -> None:
    texts = [written(number, *style) for number in numbers]
    assert all(map(is_number, texts))
    read = plain(pl.Series([*texts, "x", None]), style[0]).cast(pl.Float64).to_list()
    assert read == [*(float(f"{number:.3f}") for number in numbers), None, None]


@pytest.mark.parametrize(
    "text", ["1,2,3", "1.2.3", "12,34,567", "0,123,456.5", "1,", "", ",", "1 5", "1e", "--1", "1,5x"]
)
def test_reads_no_other_text_as_a_number(text: str) -> None:
    for sign in (",", "."):
        sign_: Sign = "," if sign == "," else "."
        assert plain(pl.Series([text]), sign_).to_list() == [None]
