"""A table of bad inputs: each is refused with its own status or exit code and one line that helps.

`--bad-inputs-report FILE` writes what each was answered.
"""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

API = "/api/v1"

Cli = Callable[..., subprocess.CompletedProcess[str]]
Report = list[tuple[str, str, str, str]]


@dataclass(frozen=True)
class BadFile:
    """A table that cannot be imported."""

    what: str
    content: bytes
    says: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    status: int = 422
    name: str = "bad"


@dataclass(frozen=True)
class BadRecipe:
    """A recipe that cannot be trained: what is changed in a good one."""

    what: str
    change: Mapping[str, Any]
    says: tuple[str, ...]
    status: int = 422


@dataclass(frozen=True)
class BadRequest:
    """A request that cannot be answered. MODEL stands for the id of a model with three numbers, by key `ticker`."""

    what: str
    method: str
    path: str
    says: tuple[str, ...]
    body: Any = None
    status: int = 422
    kind: str = "application/json"


@dataclass(frozen=True)
class BadCommand:
    """A command line, or settings, that cannot be used."""

    what: str
    arguments: tuple[str, ...]
    exit_code: int
    says: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)


GOOD_ROWS = b"".join(b"2024-01-%02d,%d,%d\n" % (day, day, day * 2) for day in range(1, 29))
LATE_WORD = b"".join(b"%d,%d\n" % (row, row) for row in range(2000)) + b"2000,abc\n"
TARGET = {"column": "close", "transform": "log_return", "horizon": 1}

FILES = (
    BadFile("empty file", b"", ("empty",)),
    BadFile("header without rows", b"date,a,b\n", ("rows after the header",)),
    BadFile("rows wider than the header", b"date,a\n" + GOOD_ROWS, ("line 2", "2", "3")),
    BadFile("one row too wide", b"date,a,b\n" + GOOD_ROWS + b"2024-02-01,1,2,3\n", ("line 30", "3", "4")),
    BadFile("one row too short", b"date,a,b\n" + GOOD_ROWS + b"2024-02-01,1\n", ("line 30", "3", "2")),
    BadFile("a word in a column of numbers", b"a,b\n" + LATE_WORD, ("line 2002", "b", "abc", "number")),
    BadFile("not UTF-8", b"a,b\n1,caf\xe9\n2,x\n", ("line 2", "UTF-8", "--encoding cp1252")),
    BadFile("UTF-16 without a mark", "a,b\n1,x\n".encode("utf-16-le"), ("line 1", "--encoding utf-16-le")),
    BadFile("an unknown encoding", b"a,b\n1,2\n", ("encoding", "klingon"), {"encoding": "klingon"}),
    BadFile("two decimal signs in a column", b"a;b\n1,5;1\n2.5;2\n", ("line 3", "'a'", "decimal comma", "2.5")),
    BadFile("a comma that may be either sign", b"a;b\n1,234;1\n", ("line 2", "'a'", "1,234", "--decimal")),
    BadFile("a word among decimal commas", b"a;b\n1,5;1\n2,5;1\nabc;2\n", ("line 4", "'a'", "abc", "number")),
    BadFile("an unknown decimal sign", b"a,b\n1,2\n", ("decimal", ";"), {"decimal": ";"}),
    BadFile("binary", b"a,b\n\x00\x01\x02,3\n", ("line 2",)),
    BadFile("the same time twice", b"date,a,b\n" + GOOD_ROWS + b"2024-01-05,9,9\n", ("2024-01-05", "duplicate")),
    BadFile("unknown time column", b"date,a,b\n" + GOOD_ROWS, ("when", "date"), {"time": "when"}),
    BadFile("unknown key column", b"date,a,b\n" + GOOD_ROWS, ("ticker",), {"key": "ticker"}),
    BadFile("dates that are none", b"date,a\nyesterday,1\ntoday,2\n", ("date", "yesterday"), {"time": "date"}),
    BadFile("an impossible date", b"date,a\n2024-02-28,1\n2024-02-31,2\n", ("2024-02-31", "3"), {"time": "date"}),
    BadFile("a date that does not exist", b"date,a\n15/02/2020,1\n31/02/2020,2\n", ("line 3", "date", "exists")),
    BadFile("the same column twice", b"date,a,a\n" + GOOD_ROWS, ("a",)),
    BadFile("an endless column name", b"a," + b"n" * 100_000 + b"\n1,2\n", ("line 1", "nnn", "200", "100,000")),
    BadFile("a pattern for a column name", b"a,^v$\n1,2\n", ("line 1", "^v$")),
    BadFile("too few column names", b"date,a,b\n" + GOOD_ROWS, ("2", "3"), {"columns": "x,y"}),
    BadFile("a delimiter of two characters", b"a,b\n1,2\n", ("delimiter", ";;"), {"delimiter": ";;"}),
    BadFile("an unknown choice for duplicates", b"a,b\n1,2\n", ("duplicates", "maybe"), {"duplicates": "maybe"}),
    BadFile("an unknown form field", b"date,a\n" + GOOD_ROWS, ("tyme", "did you mean time"), {"tyme": "date"}),
    BadFile("a quote that never ends", b'a,b\n1,"2\n3,4\n', ("line 2", "quote")),
    BadFile("a quote that never ends in the first row", b'a,b,c\n1,"2,3\n4,5,6\n', ("line 2", "closing quote")),
    BadFile("two quotes that never end", b'a,b\n1,"x\n2,"y\n3,z\n', ("line 2", "closing quote", "line 3")),
    BadFile("an endless first row", b"a,b\n1," + b"x" * 300_000 + b"\n2,3\n", ("line 2", "131,072")),
    BadFile("broken JSON lines", b'{"a": 1}\n{"a": \n', ("line 2",)),
    BadFile("a Parquet file that is none", b"PAR1 nonsense PAR1", ("Parquet",)),
    BadFile("a name with a slash", b"a,b\n1,2\n", ("../etc",), name="../etc"),
    BadFile("an empty name", b"a,b\n1,2\n", ("name",), name=""),
    BadFile("other content under a known name", b"a,b\n1,2\n", ("homes",), name="homes", status=409),
)

