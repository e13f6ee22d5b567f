"""Files that are no tables: one line that names the place, what was expected and what was found."""

import io
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from pyarrow.parquet import write_table

from forecastle.data.errors import BadTable
from forecastle.data.importing import import_table
from forecastle.data.options import ImportOptions
from forecastle.data.storage import TableStore
from forecastle.errors import BadInput

TABLE = "date,who,gap,v\n2020-01-01,x,1,1\n2020-01-02,y,,2\n"


def refusal(folder: Path, content: str | bytes, file: str = "t.csv", **options: Any) -> str:
    """The message with which the content is refused; nothing of it stays in the store."""
    path = folder / file
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    store = TableStore(folder / "store")
    with pytest.raises(BadInput) as refused, store.workspace() as workspace:
        import_table(path, ImportOptions(**options), workspace)
    message = refused.value.message
    assert "\n" not in message
    assert not list(store.root.rglob("*.*"))
    assert not list(store.root.rglob("incoming/*"))
    return message


def parquet(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


def parquet_named(*names: str) -> bytes:
    buffer = io.BytesIO()
    write_table(pa.table([[1]] * len(names), names=list(names)), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("", "t.csv: expected a table, found an empty file", id="empty"),
        pytest.param("?\n \n-\n", "t.csv: expected rows with values, found none", id="no values"),
        pytest.param("\n\n\n", "t.csv: expected a table, found blank lines only", id="blank"),
        pytest.param("a,b\n", "t.csv: line 1: expected rows after the header, found header only", id="header only"),
        pytest.param(
            "a,b\n1,2,3\n",
            "t.csv: line 2: expected 2 fields, found 3; "
            "name the columns with --columns a,b,c; the names replace the header line",
            id="header narrower than rows",
        ),
        pytest.param("a,b\n1,2\n\n3\n", "t.csv: line 4: expected 2 fields, found 1", id="short row"),
        pytest.param('a,b\n"x\ny",2\n3,4,5\n', "t.csv: line 4: expected 2 fields, found 3", id="long row"),
        pytest.param('a, b\n1, "x"\n3, "y", 5\n', "t.csv: line 3: expected 2 fields, found 3", id="padded long row"),
        pytest.param(
            "a,b\n1,2\n2,3\n3,abc\n",
            "t.csv: line 4, column 'b': expected a number, found 'abc'; "
            "keep the column as text with --text b, or skip the value with --missing abc",
            id="word among numbers",
        ),
        pytest.param(
            "a,b\n1,2\n2,3\n,inf\n",
            "t.csv: line 4, column 'b': expected a finite number, found 'inf'; count it as missing with --missing inf",
            id="infinite",
        ),
        pytest.param(
            "a,b\n1,1e999\n",
            "t.csv: line 2, column 'b': expected a finite number, found '1e999'; "
            "count it as missing with --missing 1e999",
            id="too large for a float",
        ),
        pytest.param(
            "a,b,a\n1,2,3\n",
            "t.csv: line 1, column 'a': expected different column names, found 'a' 2 times; "
            "name the columns with --columns a,b,c",
            id="same name twice",
        ),
        pytest.param(
            "\na," + "n" * 100_000 + "\n1,2\n",
            f"t.csv: line 2, column '{'n' * 59}…': expected a column name of at most 200 characters, found 100,000; "
            "name the columns with --columns a,b,c",
            id="endless name",
        ),
        pytest.param(
            "a,,column_2\n1,2,3\n",
            "t.csv: line 1, column 'column_2': expected different column names, found 'column_2' 2 times; "
            "name the columns with --columns a,b,c",
            id="the name of a nameless column",
        ),
        pytest.param(
            "a,^v$\n1,2\n",
            "t.csv: line 1, column '^v$': expected a column name other than * and not between ^ and $, found '^v$'; "
            "name the columns with --columns a,b,c",
            id="a pattern for a name",
        ),
        pytest.param(
            'a,b\n1,2\n3,"x\n5,6\n',
            "t.csv: line 3: expected a closing quote, found none up to the end of the file",
            id="unclosed quote",
        ),
        pytest.param(
            'a,b\n1,2\n3,"' + "x\n" * 3_000_000,
            "t.csv: line 3: expected a closing quote, found none within 131,072 characters",
            id="unclosed quote in a long file",
        ),
        pytest.param(
            'a,"b\n1,2\n3,4\n',
            "t.csv: line 1: expected a closing quote, found none up to the end of the file",
            id="unclosed quote in the header",
        ),
        pytest.param(
            'a,"b\n1,"2"\n3,4\n',
            "t.csv: line 1: expected a closing quote, found the next quote in line 2, with more text behind it",
            id="unclosed quote in the header and a quote below",
        ),
        pytest.param(
            'a;b;c\n1;"x;2\n3;y;4\n5;z;6\n',
            "t.csv: line 2: expected a closing quote, found none up to the end of the file",
            id="unclosed quote in the first row",
        ),
        pytest.param(
            'a,b\n"x\ny","z\n1,"2",3\n',
            "t.csv: line 3: expected a closing quote, found the next quote in line 4, with more text behind it",
            id="unclosed quote in the second line of a row",
        ),
        pytest.param(
            'a,b\n1,"x\n2,"y\n3,z\n',
            "t.csv: line 2: expected a closing quote, found the next quote in line 3, with more text behind it",
            id="two unclosed quotes",
        ),
        pytest.param(
            'a,b,c\n1,2,3\n4,"x,5\n6,"y",7,8\n',
            "t.csv: line 3: expected a closing quote, found the next quote in line 4, with more text behind it",
            id="unclosed quote in a row of another width",
        ),
        pytest.param(
            'a, b\n1, "x\n2, "y"\n',
            "t.csv: line 2: expected a closing quote, found the next quote in line 3, with more text behind it",
            id="unclosed quote after a space",
        ),
        pytest.param(
            'a,b\n"x,"y,2,3\n',
            "t.csv: line 2: expected a delimiter after the closing quote, found more text",
            id="unclosed quote before another in the first row",
        ),
        pytest.param(
            'a,b\n1,2\n"x,"y,3,4\n',
            "t.csv: line 3: expected a delimiter after the closing quote, found more text",
            id="unclosed quote before another in a row",
        ),
        pytest.param(
            'a, b\n1, 2\n"x,"y, 3, "4"\n',
            "t.csv: line 3: expected 2 fields, found 3",
            id="unclosed quote before another in a row with spaces",
        ),
        pytest.param(
            'a,b\n1,"x"y\n2,"z\n',
            "t.csv: line 2: expected a delimiter after the closing quote, found more text",
            id="text after a quote",
        ),
        pytest.param(
            "a,b\n1," + "x" * 300_000 + "\n2,3\n",
            "t.csv: line 2: expected fields of at most 131,072 characters, found a longer one",
            id="endless first field",
        ),
        pytest.param(
            "a,b\n" + "1," * 200_000 + "1\n2,3\n",
            "t.csv: line 2: expected 2 fields, found 200001; "
            "name the columns with --columns a,b,c; the names replace the header line",
            id="endless first row",
        ),
        pytest.param(
            b"a,b\n1,caf\xe9\n",
            "t.csv: line 2: expected UTF-8 text, found byte 0xe9 at offset 9; "
            "it looks like cp1252 or latin-1: say --encoding cp1252, or save the file as UTF-8",
            id="latin-1",
        ),
        pytest.param(
            b"a,b\n" + b"1,x\n" * 100_000 + b"2,\xff" + b"1,x\n" * 10,
            "t.csv: line 100002: expected UTF-8 text, found byte 0xff at offset 400,006; "
            "it looks like cp1252 or latin-1: say --encoding cp1252, or save the file as UTF-8",
            id="latin-1 far down",
        ),
        pytest.param(
            "a,b\n1,один\n2,два\n".encode("cp1251"),
            "t.csv: line 2: expected UTF-8 text, found byte 0xee at offset 6; "
            "wrong encoding: say which it is with --encoding NAME, or save the file as UTF-8",
            id="cyrillic",
        ),
        pytest.param(
            b"a,b\n1,caf" + "é\n".encode()[:1],
            "t.csv: line 2: expected UTF-8 text, found byte 0xc3 at offset 9; "
            "wrong encoding: say which it is with --encoding NAME, or save the file as UTF-8",
            id="cut utf-8",
        ),
        pytest.param(
            "a,b\n1,é\n".encode() + b"2,caf\xe9 and some more\n",
            "t.csv: line 3: expected UTF-8 text, found byte 0xe9 at offset 14; "
            "wrong encoding: say which it is with --encoding NAME, or save the file as UTF-8",
            id="utf-8 and latin-1",
        ),
        pytest.param(
            "a,b\n1,2\n".encode("utf-16-le"),
            "t.csv: line 1: expected text, found a NUL byte; "
            "it looks like utf-16-le without a byte order mark: say --encoding utf-16-le, or save the file as UTF-8",
            id="utf-16 without a mark",
        ),
        pytest.param(
            "a,é\n1,2\n".encode("utf-16-be"),
            "t.csv: line 1: expected UTF-8 text, found byte 0xe9 at offset 5; "
            "it looks like utf-16-be without a byte order mark: say --encoding utf-16-be, or save the file as UTF-8",
            id="utf-16 of the other order without a mark",
        ),
        pytest.param(
            "a,b\n1,2\n".encode("utf-16-le").join([b"\xff\xfe", b"x"]),
            "t.csv: line 3: expected UTF-16 text, found byte 0x78 at offset 18; "
            "wrong encoding: say which it is with --encoding NAME, or save the file as UTF-8",
            id="cut utf-16",
        ),
        pytest.param(
            b"a,b\n1,\x00\n",
            "t.csv: line 2: expected text, found a NUL byte: this is a binary file",
            id="binary",
        ),
        pytest.param(
            b"PK\x03\x04rest",
            "t.csv: expected CSV, JSON lines or Parquet, found a ZIP archive or Excel workbook",
            id="zip",
        ),
        pytest.param("x" * 600_000, "t.csv: line 1: expected a line shorter than 262,144 bytes", id="endless line"),
        pytest.param(
            "date,v\n01/02/2020,1\n03/04/2020,2\n",
            "t.csv: line 2, column 'date': expected some date that tells whether day or month comes first, "
            "found '01/02/2020'; say --date-format D/M/Y or --date-format M/D/Y, or keep it as text with --text date",
            id="day or month",
        ),
        pytest.param(
            "date,v\n2020-01-01,1\n,2\n",
            "t.csv: line 3, column 'date': expected a time in every row, found none",
            id="missing time",
        ),
        pytest.param(
            "date,v\n2020-01-01,1\n2020-01-02,1\nTotal,2\n",
            "t.csv: line 4, column 'date': expected a date like the others (Y-M-D), found 'Total'; "
            "say which column tells the time with --time COLUMN, or --time none",
            id="word among times",
        ),
        pytest.param(
            "seen,v\n2020-01-01,1\n2020-01-02,1\n2020-01-03,3\n2020-02-30,2\n,5\n",
            "t.csv: line 5, column 'seen': expected a date that exists, found '2020-02-30'; "
            "correct it, keep the column as text with --text seen, or skip the value with --missing 2020-02-30",
            id="no day of the calendar",
        ),
        pytest.param(
            "date,v\n01/02/2020,1\n15/02/2020,1\n31/02/2020,2\n",
            "t.csv: line 4, column 'date': expected a date that exists, found '31/02/2020'; "
            "correct it, or leave out the row",
            id="no day of the calendar among times",
        ),
        pytest.param(
            "date,v\n2020-01-01 23:00,1\n2020-01-01 24:00,2\n",
            "t.csv: line 3, column 'date': expected a date and time that exist, found '2020-01-01 24:00'; "
            "correct it, or leave out the row",
            id="no hour of the day",
        ),
        pytest.param(
            "date,v\n15/02/2020,1\n16/02/2020,1\n12/31/2020,2\n",
            "t.csv: line 4, column 'date': expected a date like the others (D/M/Y), found '12/31/2020'; "
            "say which column tells the time with --time COLUMN, or --time none",
            id="a date of another order",
        ),
        pytest.param(
            "a;b\n1,5;1\n2,5;2\n31/02/2020;3\n",
            "t.csv: line 4, column 'a': expected a number like the others (1,5), found '31/02/2020'; "
            "keep the column as text with --text a, or skip the value with --missing 31/02/2020",
            id="an impossible date among numbers",
        ),
        pytest.param(
            "date,v\n20200101,1\n20200132,2\n",
            "t.csv: line 3, column 'date': expected a day of the calendar, found 20200132",
            id="no day of the calendar, as a number",
        ),
        pytest.param(
            "date,v\n2020-01-02,1\n2020-01-01,2\n2020-01-02,3\n",
            "t.csv: column 'date': expected one row for each date, found two in lines 2 and 4: 2020-01-02; "
            "choose one with --duplicates last|first",
            id="same time twice",
        ),
        pytest.param(
            "date,city,v\n2020-01-01,Rome,1\n2020-01-01,Oslo,2\n",
            "t.csv: column 'date': expected one row for each date, found two in lines 2 and 3: 2020-01-01; "
            "name what tells the series apart with --key (one of city), or choose one with --duplicates last|first",
            id="a key is needed",
        ),
        pytest.param(
            "opened,closed,v\n2020-01-01,2020-01-02,1\n",
            "t.csv: expected one time column, found opened, closed; say --time opened, another column, or --time none",
            id="two times",
        ),
    ],
)
def test_refuses_a_table(tmp_path: Path, content: str | bytes, expected: str) -> None:
    assert refusal(tmp_path, content) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"time": "dat"},
            "t.csv: expected one of the columns date, who, gap, v for time, found 'dat'; did you mean 'date'?",
        ),
        ({"keys": ("city",)}, "t.csv: expected one of the columns date, who, gap, v for keys, found 'city'"),
        ({"text": ("V", "w")}, "t.csv: expected one of the columns date, who, gap, v for text, found 'w'"),
        (
            {"time": "who"},
            (
                "t.csv: line 2, column 'who': expected a date, found 'x'; "
                "say which column tells the time with --time COLUMN, or --time none"
            ),
        ),
        (
            {"time": "v"},
            (
                "t.csv: line 2, column 'v': expected dates, or times in seconds since 1970, found '1'; "
                "say which column tells the time with --time COLUMN, or --time none"
            ),
        ),
        (
            {"time": "date+v"},
            (
                "t.csv: line 2, column 'v': expected a time of day, found '1'; "
                "say which column tells the time with --time COLUMN, or --time none"
            ),
        ),
        ({"time": "a+b+c"}, "t.csv: expected COLUMN or DATE+CLOCK for time, found a+b+c"),
        ({"keys": ("date",)}, "t.csv: column 'date': expected a key other than the time, found date"),
        (
            {"keys": ("who",), "time": "none"},
            (
                "t.csv: column 'who': expected a time column beside a key, found none; "
                "say which column tells the time with --time COLUMN"
            ),
        ),
        ({"keys": ("gap",)}, "t.csv: line 3, column 'gap': expected a key in every row, found none"),
        (
            {"columns": ("x", "y")},
            "t.csv: line 2: expected 2 fields, one for each name given, found 4; the line is: 2020-01-01|x|1|1",
        ),
        (
            {"columns": ("x", "y", "z", "x")},
            (
                "t.csv: column 'x': expected different column names, found 'x' 2 times; "
                "name the columns with --columns a,b,c"
            ),
        ),
        (
            {"columns": ("x", "*", "y", "z")},
            (
                "t.csv: column '*': expected a column name other than * and not between ^ and $, found '*'; "
                "name the columns with --columns a,b,c"
            ),
        ),
        ({"columns": ("x", "", "y", "z")}, "t.csv: expected a name for every column, found x,,y,z"),
        (
            {"date_format": "soon"},
            "date_format: expected D/M/Y, M/D/Y, Y/M/D or a strftime pattern such as %d.%m.%Y %H:%M, found soon",
        ),
    ],
)
def test_refuses_an_option_that_does_not_fit_the_table(tmp_path: Path, options: dict[str, Any], expected: str) -> None:
    assert refusal(tmp_path, TABLE, **options) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"delimiter": "ab"},
            "delimiter: expected one ASCII character that is no letter, digit or quote, or the word tab, found ab",
        ),
        (
            {"delimiter": '"'},
            'delimiter: expected one ASCII character that is no letter, digit or quote, or the word tab, found "',
        ),
        *(
            (
                {"encoding": name},
                f"encoding: expected an encoding such as utf-8, cp1252, latin-1 or utf-16, found {name}",
            )
            for name in ("klingon", "hex", "punycode", "utf-7", "ü")
        ),
        ({"decimal": ";"}, "decimal: expected a comma, a point or auto, found ;"),
        ({"duplicates": "newest"}, "duplicates: expected first or last, found newest"),
    ],
)
def test_refuses_an_option_that_can_never_fit(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(BadInput) as refused:
        ImportOptions(**options)
    assert refused.value.message == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            '{"a": 1}\n{"a": [1]}\n',
            "t.jsonl: line 2, column 'a': expected a number, text, true, false or null, found a list",
        ),
        (
            '{"a": {"b": 1}}\n',
            "t.jsonl: line 1, column 'a': expected a number, text, true, false or null, found an object",
        ),
        ('{"a": 1}\n\n{"a"\n', 't.jsonl: line 3: expected one JSON object, found {"a"'),
        ('{"a": 1}\n{"": 1}\n', "t.jsonl: line 2: expected a name for every column, found an empty one"),
        (
            '{"a": 1}\n{"a\\u0000": 1}\n',
            "t.jsonl: line 2, column 'a�': expected a column name without NUL characters, found one",
        ),
        ('{"a": "x\\u0000"}\n', "t.jsonl: line 1, column 'a': expected text, found a NUL character"),
        ("[1, 2]\n", "t.jsonl: line 1: expected one JSON object, found [1, 2]"),
        ("{}\n", "t.jsonl: line 1: expected an object with fields, found {}"),
        ("\n\n", "t.jsonl: expected rows with values, found none"),
        ('{"a": ' + "[" * 100_000, "t.jsonl: line 1: expected one JSON object, found"),
    ],
)
def test_refuses_json_lines(tmp_path: Path, content: str, expected: str) -> None:
    assert refusal(tmp_path, content, "t.jsonl").startswith(expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (parquet(a=[[1]]), "t.parquet: column 'a': expected numbers, text, booleans or times, found List(Int64)"),
        (parquet(a=[1])[:-9], "t.parquet: expected a sound Parquet file, found"),
        (parquet_named("a", ""), "t.parquet: expected a name for every column, found an empty one"),
        (parquet_named("a", "a"), "t.parquet: column 'a': expected different column names, found 'a' 2 times"),
        (b"PAR1", "t.parquet: expected a sound Parquet file, found"),
        (parquet(a=pl.Series([], dtype=pl.Int64)), "t.parquet: expected rows with values, found none"),
        (
            parquet(a=pl.Series([2**63], dtype=pl.UInt64)),
            "t.parquet: column 'a': expected integers of 64 bits with sign, found 9223372036854775808",
        ),
        (parquet(a=[1.0, float("-inf")]), "t.parquet: row 2, column 'a': expected a finite number, found '-inf'"),
        (
            parquet(date=["2020-01-01", None]),
            "t.parquet: row 2, column 'date': expected a time in every row, found none",
        ),
    ],
)
def test_refuses_parquet(tmp_path: Path, content: bytes, expected: str) -> None:
    assert refusal(tmp_path, content, "t.parquet").startswith(expected)


