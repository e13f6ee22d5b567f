"""The commands for datasets."""

from functools import partial
from pathlib import Path

import pytest
from commands import Cli

PRICES = "date,stock,close\n2020-01-02,B,2.5\n2020-01-01,A,\n"


@pytest.fixture
def data(cli: Cli) -> Cli:
    """One of the commands of `data`."""
    return partial(cli, "data")


@pytest.fixture
def prices(tmp_path: Path) -> str:
    (tmp_path / "prices.csv").write_text(PRICES)
    return "prices.csv"


def test_text_of_a_table_is_shown_as_it_is_and_disturbs_no_terminal(data: Cli, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("a,[/]\x1b[2J\n1,[/red]\n2,[bold]x\n")
    assert data("add", "odd.csv", "--name", "odd").code == 0
    shown = data("rows", "odd")
    assert shown.code == 0
    assert "[/red]" in shown.out
    assert "[bold]x" in shown.out
    assert "\x1b" not in shown.out


def test_add_list_show_rows_remove(data: Cli, prices: str) -> None:
    added = data("add", prices, "--name", "prices", "--key", "stock", "--json").json
    assert (added["name"], added["rows"], added["time"], added["keys"]) == ("prices", 2, "date", ["stock"])
    assert data("list", "--json").json == [added]
    assert data("show", "prices", "--json").json == added
    assert data("rows", "prices", "--json", "--offset", "1").json == [
        {"date": "2020-01-02T00:00:00Z", "stock": "B", "close": 2.5}
    ]
    assert data("remove", "prices", "--yes", "--json").json == added
    assert data("list", "--json").json == []


def test_people_see_tables_and_the_next_step(data: Cli, prices: str) -> None:
    added = data("add", prices, "--name", "prices", "--key", "stock")
    assert "prices: 2 rows, 2020-01-01 00:00 to 2020-01-02 00:00" in added.out
    assert "forecastle data rows prices" in added.err
    assert "stock" in data("list").out
    assert "2.5" in data("rows", "prices").out
    assert data("show", "prices").out == added.out


def test_people_are_told_how_numbers_were_written(data: Cli, tmp_path: Path) -> None:
    (tmp_path / "eu.csv").write_text("price;n\n1.234,5;1\n2,5;2\n")
    added = data("add", "eu.csv", "--name", "eu")
    assert "price: numbers with a decimal comma, such as 1.234,5" in added.err
    assert "price: numbers with a decimal comma, such as 1.234,5" in data("show", "eu").err
    notes = [column["note"] for column in data("show", "eu", "--json").json["columns"]]
    assert notes == ["numbers with a decimal comma, such as 1.234,5", None]


def test_every_option_is_a_flag(data: Cli, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(b"1/2/2020\t10:30\t\xe9\t007\t1\n1/2/2020\t10:30\t\xe9\t007\t?!\n")
    done = data(
        *("add", "t.txt", "--name", "all", "--time", "day+clock", "--key", "who", "--key", "shop"),
        *("--columns", "day,clock,who,shop,v", "--delimiter", "tab", "--no-header", "--missing", "?!"),
        *("--encoding", "latin-1", "--decimal", ","),
        *("--text", "v", "--duplicates", "last", "--date-format", "D/M/Y", "--json"),
    )
    assert done.json["rows"] == 1
    assert data("rows", "all", "--json").json == [
        {"time": "2020-02-01T10:30:00Z", "who": "é", "shop": "007", "v": None}
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["add", "none.csv", "--name", "x"], 5, "error: none.csv: no such file"),
        (["add", "prices.csv", "--name", "a b"], 4, "error: name: expected 1 to 100 letters"),
        (["add", "prices.csv"], 2, "Missing option '--name'"),
        (["add", "prices.csv", "--name", "x", "--duplicates", "new"], 2, "'new' is not one of"),
        (["add", "prices.csv", "--name", "x", "--encoding", "no"], 4, "error: encoding: expected an encoding such as"),
        (["add", "prices.csv", "--name", "x", "--key", "no"], 4, "found 'no'"),
        (["add", "bad.csv", "--name", "x"], 4, "error: bad.csv: line 3: expected 2 fields, found 1"),
        (["add", "[bold].csv", "--name", "x"], 4, "error: [bold].csv: line 3: expected 2 fields, found 1"),
        (["add", ".", "--name", "x"], 4, "error: file: expected a readable file, found ."),
        (["show", "none"], 5, "error: no dataset is named 'none'"),
        (["rows", "none"], 5, "error: no dataset is named 'none'"),
        (["rows", "none", "--limit", "0"], 2, "Invalid value for '--limit'"),
        (["remove", "none", "--yes"], 5, "error: no dataset is named 'none'"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(
    data: Cli, prices: str, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    assert (tmp_path / prices).exists()
    for name in ("bad.csv", "[bold].csv"):
        (tmp_path / name).write_text("a,b\n1,2\n3\n")
    done = data(*arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_name_with_other_content_is_a_conflict(data: Cli, prices: str, tmp_path: Path) -> None:
    data("add", prices, "--name", "prices")
    (tmp_path / prices).write_text("a\n1\n")
    assert data("add", prices, "--name", "prices").code == 7