RECIPES = (
    BadRecipe("an unknown dataset", {"dataset": "barz"}, ("barz",), status=404),
    BadRecipe("an unknown algorithm", {"algorithm": "rigde"}, ("algorithm", "rigde", "ridge")),
    BadRecipe("an unknown field", {"hyperparametres": {}}, ("hyperparametres", "hyperparameters")),
    BadRecipe("no features", {"features": []}, ("features",)),
    BadRecipe("features that are a text", {"features": "close"}, ("features", "close")),
    BadRecipe("a column that does not exist", {"features": ["sma(clsoe, 5)"]}, ("clsoe", "close")),
    BadRecipe("a function that does not exist", {"features": ["smaa(close, 5)"]}, ("smaa", "sma")),
    BadRecipe("an open parenthesis", {"features": ["sma(close, 5"]}, ("sma(close, 5", ")")),
    BadRecipe("a window of 0", {"features": ["sma(close, 0)"]}, ("0", "window")),
    BadRecipe("the same feature twice", {"features": ["a = close", "a = open"]}, ("a",)),
    BadRecipe("code for a feature", {"features": ["__import__('os').system('id')"]}, ("__import__",)),
    BadRecipe("a feature of 100,000 parentheses", {"features": ["(" * 50_000 + "close" + ")" * 50_000]}, ("features",)),
    BadRecipe("a hyperparameter out of range", {"hyperparameters": {"alpha": -1}}, ("alpha", "-1")),
    BadRecipe("a hyperparameter of another algorithm", {"hyperparameters": {"num_leaves": 7}}, ("num_leaves", "ridge")),
    BadRecipe("a hyperparameter that is a text", {"hyperparameters": {"alpha": "strong"}}, ("alpha", "strong")),
    BadRecipe("an unknown transform", {"target": {**TARGET, "transform": "sqrt"}}, ("transform", "sqrt", "log_return")),
    BadRecipe("a negative horizon", {"target": {**TARGET, "horizon": -1}}, ("horizon", "-1")),
    BadRecipe("a horizon that is a text", {"target": {**TARGET, "horizon": "1"}}, ("horizon",)),
    BadRecipe("a target that does not exist", {"target": {**TARGET, "column": "clse"}}, ("clse", "close")),
    BadRecipe("classes for ridge", {"target": {**TARGET, "transform": "up"}}, ("ridge", "classification")),
    BadRecipe("a split of an unknown kind", {"split": {"kind": "kfold"}}, ("split", "kfold", "walk_forward")),
    BadRecipe("a test share above 1", {"split": {"kind": "chronological", "test": 1.2}}, ("test", "1.2")),
    BadRecipe("a random split of a series", {"split": {"kind": "random", "test": 0.2}}, ("random", "time")),
    BadRecipe("a seed that is a text", {"seed": "seven"}, ("seed", "seven")),
    BadRecipe("no target", {"target": None}, ("target",)),
    BadRecipe(
        "the target's own value among the features",
        {"target": {"column": "close", "horizon": 0}, "features": ["close"]},
        ("close",),
    ),
    BadRecipe("a timeframe that is none", {"timeframe": "3 parsecs"}, ("timeframe", "3 parsecs", "5m, 1h or 1d")),
    BadRecipe("a key that is in no row", {"keys": ["AAA", "ZZZ"]}, ("keys", "ZZZ", "ticker such as AAA")),
    BadRecipe("a context that does not exist", {"context": ["indices"]}, ("indices",), status=404),
    BadRecipe("a context without time", {"context": ["homes"]}, ("context.homes", "one time column", "none")),
    BadRecipe(
        "a context of several rows a time", {"context": ["bars"]}, ("context.bars", "one row a time", "2024-01-01")
    ),
    BadRecipe(
        "windows longer than the table",
        {"split": {"kind": "walk_forward", "train": 190, "test": 40}},
        ("split", "200", "190 + 40"),
    ),
    BadRecipe(
        "a window without its length", {"split": {"kind": "walk_forward", "train": 9}}, ("split.test", "nothing")
    ),
    BadRecipe("a horizon beyond the table", {"target": {**TARGET, "horizon": 200}}, ("target.horizon", "200")),
    BadRecipe(
        "a hidden column that is none",
        {"target": {**TARGET, "hidden": ["clsoe"]}},
        ("target.hidden.0", "clsoe", "close"),
    ),
    BadRecipe("a name that is a path", {"name": "../../etc/passwd"}, ("name",)),
)

