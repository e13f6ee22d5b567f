"""Each real table imports with one command, and says what it holds."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forecastle.cli.main import invoke

pytestmark = pytest.mark.real_data

ABALONE = "sex,length,diameter,height,whole_weight,shucked_weight,viscera_weight,shell_weight,rings"
ADULT = (
    "age,workclass,fnlwgt,education,education_num,marital_status,occupation,relationship,race,sex,"
    "capital_gain,capital_loss,hours_per_week,native_country,income"
)
WINE = (
    "fixed_acidity,volatile_acidity,citric_acid,residual_sugar,chlorides,free_sulfur_dioxide,"
    "total_sulfur_dioxide,density,ph,sulphates,alcohol,quality"
)
BARS = "Date,Time,Open,High,Low,Close,Volume,OpenInterest"

Cli = Callable[[str], tuple[int, Any, str]]


@pytest.fixture
def cli(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, real_data: Path) -> Cli:
    """Runs a command line in the folder of the real tables; gives exit code, JSON and messages."""
    monkeypatch.chdir(real_data)
    monkeypatch.setenv("FORECASTLE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FORECASTLE_LOG__LEVEL", "error")

    def run(line: str) -> tuple[int, Any, str]:
        code = invoke([*shlex.split(line), "--json"])
        out, err = capfd.readouterr()
        return code, json.loads(out) if out else None, err

    return run


@pytest.mark.parametrize(
    ("command", "rows", "time", "keys", "first", "last"),
    [
        ("market/NVDA-daily-1999-2014.csv --name nvda", 4012, "Date", [], "1999-01-22", "2014-12-31"),
        ("market/YHOO-daily-1996-2015.csv --name yhoo", 4965, "Date", [], "1996-04-12", "2015-12-31"),
        ("market/SP500-daily-2000-2020.csv --name sp500", 5105, "date", [], "2000-01-03", "2020-04-17"),
        ("market/GOOG-daily-2004-2013.csv --name goog", 2148, "time", [], "2004-08-19", "2013-03-01"),
        (
            "market/tickers-daily-2015-2017.csv --name tickers --key Stock",
            *(3634, "Date", ["Stock"], "2015-01-02", "2017-12-29"),
        ),
        ("market/index-5min-2006-01.csv --name index5", 2142, "time", [], "2006-01-02T09:05", "2006-01-30T17:30"),
        (
            f"market/index-1min-2006-header-mismatch.csv --name index1 --columns {BARS}",
            *(30889, "time", [], "2006-01-02T09:01", "2006-02-27T22:00"),
        ),
        (
            "weather/two-cities-daily-2012-2015.csv --name cities --key location",
            *(2922, "date", ["location"], "2012-01-01", "2015-12-31"),
        ),
        ("weather/melbourne-daily-min-1981-1990.csv --name melbourne", 3650, "Date", [], "1981-01-01", "1990-12-31"),
        (
            "football/epl-matches-2010-2023.csv --name epl --key home --key away",
            *(4940, "time", ["home", "away"], "2010-08-14T12:45", "2023-05-28T16:30"),
        ),
        (f"tabular/winequality-red.csv --name wine --columns {WINE}", 1599, None, [], None, None),
        (f"tabular/abalone-no-header.csv --name abalone --columns {ABALONE}", 4177, None, [], None, None),
        (f"tabular/adult-no-header.csv --name adult --columns {ADULT}", 32561, None, [], None, None),
    ],
)
def test_one_command_imports_it(
    cli: Cli, command: str, rows: int, time: str | None, keys: list[str], first: str | None, last: str | None
) -> None:
    code, dataset, err = cli(f"data add {command}")
    assert code == 0, err
    assert (dataset["rows"], dataset["time"], dataset["keys"]) == (rows, time, keys)
    assert (dataset["first_time"] or "").startswith(first or "")
    assert (dataset["last_time"] or "").startswith(last or "")


def test_the_header_that_does_not_fit_is_a_clear_error(cli: Cli) -> None:
    code, _, err = cli("data add market/index-1min-2006-header-mismatch.csv --name index1")
    assert code == 4
    assert err.endswith(
        "error: index-1min-2006-header-mismatch.csv: line 2: expected 7 fields, found 8; "
        "name the columns with --columns a,b,c; the names replace the header line\n"
    )


def test_kinds_and_missing_values_of_the_quirky_ones(cli: Cli) -> None:
    _, tickers, _ = cli("data add market/tickers-daily-2015-2017.csv --name tickers --key Stock")
    assert tickers["columns"][0]["name"] == "Date"
    assert tickers["columns"][-1] == {"name": "Stock", "kind": "category", "missing": 0, "distinct": 5, "note": None}
    _, first, _ = cli("data rows tickers --limit 5")
    assert [row["Stock"] for row in first] == ["AAPL", "COKE", "GOOGL", "TSLA", "YHOO"]
    _, adult, _ = cli(f"data add tabular/adult-no-header.csv --name adult --columns {ADULT}")
    columns = {column["name"]: column for column in adult["columns"]}
    assert {name: column["missing"] for name, column in columns.items() if column["missing"]} == {
        "workclass": 1836,
        "occupation": 1843,
        "native_country": 583,
    }
    assert columns["income"] == {"name": "income", "kind": "category", "missing": 0, "distinct": 2, "note": None}
    assert columns["age"]["kind"] == "number"
    _, epl, _ = cli("data add football/epl-matches-2010-2023.csv --name epl --key home --key away")
    columns = {column["name"]: column for column in epl["columns"]}
    assert "date" not in columns
    assert columns["ht_home"]["missing"] == 354