def test_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="file: expected a readable file, found"):
        import_table(tmp_path / "none.csv", ImportOptions(), tmp_path)


@pytest.mark.parametrize(
    ("content", "encoding", "expected"),
    [
        (
            b"\xef\xbb\xbfa,b\n1,2\n",
            "cp1252",
            "encoding: expected utf-8, as the byte order mark of t.csv says, found cp1252",
        ),
        (
            b"\xff\xfea\0\n\0",
            "utf-16-be",
            "encoding: expected utf-16-le, as the byte order mark of t.csv says, found utf-16-be",
        ),
        (
            b"a,b\n1,caf\xe9\n",
            "ascii",
            (
                "t.csv: line 2: expected ASCII text, found byte 0xe9 at offset 9; "
                "wrong encoding: say which it is with --encoding NAME, or save the file as UTF-8"
            ),
        ),
        (
            b"a,b\n1,2\n3,\x81\n",
            "shift-jis",
            (
                "t.csv: line 3: expected SHIFT_JIS text, found byte 0x81 at offset 10; "
                "wrong encoding: say which it is with --encoding NAME, or save the file as UTF-8"
            ),
        ),
    ],
)
def test_refuses_an_encoding_that_is_not_the_files(
    tmp_path: Path, content: bytes, encoding: str, expected: str
) -> None:
    assert refusal(tmp_path, content, encoding=encoding) == expected


def test_the_error_carries_its_facts(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n2,3\n3,abc\n")
    with pytest.raises(BadTable) as refused:
        import_table(path, ImportOptions(), tmp_path)
    error = refused.value
    assert (error.file, error.line, error.column) == ("t.csv", 4, "b")
    assert [(problem.expected, problem.found) for problem in error.problems] == [("a number", "'abc'")]