PREDICT = f"{API}/predict"
REQUESTS = (
    BadRequest("two numbers instead of three", "POST", PREDICT, ("3", "2"), {"model": "MODEL", "features": [1, 2]}),
    BadRequest("four numbers", "POST", PREDICT, ("3", "4"), {"model": "MODEL", "features": [1, 2, 3, 4]}),
    BadRequest("a text for a number", "POST", PREDICT, ("trend", "x"), {"model": "MODEL", "features": [1, "x", 3]}),
    BadRequest("a missing number", "POST", PREDICT, ("trend",), {"model": "MODEL", "features": [1, None, 3]}),
    BadRequest("a list for a number", "POST", PREDICT, ("day",), {"model": "MODEL", "features": [[1], 2, 3]}),
    BadRequest("a number too large", "POST", PREDICT, ("day",), {"model": "MODEL", "features": [10**400, 2, 3]}),
    BadRequest(
        "a missing name", "POST", PREDICT, ("activity",), {"model": "MODEL", "features": {"day": 1, "trend": 2}}
    ),
    BadRequest(
        "a name too many",
        "POST",
        PREDICT,
        ("extra",),
        {"model": "MODEL", "features": {"day": 1, "trend": 2, "activity": 3, "extra": 4}},
    ),
    BadRequest("neither features nor a time", "POST", PREDICT, ("features",), {"model": "MODEL"}),
    BadRequest(
        "both features and a time",
        "POST",
        PREDICT,
        ("features",),
        {"model": "MODEL", "features": [1, 2, 3], "key": {"ticker": "AAA"}, "time": "2024-07-01"},
    ),
    BadRequest(
        "an unknown key",
        "POST",
        PREDICT,
        ("ticker", "ZZZ"),
        {"model": "MODEL", "key": {"ticker": "ZZZ"}, "time": "2024-07-01"},
    ),
    BadRequest("no key", "POST", PREDICT, ("ticker",), {"model": "MODEL", "time": "2024-07-01"}),
    BadRequest(
        "a key of another column",
        "POST",
        PREDICT,
        ("symbol", "ticker"),
        {"model": "MODEL", "key": {"symbol": "AAA"}, "time": "2024-07-01"},
    ),
    BadRequest(
        "a time that is none",
        "POST",
        PREDICT,
        ("time", "soon"),
        {"model": "MODEL", "key": {"ticker": "AAA"}, "time": "soon"},
    ),
    BadRequest(
        "a time before the first row",
        "POST",
        PREDICT,
        ("1999",),
        {"model": "MODEL", "key": {"ticker": "AAA"}, "time": "1999-01-01"},
    ),
    BadRequest(
        "an unknown model", "POST", PREDICT, ("nothing",), {"model": "nothing", "features": [1, 2, 3]}, status=404
    ),
    BadRequest("a model that is a number", "POST", PREDICT, ("model", "3"), {"model": 3, "features": [1, 2, 3]}),
    BadRequest(
        "a body that does not say it is JSON",
        "POST",
        PREDICT,
        ("Content-Type", "application/json", "text/plain"),
        {"model": "MODEL", "features": [1, 2, 3]},
        status=415,
        kind="text/plain",
    ),
    BadRequest("a method too few", "GET", PREDICT, ("/predict", "POST", "GET"), status=405),
    BadRequest("an unknown path", "GET", f"{API}/predictt", ("predictt",), status=404),
    BadRequest("a misspelt query parameter", "GET", f"{API}/models?nmae=x", ("nmae", "did you mean name")),
    BadRequest(
        "a misspelt field", "POST", PREDICT, ("feature", "did you mean features"), {"model": "MODEL", "feature": [1]}
    ),
    BadRequest(
        "features that are a text",
        "POST",
        PREDICT,
        ("features", 'a list or an object, found "123"'),
        {"features": "123"},
    ),
    BadRequest(
        "a key that is null",
        "POST",
        PREDICT,
        ("key.ticker", "text, found null"),
        {"model": "MODEL", "key": {"ticker": None}, "time": "2024-07-01"},
    ),
    BadRequest(
        "a name of 300 characters",
        "POST",
        PREDICT,
        ("key.xxx", "200 characters"),
        {"model": "MODEL", "key": {"x" * 300: "AAA"}, "time": "2024-07-01"},
    ),
    BadRequest("no samples", "POST", f"{API}/batch-predict", ("samples",), {"model": "MODEL", "samples": []}),
    BadRequest(
        "101 samples",
        "POST",
        f"{API}/batch-predict",
        ("samples", "100"),
        {"model": "MODEL", "samples": [[1, 2, 3]] * 101},
    ),
    BadRequest(
        "a bad sample among good ones",
        "POST",
        f"{API}/batch-predict",
        ("1", "3", "2"),
        {"model": "MODEL", "samples": [[1, 2, 3], [1, 2], [1, 2, 3]]},
    ),
    BadRequest(
        "feedback on nothing",
        "POST",
        f"{API}/feedback",
        ("none",),
        {"prediction_id": "none", "actual_value": 1},
        status=404,
    ),
    BadRequest("feedback without a value", "POST", f"{API}/feedback", ("actual_value",), {"prediction_id": "none"}),
    BadRequest("a limit of 0", "GET", f"{API}/predictions/history?limit=0", ("limit", "0")),
    BadRequest("a limit of 10,000", "GET", f"{API}/models?limit=10000", ("limit", "10000")),
    BadRequest("a cursor that is none", "GET", f"{API}/predictions/history?cursor=%00%27", ("cursor",)),
    BadRequest(
        "a stage that is none",
        "POST",
        f"{API}/models/MODEL/promote?new_stage=live",
        ("new_stage", "live", "production"),
        status=400,
    ),
    BadRequest("models of a stage that is none", "GET", f"{API}/models?stage=live", ("stage", "live")),
    BadRequest(
        "a promotion by name",
        "POST",
        f"{API}/models/bars-ridge/promote?new_stage=staging",
        ("bars-ridge", "an id is needed", "MODEL"),
        status=404,
    ),
    BadRequest("an unknown status", "GET", f"{API}/jobs?status=sleeping", ("status", "sleeping")),
    BadRequest(
        "a short password", "POST", f"{API}/auth/register", ("password", "8"), {"username": "ada", "password": "abc"}
    ),
    BadRequest(
        "a username with spaces",
        "POST",
        f"{API}/auth/register",
        ("username",),
        {"username": "a b ' OR 1=1 --", "password": "long enough"},
    ),
    BadRequest(
        "a role of one's own choice",
        "POST",
        f"{API}/auth/register",
        ("role",),
        {"username": "ada", "password": "long enough", "role": "admin"},
    ),
    BadRequest("rows before the first", "GET", f"{API}/datasets/bars/rows?offset=-1", ("offset", "-1")),
    BadRequest(
        "a preview of nothing known",
        "POST",
        f"{API}/features/preview",
        ("nope",),
        {"dataset": "bars", "features": ["nope"]},
    ),
    BadRequest("SQL for an id", "GET", f"{API}/models/1'%20OR%20'1'='1", ("OR",), status=404),
)

