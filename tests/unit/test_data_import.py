"""Tables as they are found in the world, each quirk on its own."""

import csv
import io
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from forecastle.data.errors import BadTable
from forecastle.data.importing import ImportedTable, import_table
from forecastle.data.options import ImportOptions

Import = Callable[..., ImportedTable]


@pytest.fixture
def load(tmp_path: Path) -> Import:
    """Imports content given as text or bytes, with options as keywords."""

    def load(content: str | bytes, *, file: str = "table.csv", **options: Any) -> ImportedTable:
        path = tmp_path / file
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return import_table(path, ImportOptions(**options), Path(tempfile.mkdtemp(dir=tmp_path)))

    return load


def frame(table: ImportedTable) -> pl.DataFrame:
    return pl.read_parquet(table.path)


def kinds(table: ImportedTable) -> dict[str, str]:
    return {column.name: column.kind for column in table.columns}


def day(number: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2020, 1, number, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_finds_the_delimiter(load: Import, delimiter: str) -> None:
    table = load("a,b,c\n1,x y,2.5\n2,z,3\n".replace(",", delimiter))
    assert frame(table).rows() == [(1, "x y", 2.5), (2, "z", 3.0)]


def test_any_delimiter_can_be_given(load: Import) -> None:
    assert frame(load("a~b\n1~2\n", delimiter="~")).rows() == [(1, 2)]


def test_a_delimiter_inside_quotes_does_not_count(load: Import) -> None:
    table = load('name,"a|b"\n"x, y","1|2"\n"he said ""no""","3|4"\n')
    assert frame(table).rows() == [("x, y", "1|2"), ('he said "no"', "3|4")]


def test_a_quoted_value_may_span_lines(load: Import) -> None:
    assert frame(load('a,b\n1,"x\ny"\n2,z\n'))["b"].to_list() == ["x\ny", "z"]


@pytest.mark.parametrize(
    "cell", ['5" pipe', 'pipe of 5"', '"a ""b"" c"', '""', '"{""a"":1,""b"":"",""}"', '","', '"\n"', '"""x"""', "'"]
)
def test_quotes_that_stand_for_themselves_break_nothing(load: Import, cell: str) -> None:
    (expected,) = csv.reader(io.StringIO(cell, newline=""))
    table = load(f"v,a,w\n1,{cell},x\n2,y,{cell}\n{cell},z,3\n", missing=("none",), text=("a", "v", "w"))
    assert [value or "" for value in frame(table)["a"].to_list()] == [expected[0].strip(), "y", "z"]


def test_what_is_no_text_shows_wherever_it_is_read_first(load: Import) -> None:
    with pytest.raises(BadTable, match=r"line 2: expected UTF-16-LE text, found byte 0x0a at offset 6"):
        load("a\n1".encode("utf-16-le") + b"\n", encoding="utf-16-le")


def test_a_row_may_be_longer_than_the_sample(load: Import) -> None:
    row = ",".join(["x" * 100_000] * 3)
    assert frame(load(f"a,b,c\n{row}\n1,2,3\n")).rows()[0] == tuple(row.split(","))


def test_spaces_around_values_are_no_part_of_them(load: Import) -> None:
    table = load("39, State-gov, <=50K\n50, Private , >50K\n")
    assert frame(table).rows() == [(39, "State-gov", "<=50K"), (50, "Private", ">50K")]


def test_quotes_may_follow_spaces(load: Import) -> None:
    table = load('a, b\n1, "x, y"\n2, "z"\n')
    assert frame(table).rows() == [(1, "x, y"), (2, "z")]


def test_windows_line_ends_and_no_final_one(load: Import) -> None:
    assert frame(load("a,b\r\n1,2\r\n3,4")).rows() == [(1, 2), (3, 4)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_reads_unicode_encodings(load: Import, encoding: str) -> None:
    table = load("größe,v\ncafé,1\n☕,2\n".encode(encoding))
    assert frame(table).rows(named=True) == [{"größe": "café", "v": 1}, {"größe": "☕", "v": 2}]


def test_reads_utf_16_of_the_other_byte_order(load: Import) -> None:
    assert frame(load(b"\xfe\xff" + "a,b\n1,é\n".encode("utf-16-be"))).rows() == [(1, "é")]


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("cp1252", "cp1252"),
        ("Latin-1", "latin-1"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16", "utf-16-le"),
        ("utf-8", "utf-8-sig"),
        ("utf-16-le", "utf-16"),
        ("cp500", "cp500"),
    ],
)
@pytest.mark.parametrize("file", ["table.csv", "table.jsonl"])
def test_the_encoding_can_be_given(load: Import, encoding: str, written: str, file: str) -> None:
    content = {"table.csv": 'größe,v\n"café",1\nx,2\n', "table.jsonl": '{"größe":"café","v":1}\n{"größe":"x","v":2}\n'}
    table = load(content[file].encode(written), file=file, encoding=encoding)
    assert frame(table).rows(named=True) == [{"größe": "café", "v": 1}, {"größe": "x", "v": 2}]


@pytest.mark.parametrize("encoding", ["shift_jis", "gb18030", "euc_kr", "iso2022_jp"])
def test_characters_of_several_bytes_may_be_cut_by_a_block(load: Import, encoding: str) -> None:
    text = "字" * 1000
    table = load(f"v\n{(text + chr(10)) * 3000}".encode(encoding), encoding=encoding, header=True)
    assert (table.rows, table.columns[0].distinct) == (3000, 1)


@pytest.mark.parametrize(
    "content", ["1,2\n3,4\n", "M,0.5\nF,0.6\n", "2020-01-01,x\n2020-01-02,y\n", "x,true\ny,false\n"]
)
def test_a_table_without_header_gets_numbered_columns(load: Import, content: str) -> None:
    assert [column.name for column in load(content, time="none").columns] == ["column_1", "column_2"]


def test_a_table_of_words_has_a_header_unless_its_words_come_again(load: Import) -> None:
    assert load("colour,size\nred,big\nblue,small\n").rows == 2
    assert load("red,big\nblue,small\nred,small\n").rows == 3


@pytest.mark.parametrize("name", ["True", "false", "TRUE"])
def test_a_column_may_be_named_like_a_boolean(load: Import, name: str) -> None:
    table = load(f"date,{name},close\n2020-01-01,1.5,2\n2020-01-02,2.5,3\n")
    assert [column.name for column in table.columns] == ["date", name, "close"]
    assert table.rows == 2
    assert load("true,1\nfalse,2\n", time="none").rows == 2  # a row, not a header


def test_the_header_can_be_given(load: Import) -> None:
    assert load("2019,2020\n1,2\n", header=True, time="none").rows == 1
    assert load("colour,size\nred,big\n", header=False).rows == 2


def test_given_names_replace_the_header(load: Import) -> None:
    assert frame(load("a,b\n1,2\n", columns=("x", "y"))).rows(named=True) == [{"x": 1, "y": 2}]


def test_given_names_replace_a_header_of_another_width(load: Import) -> None:
    table = load("Date,Open\n2020-01-01,09:01:00,5\n2020-01-01,09:02:00,6\n", columns=("Date", "Time", "Open"))
    assert frame(table).rows() == [(day(1, 9, 1), 5), (day(1, 9, 2), 6)]


def test_given_names_stand_before_a_first_row(load: Import) -> None:
    assert load("1,2\n3,4\n", columns=("x", "y")).rows == 2


def test_kinds_follow_from_all_values(load: Import) -> None:
    table = load("i,f,b,c,t,n\n1,1,true,x,2020-01-01,\n,2.5,FALSE,y1,2020-01-02,\n", time="none")
    assert kinds(table) == {
        "i": "number",
        "f": "number",
        "b": "boolean",
        "c": "category",
        "t": "time",
        "n": "number",
    }
    assert frame(table).rows() == [(1, 1.0, True, "x", day(1), None), (None, 2.5, False, "y1", day(2), None)]


def test_counts_missing_values_and_categories(load: Import) -> None:
    table = load("v,c\n1,x\n,y\n?,x\nNA,\nn/a,null\nNaN,None\n-,?\n")
    assert [(column.missing, column.distinct) for column in table.columns] == [(6, None), (4, 2)]


def test_more_texts_can_mean_missing(load: Import) -> None:
    assert frame(load("v\n1\n-999\nunknown\n", missing=("-999", "unknown")))["v"].to_list() == [1, None, None]


def test_a_column_can_be_kept_as_text(load: Import) -> None:
    assert frame(load("zip,v\n00501,1\n10001,2\n", text=("ZIP",)))["zip"].to_list() == ["00501", "10001"]


def test_a_few_numbers_among_words_are_words(load: Import) -> None:
    assert kinds(load("grade\nA\n7\nB\nC\n")) == {"grade": "category"}


def test_an_integer_beyond_64_bits_makes_a_column_of_floats(load: Import) -> None:
    assert frame(load("v\n1\n12345678901234567890\n"))["v"].to_list() == [1.0, 12345678901234567890.0]


# Time


@pytest.mark.parametrize("name", ["Date", "date", "timestamp", "when", ""])
def test_the_only_column_of_dates_is_the_time(load: Import, name: str) -> None:
    table = load(f"{name},v\n2020-01-01,1\n2020-01-02,2\n")
    assert table.time == (name or "time")
    assert (table.first_time, table.last_time) == (day(1), day(2))


def test_of_several_columns_of_dates_the_one_called_so_is_the_time(load: Import) -> None:
    assert load("born,date,v\n2000-01-01,2020-01-01,1\n").time == "date"


def test_a_column_of_dates_with_gaps_is_not_taken_for_the_time(load: Import) -> None:
    assert load("born,v\n2000-01-01,1\n,2\n").time is None


def test_a_table_can_be_said_to_have_no_time(load: Import) -> None:
    table = load("date,v\n2020-01-02,1\n2020-01-01,2\n", time="none")
    assert table.time is None
    assert frame(table)["v"].to_list() == [1, 2]


def test_a_time_of_day_beside_the_date_joins_it(load: Import) -> None:
    content = "Date,Time,v\n2020-01-01,09:05,1\n2020-01-01,09:10,2\n"
    found, given = load(content), load(content, time="Date+Time")
    assert found.time == given.time == "time"
    assert frame(found).rows() == [(day(1, 9, 5), 1), (day(1, 9, 10), 2)]
    assert found.sha256 == given.sha256


def test_a_missing_time_of_day_is_midnight(load: Import) -> None:
    assert frame(load("date,time,v\n2020-01-01,,1\n2020-01-01,15:00,2\n"))["time"].to_list() == [day(1), day(1, 15)]


def test_a_date_can_be_the_time_without_the_time_of_day(load: Import) -> None:
    table = load("date,clock,v\n2020-01-01,09:05,1\n2020-01-02,09:10,2\n", time="date")
    assert kinds(table) == {"date": "time", "clock": "category", "v": "number"}


@pytest.mark.parametrize(
    ("first", "second"), [("13/01/2020", "01/02/2020"), ("1/2/2020", "1/13/2020"), ("1 Feb 2020", "2 Feb 2020")]
)
def test_all_dates_together_tell_whether_days_come_first(load: Import, first: str, second: str) -> None:
    expected = {
        "13/01/2020": [day(13), datetime(2020, 2, 1, tzinfo=UTC)],
        "1/2/2020": [day(2), day(13)],
        "1 Feb 2020": [datetime(2020, 2, 1, tzinfo=UTC), datetime(2020, 2, 2, tzinfo=UTC)],
    }
    assert frame(load(f"date,v\n{first},1\n{second},2\n"))["date"].to_list() == expected[first]


def test_the_date_format_can_be_given(load: Import) -> None:
    content = "date,v\n01/02/2020,1\n"
    assert load(content, date_format="D/M/Y").first_time == datetime(2020, 2, 1, tzinfo=UTC)
    assert load(content, date_format="M/D/Y").first_time == day(2)
    assert load(content, date_format="%d/%m/%Y").first_time == datetime(2020, 2, 1, tzinfo=UTC)


def test_dates_with_day_and_month_alike_are_clear(load: Import) -> None:
    assert load("date,v\n01/01/2020,1\n").first_time == day(1)


@pytest.mark.parametrize(
    "cell",
    ["1577836800", "1577836800000", "1577836800000000", "1577836800000000000", "1577836800.0", "20200101"],
)
def test_integers_can_tell_the_time(load: Import, cell: str) -> None:
    table = load(f"timestamp,v\n{cell},1\n")
    assert (table.time, table.first_time) == ("timestamp", day(1))


def test_years_can_tell_the_time(load: Import) -> None:
    assert load("year,v\n2020,1\n2021,2\n", time="year").first_time == day(1)
    assert load("year,v\n2020,1\n2021,2\n").time is None


def test_numbers_that_could_be_times_are_numbers_without_a_name_that_says_so(load: Import) -> None:
    assert load("volume,v\n1577836800,1\n").time is None


def test_times_in_a_zone_become_utc(load: Import) -> None:
    table = load("t,v\n2020-01-01T02:00:00+02:00,1\n2020-01-01T02:00:00Z,2\n")
    assert frame(table)["t"].to_list() == [day(1), day(1, 2)]


# Order, keys, duplicates, nameless columns


def test_rows_are_sorted_by_time_and_keys(load: Import) -> None:
    content = "city,date,v\nRome,2020-01-02,1\nRome,2020-01-01,2\nOslo,2020-01-02,3\nOslo,2020-01-01,4\n"
    table = load(content, keys=("city",))
    assert frame(table)["v"].to_list() == [4, 2, 3, 1]
    assert table.keys == ("city",)


def test_keys_are_text(load: Import) -> None:
    table = load("date,shop,v\n2020-01-01,007,1\n2020-01-01,7,2\n", keys=("shop",))
    assert frame(table)["shop"].to_list() == ["007", "7"]


def test_there_may_be_several_keys(load: Import) -> None:
    table = load("date,a,b,v\n2020-01-01,x,2,1\n2020-01-01,x,1,2\n", keys=("a", "b"))
    assert frame(table)["v"].to_list() == [2, 1]


@pytest.mark.parametrize(("keep", "expected"), [("first", [3, 1]), ("last", [4, 5])])
def test_of_rows_of_the_same_time_one_can_be_chosen_by_its_place_in_the_file(
    load: Import, keep: str, expected: list[int]
) -> None:
    content = "date,v\n2020-01-02,1\n2020-01-02,2\n2020-01-01,3\n2020-01-01,4\n2020-01-02,5\n"
    assert frame(load(content, duplicates=keep))["v"].to_list() == expected


def test_a_nameless_column_of_row_numbers_is_dropped(load: Import) -> None:
    table = load(",Date,v,k\n0,2020-01-02,1,a\n1,2020-01-01,2,a\n0,2020-01-02,3,b\n", keys=("k",))
    assert [column.name for column in table.columns] == ["Date", "v", "k"]


def test_a_nameless_column_of_other_numbers_is_kept(load: Import) -> None:
    assert [column.name for column in load(",v\n5,1\n3,2\n").columns] == ["column_1", "v"]


def test_no_name_of_a_column_is_taken(load: Import) -> None:
    names = ["__row__", "bucket", "same", "literal", "day", "n" * 200]
    table = load(f"date,{','.join(names)}\n2020-01-02,1,2,3,4,5,6\n2020-01-01,1,2,3,4,5,6\n")
    assert [column.name for column in table.columns] == ["date", *names]


def test_a_nameless_empty_column_is_dropped(load: Import) -> None:
    assert [column.name for column in load("a,b,\n1,2,\n3,4,\n").columns] == ["a", "b"]


def test_blank_lines_are_no_rows(load: Import) -> None:
    assert load("a,b\n\n1,2\n\n3,4\n\n").rows == 2


# Other formats


def test_reads_json_lines(load: Import) -> None:
    content = '{"t": "2020-01-02", "v": 1.5, "c": "x"}\n\n{"t": "2020-01-01", "c": null, "b": true}\n'
    table = load(content, file="table.jsonl")
    assert kinds(table) == {"t": "time", "v": "number", "c": "category", "b": "boolean"}
    assert frame(table).rows() == [(day(1), None, None, True), (day(2), 1.5, "x", None)]


def test_knows_json_lines_by_their_look(load: Import) -> None:
    assert frame(load('{"a": 1}\n{"a": 2}', file="table.txt"))["a"].to_list() == [1, 2]


def test_reads_parquet(load: Import) -> None:
    original = pl.DataFrame(
        {
            "day": pl.Series(["2020-01-02", "2020-01-01"]).str.to_date(),
            "text": pl.Series(["a", None], dtype=pl.Categorical),
            "small": pl.Series([1, 2], dtype=pl.UInt8),
            "money": pl.Series(["1.5", "2.5"]).cast(pl.Decimal(10, 2)),
            "gap": [1.5, float("nan")],
            "flag": [True, None],
        }
    )
    buffer = io.BytesIO()
    original.write_parquet(buffer)
    table = load(buffer.getvalue(), file="table.parquet")
    assert table.time == "day"
    assert frame(table).rows() == [(day(1), None, 2, 2.5, None, None), (day(2), "a", 1, 1.5, 1.5, True)]


def test_the_same_table_in_three_formats_is_the_same_content(load: Import) -> None:
    csv = "t,v,c\n2020-01-01,1.5,x\n2020-01-02,,y\n"
    lines = '{"t": "2020-01-01", "v": 1.5, "c": "x"}\n{"t": "2020-01-02", "v": null, "c": "y"}\n'
    buffer = io.BytesIO()
    pl.DataFrame({"t": ["2020-01-01", "2020-01-02"], "v": [1.5, None], "c": ["x", "y"]}).write_parquet(buffer)
    tables = [load(csv), load(lines, file="t.jsonl"), load(buffer.getvalue(), file="t.parquet")]
    assert len({table.sha256 for table in tables}) == 1


def test_pandas_row_numbers_in_parquet_are_dropped(load: Import) -> None:
    buffer = io.BytesIO()
    pl.DataFrame({"v": [5, 6], "__index_level_0__": [0, 1]}).write_parquet(buffer)
    assert kinds(load(buffer.getvalue(), file="t.parquet")) == {"v": "number"}


def test_progress_rises_to_one(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("date,v\n" + "".join(f"{1900 + i // 12}-{i % 12 + 1:02d}-01,{i}\n" for i in range(2400)))
    shares: list[float] = []
    import_table(path, ImportOptions(), tmp_path, lambda share, _: shares.append(share))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
