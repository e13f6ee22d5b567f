"""The commands for datasets."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from forecastle.cli.main import invoke

PRICES = "date,stock,close\n2020-01-02,B,2.5\n2020-01-01,A,\n"


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


Cli = Callable[..., Done]


@pytest.fixture
def cli(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command of `data` in an empty home, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FORECASTLE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FORECASTLE_LOG__LEVEL", "error")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> Done:
        code = invoke(["data", *arguments])
        return Done(code, *capfd.readouterr())

    return run


@pytest.fixture
def prices(tmp_path: Path) -> str:
    (tmp_path / "prices.csv").write_text(PRICES)
    return "prices.csv"


def test_text_of_a_table_is_shown_as_it_is_and_disturbs_no_terminal(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("a,[/]\x1b[2J\n1,[/red]\n2,[bold]x\n")
    assert cli("add", "odd.csv", "--name", "odd").code == 0
    shown = cli("rows", "odd")
    assert shown.code == 0
    assert "[/red]" in shown.out
    assert "[bold]x" in shown.out
    assert "\x1b" not in shown.out


def test_add_list_show_rows_remove(cli: Cli, prices: str) -> None:
    added = cli("add", prices, "--name", "prices", "--key", "stock", "--json").json
    assert (added["name"], added["rows"], added["time"], added["keys"]) == ("prices", 2, "date", ["stock"])
    assert cli("list", "--json").json == [added]
    assert cli("show", "prices", "--json").json == added
    assert cli("rows", "prices", "--json", "--offset", "1").json == [
        {"date": "2020-01-02T00:00:00Z", "stock": "B", "close": 2.5}
    ]
    assert cli("remove", "prices", "--yes", "--json").json == added
    assert cli("list", "--json").json == []


def test_people_see_tables_and_the_next_step(cli: Cli, prices: str) -> None:
    added = cli("add", prices, "--name", "prices", "--key", "stock")
    assert "prices: 2 rows, 2020-01-01 00:00 to 2020-01-02 00:00" in added.out
    assert "forecastle data rows prices" in added.err
    assert "stock" in cli("list").out
    assert "2.5" in cli("rows", "prices").out
    assert cli("show", "prices").out == added.out


def test_every_option_is_a_flag(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("1/2/2020\t10:30\tx\t007\t1\n1/2/2020\t10:30\tx\t007\t?!\n")
    done = cli(
        *("add", "t.txt", "--name", "all", "--time", "day+clock", "--key", "who", "--key", "shop"),
        *("--columns", "day,clock,who,shop,v", "--delimiter", "tab", "--no-header", "--missing", "?!"),
        *("--text", "v", "--duplicates", "last", "--date-format", "D/M/Y", "--json"),
    )
    assert done.json["rows"] == 1
    assert cli("rows", "all", "--json").json == [{"time": "2020-02-01T10:30:00Z", "who": "x", "shop": "007", "v": None}]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["add", "none.csv", "--name", "x"], 4, "error: file: expected a readable file, found none.csv"),
        (["add", "prices.csv", "--name", "a b"], 4, "error: name: expected 1 to 100 letters"),
        (["add", "prices.csv"], 2, "Missing option '--name'"),
        (["add", "prices.csv", "--name", "x", "--duplicates", "new"], 2, "'new' is not one of"),
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
    cli: Cli, prices: str, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    assert (tmp_path / prices).exists()
    for name in ("bad.csv", "[bold].csv"):
        (tmp_path / name).write_text("a,b\n1,2\n3\n")
    done = cli(*arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_name_with_other_content_is_a_conflict(cli: Cli, prices: str, tmp_path: Path) -> None:
    cli("add", prices, "--name", "prices")
    (tmp_path / prices).write_text("a\n1\n")
    assert cli("add", prices, "--name", "prices").code == 7