COMMANDS = (
    BadCommand("a file that is not there", ("data", "add", "gone.csv", "--name", "x"), 5, ("gone.csv",)),
    BadCommand("a folder for a file", ("data", "add", ".", "--name", "x"), 4, (".",)),
    BadCommand("rows of different widths", ("data", "add", "wide.csv", "--name", "x"), 4, ("line 2", "2", "3")),
    BadCommand("an unknown dataset", ("data", "show", "nothing"), 5, ("nothing",)),
    BadCommand("an unknown model", ("models", "show", "nothing"), 5, ("nothing",)),
    BadCommand("an unknown job", ("jobs", "show", "nothing"), 5, ("nothing",)),
    BadCommand("a recipe that is not there", ("train", "gone.toml"), 5, ("gone.toml",)),
    BadCommand("a recipe that is no TOML", ("train", "broken.toml"), 4, ("broken.toml", "line 1")),
    BadCommand("a recipe without fields", ("train", "empty.toml"), 4, ("empty.toml", "name")),
    BadCommand("no such command", ("trian",), 2, ("trian",)),
    BadCommand("no such option", ("data", "list", "--jsn"), 2, ("--jsn",)),
    BadCommand("an option without its value", ("data", "add", "wide.csv", "--name"), 2, ("--name",)),
    BadCommand("a port out of range", ("serve", "--port", "70000"), 3, ("PORT", "65535", "70000")),
    BadCommand(
        "a port that is no number", ("data", "list"), 3, ("SERVER__PORT", "x"), {"FORECASTLE_SERVER__PORT": "x"}
    ),
    BadCommand("workers below 0", ("data", "list"), 3, ("JOBS__WORKERS", "-1"), {"FORECASTLE_JOBS__WORKERS": "-1"}),
    BadCommand(
        "a log level that is none", ("data", "list"), 3, ("LOG__LEVEL", "loud"), {"FORECASTLE_LOG__LEVEL": "loud"}
    ),
    BadCommand("a short key", ("data", "list"), 3, ("32",), {"FORECASTLE_AUTH__SECRET": "short"}),
    BadCommand(
        "a database of an unknown kind", ("data", "list"), 3, ("oracle",), {"FORECASTLE_DATABASE__URL": "oracle://x/y"}
    ),
    BadCommand(
        "a database that is not there",
        ("data", "list"),
        8,
        ("127.0.0.1",),
        {"FORECASTLE_DATABASE__URL": "postgresql://nobody:secret-word@127.0.0.1:9/none"},
    ),
    BadCommand("a home that is a file", ("data", "list"), 3, ("wide.csv",), {"FORECASTLE_HOME": "wide.csv"}),
)


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Iterator[Report]:
    lines: Report = []
    yield lines
    path: Path | None = request.config.getoption("--bad-inputs-report")
    if path is not None:
        table = ["| what | input | answer | message |", "|---|---|---|---|"]
        table += ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
        path.write_text("\n".join(table) + "\n")


