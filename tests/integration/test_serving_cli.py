"""The commands for models and predictions, on a model that was trained by command."""

import json
import shutil
from pathlib import Path

import pytest
from commands import Cli
from pyarrow import parquet

RECIPE = """
name = "bars"
dataset = "bars"
algorithm = "ridge"
features = ["day = ret(close, 1)", "ticker"]
target = { column = "close", transform = "log_return", horizon = 1 }
"""
ROWS = [
    f"2024-0{1 + day // 28}-{1 + day % 28:02},{ticker},{100 + (day * 37 % 11) / 5}\n"
    for day in range(84)
    for ticker in "AB"
]


@pytest.fixture
def trained(cli: Cli, tmp_path: Path) -> Cli:
    """Commands in a home with a trained model `bars`."""
    (tmp_path / "bars.csv").write_text("date,ticker,close\n" + "".join(ROWS))
    (tmp_path / "bars.toml").write_text(RECIPE)
    for arguments in (
        ("data", "add", "bars.csv", "--name", "bars", "--time", "date", "--key", "ticker"),
        ("train", "bars.toml"),
    ):
        done = cli(*arguments)
        assert done.code == 0, done.err
    return cli


def test_models_and_predictions_by_command(trained: Cli) -> None:
    listed = trained("models", "list", "--json").json["items"]
    assert [(each["name"], each["version"], each["stage"]) for each in listed] == [("bars", 1, "dev")]
    shown = trained("models", "show", "bars", "--json").json
    assert shown["id"] == listed[0]["id"]
    assert shown["manifest"]["features"][1]["categories"] == ["A", "B"]
    assert shown["verdict"]["baseline"] == min(each["rmse"] for each in shown["baselines"].values())

    by_time = trained("predict", "bars", "--key", "ticker=A", "--time", "2024-02-10", "--json").json
    assert by_time["target"]["column"] == "close"
    day = by_time["features"]["day"]
    named = trained("predict", "bars", "--named", f"day={day!r}", "--named", "ticker=A", "--json").json
    listed_features = json.dumps([day, "A"])
    vector = trained("predict", shown["id"], "--features", listed_features, "--json").json
    assert by_time["prediction"] == named["prediction"] == vector["prediction"]

    assert "judged by" in trained("models", "list").out
    assert f"rmse {shown['metrics']['rmse']:.5g} against" in trained("models", "show", "bars").out
    unseen = trained("predict", "bars", "--features", '[0.1, "Z"]')
    assert "prediction" in unseen.out
    assert "not seen in training" in unseen.err

    promoted = trained("models", "promote", shown["id"], "production", "--json").json
    assert promoted["stage"] == "production"
    assert trained("predict", "--features", '[0.1, "A"]', "--json").json["model"]["id"] == shown["id"]
    by_name = trained("models", "remove", "bars")
    assert by_name.code == 5
    assert f"an id is needed; its newest version is {shown['id']}" in by_name.err
    assert shown["id"] in trained("models", "remove", shown["id"]).out
    assert trained("models", "list", "--json").json == {"items": [], "next": None}