def _check(answer: httpx.Response, status: int, says: tuple[str, ...]) -> str:
    body = answer.json()
    message = str(body["detail"])
    assert answer.status_code == status, message
    assert answer.headers["content-type"] == "application/problem+json"
    _check_message(message, says)
    return message


def _check_message(message: str, says: tuple[str, ...]) -> None:
    assert "\n" not in message
    assert "Traceback" not in message
    assert len(message) < 600, message
    for fragment in says:
        assert fragment.lower() in message.lower(), f"{fragment!r} is not in: {message}"


@pytest.mark.parametrize("bad", FILES, ids=lambda bad: bad.what)
def test_a_bad_file(stocked: httpx.Client, upload: Callable[..., httpx.Response], report: Report, bad: BadFile) -> None:
    answer = upload(stocked, bad.name, bad.content, **bad.options)
    report.append(("file", bad.what, str(answer.status_code), answer.json().get("detail", "")))
    _check(answer, bad.status, bad.says)


@pytest.mark.parametrize("bad", RECIPES, ids=lambda bad: bad.what)
def test_a_bad_recipe(stocked: httpx.Client, bars_recipe: Mapping[str, Any], report: Report, bad: BadRecipe) -> None:
    answer = stocked.post(f"{API}/train", json={**bars_recipe, **bad.change})
    report.append(("recipe", bad.what, str(answer.status_code), answer.json().get("detail", "")))
    _check(answer, bad.status, bad.says)


@pytest.mark.parametrize("bad", REQUESTS, ids=lambda bad: bad.what)
def test_a_bad_request(admin: httpx.Client, bars_model: Mapping[str, Any], report: Report, bad: BadRequest) -> None:
    path = bad.path.replace("MODEL", bars_model["id"])
    body = None if bad.body is None else json.loads(json.dumps(bad.body).replace("MODEL", bars_model["id"]))
    content = None if body is None else json.dumps(body)
    answer = admin.request(bad.method, path, content=content, headers={"Content-Type": bad.kind})
    report.append(("request", bad.what, str(answer.status_code), answer.json().get("detail", "")))
    _check(answer, bad.status, tuple(fragment.replace("MODEL", bars_model["id"]) for fragment in bad.says))


@pytest.fixture(scope="session")
def bad_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("bad-commands")
    (home / "wide.csv").write_text("a,b\n1,2,3\n4,5,6\n")
    (home / "broken.toml").write_text("name = \n")
    (home / "empty.toml").write_text("")
    return home


@pytest.mark.parametrize("bad", COMMANDS, ids=lambda bad: bad.what)
def test_a_bad_command_or_setting(bad_home: Path, cli_here: Cli, report: Report, bad: BadCommand) -> None:
    done = cli_here(bad_home, *bad.arguments, **bad.settings)
    message = done.stderr.strip().rpartition("\n")[2].removeprefix("error: ")
    report.append(("setting" if bad.settings else "command", bad.what, f"exit {done.returncode}", message))
    assert done.returncode == bad.exit_code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert "secret-word" not in done.stderr
    assert done.stderr.count("error:") == 1
    _check_message(message, bad.says)


def test_the_table_is_long_enough() -> None:
    assert len([*FILES, *RECIPES, *REQUESTS, *COMMANDS]) >= 40