def test_a_damaged_dataset_is_named_by_every_command_that_reads_it(trained: Cli, home: Path, tmp_path: Path) -> None:
    (file,) = (home / "datasets").glob("*.parquet")
    closes = parquet.read_metadata(file).row_group(0).column(2)
    with file.open("r+b") as stored:
        stored.seek(closes.data_page_offset + closes.total_compressed_size // 2)
        stored.write(b"\xff" * 8)
    (tmp_path / "other.toml").write_text(RECIPE.replace("ret(close, 1)", "ret(close, 2)"))
    damaged = f"dataset 'bars' is damaged: its file datasets/{file.name} is not what was imported"
    for arguments in (
        ("features", "preview", "bars", "close"),
        ("predict", "bars", "--key", "ticker=A", "--time", "2024-02-10"),
    ):
        refused = trained(*arguments)
        assert refused.code == 8
        assert refused.err.startswith(f"error: {damaged}")
        assert refused.err.count("\n") == 1
    shutil.rmtree(home / "datasets" / "derived")
    assert trained("train", "other.toml").code != 0
    (job,) = trained("jobs", "list", "--status", "failed", "--json").json["items"]
    assert job["error"].startswith(damaged)
    assert "Traceback" not in trained("jobs", "logs", job["id"]).out
    assert trained("data", "add", "bars.csv", "--name", "bars", "--time", "date", "--key", "ticker").code == 0
    assert trained("jobs", "retry", job["id"]).code == 0
    assert trained("train", "other.toml").code == 0


def test_a_prediction_outside_the_regime_of_its_model_says_so(trained: Cli, tmp_path: Path) -> None:
    recipe = RECIPE.replace('"bars"', '"calm"', 1).replace('name = "calm"', 'name = "calm"\nwhere = \'ticker == "A"\'')
    (tmp_path / "calm.toml").write_text(recipe)
    assert trained("train", "calm.toml").code == 0
    inside, outside = (trained("predict", "calm", "--key", f"ticker={it}", "--time", "2024-02-10") for it in "AB")
    assert (inside.code, outside.code) == (0, 0)
    warning = 'the model was trained only on rows for which ticker == "A", which is not true of this one'
    assert (warning in inside.err, warning in outside.err) == (False, True)
    by_vector = trained("predict", "calm", "--features", '[0.1, "B"]', "--json").json
    assert not any("trained only" in each for each in by_vector["warnings"])


def test_an_interval_is_told_in_words(trained: Cli, tmp_path: Path) -> None:
    recipe = RECIPE.replace('"bars"', '"sure"', 1).replace('name = "sure"', 'name = "sure"\ninterval = 0.8')
    (tmp_path / "sure.toml").write_text(recipe)
    assert trained("train", "sure.toml").code == 0
    learned = trained("models", "show", "sure", "--json").json["manifest"]["interval"]
    asked = ("predict", "sure", "--key", "ticker=A", "--time", "2024-02-10")
    given = trained(*asked, "--json").json["interval"]
    shown = trained(*asked).out
    assert f"{given['lower']:g} to {given['upper']:g} in 80 % of cases" in shown
    assert f"{given['target']['lower']:g} to {given['target']['upper']:g} in 80 % of cases" in shown
    assert "{" not in shown
    facts = trained("models", "show", "sure").out
    assert f"80 %: prediction {learned['lower']:+.5g} to {learned['upper']:+.5g}" in facts
    assert f"it covered {learned['measured_coverage']:.1%} of {learned['measured_rows']:,}" in facts


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("predict",), 4, "expected one of --features, --named, --key and --time, found none"),
        (("predict", "--features", "[1]", "--named", "a=1"), 4, "found --features and --named"),
        (("predict", "--features", "[1"), 4, "--features: expected JSON, found [1"),
        (("predict", "--features", "1"), 4, "--features: expected a list, or an object"),
        (("predict", "--named", "a"), 4, "--named: expected NAME=VALUE, found a"),
        (("predict", "--key", "ticker=A"), 4, "--time: expected an ISO 8601 date or time, found nothing"),
        (("predict", "--time", "soon"), 4, "--time: expected an ISO 8601 date or time, found soon"),
        (("predict", "--features", "[1]"), 8, "there is no model to answer with yet"),
        (("predict", "bars", "--features", "[1]"), 5, "there is no model 'bars'"),
        (("models", "show", "bars"), 5, "there is no model 'bars'"),
        (("models", "remove", "bars"), 5, "there is no model 'bars'"),
        (("models", "promote", "bars", "live"), 4, "stage: expected one of dev, staging, production, archived"),
        (("models", "list", "--stage", "live"), 4, "found live"),
        (("models", "list", "--cursor", "x"), 4, "cursor"),
    ],
)
def test_a_bad_command_ends_with_one_line(cli: Cli, arguments: tuple[str, ...], code: int, message: str) -> None:
    done = cli(*arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert "Traceback" not in done.err
