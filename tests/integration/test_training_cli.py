"""The command `train`."""

import json
from pathlib import Path

import pytest
from commands import Cli


@pytest.fixture
def recipes(cli: Cli, tmp_path: Path) -> dict[str, str]:
    """A table, and files of recipes that can be trained, that fail in training, and that do not fit the table."""
    rows = (f"{row},{row * row % 7},{row + row * row % 7}" for row in range(60))
    (tmp_path / "numbers.csv").write_text("\n".join(["a,b,total", *rows]))
    assert cli("data", "add", "numbers.csv", "--name", "numbers", "--time", "none").code == 0
    start = 'name = "sums"\ndataset = "numbers"\n'
    texts = {
        "ridge": 'features = ["a", "b"]\nalgorithm = "ridge"\ntarget = "total"\n',
        "forest": 'features = ["a", "b"]\nalgorithm = "random_forest"\ntarget = "total"\n',
        "one-class": (
            'features = ["b"]\nalgorithm = "logistic"\ntarget = { column = "a > 100", task = "classification" }\n'
        ),
        "misspelt": 'features = ["a"]\nalgorithm = "rigde"\ntarget = "total"\n',
        "unfit": 'features = ["tootal"]\nalgorithm = "ridge"\ntarget = "a"\n',
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.toml").write_text(start + text)
    return {name: f"{name}.toml" for name in texts}


def test_recipes_are_trained_here_when_nobody_else_does(cli: Cli, recipes: dict[str, str]) -> None:
    done = cli("train", recipes["ridge"], recipes["forest"], "--json")
    assert done.code == 0, done.err
    ridge, forest = done.json
    assert [training["status"] for training in (ridge, forest)] == ["completed", "completed"]
    assert {ridge["version"], forest["version"]} == {1, 2}
    assert ridge["metrics"]["rmse"] < ridge["baselines"]["mean"]["rmse"]
    again = cli("train", recipes["ridge"], "--json").json[0]
    assert again["duplicate"]
    assert again["model_id"] == ridge["model_id"]
    assert again["verdict"]["measure"] == "rmse"
    shown = cli("train", recipes["ridge"])
    assert "completed, known already" in shown.out
    assert "beats it" in shown.out
    assert "judged by" in shown.out
    assert f"{again['trained_rows']:,} rows" in shown.out


def test_what_a_training_took_is_told(cli: Cli, recipes: dict[str, str]) -> None:
    (made,) = cli("train", recipes["ridge"], "--json").json
    manifest = cli("models", "show", "sums", "--json").json["manifest"]
    assert made["trained_rows"] == manifest["trained_rows"] == 60
    assert made["fit_seconds"] == manifest["fit_seconds"] > 0
    assert made["verdict"] == {
        "measure": "rmse",
        "value": made["metrics"]["rmse"],
        "baseline": made["baselines"]["mean"]["rmse"],
        "baseline_name": "mean",
        "beats_it": True,
    }


def test_a_known_recipe_under_another_name_is_told_the_first(cli: Cli, recipes: dict[str, str], tmp_path: Path) -> None:
    text = (tmp_path / recipes["ridge"]).read_text()
    (tmp_path / "other.toml").write_text(text.replace('"sums"', '"totals"'))
    (waiting, same) = cli("train", recipes["ridge"], "other.toml", "--no-watch", "--json").json
    assert (same["status"], same["job_id"], same["model_name"]) == ("pending", waiting["job_id"], "sums")
    cli("train", recipes["ridge"])
    (known,) = cli("train", "other.toml", "--no-watch", "--json").json
    assert (known["name"], known["model_name"], known["version"]) == ("totals", "sums", 1)
    assert "completed, known as sums" in cli("train", "other.toml").out


def test_people_are_not_shown_the_log(cli: Cli, recipes: dict[str, str]) -> None:
    assert cli("train", recipes["ridge"]).err.startswith("→ forecastle models show ")


@pytest.mark.usefixtures("ray_cluster")
def test_recipes_are_trained_on_a_cluster(cli: Cli, recipes: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTLE_JOBS__EXECUTOR", "ray")
    done = cli("train", recipes["ridge"], recipes["one-class"], "--json")
    assert done.code == 10
    ridge, failed = json.loads(done.out)
    assert (ridge["status"], failed["status"]) == ("completed", "failed")
    assert ridge["metrics"]["rmse"] < ridge["baselines"]["mean"]["rmse"]
    assert "expected 2 to 100 classes" in failed["error"]


def test_submitting_does_not_wait(cli: Cli, recipes: dict[str, str]) -> None:
    (made,) = cli("train", recipes["ridge"], "--no-watch", "--json").json
    assert (made["status"], made["metrics"]) == ("pending", None)


def test_a_training_is_submitted_on_terms(cli: Cli, recipes: dict[str, str]) -> None:
    options = ("--priority", "7", "--timeout", "90", "--memory", "900")
    (made,) = cli("train", recipes["ridge"], *options, "--no-watch", "--json").json
    job = cli("jobs", "show", made["job_id"], "--json").json
    assert (job["priority"], job["timeout_s"], job["memory_mb"]) == (7, 90.0, 900)


def test_terms_that_cannot_be_kept_are_named_before_anything_is_submitted(cli: Cli, recipes: dict[str, str]) -> None:
    done = cli("train", recipes["ridge"], "--memory", "1")
    assert (done.code, done.out) == (4, "")
    assert "memory_mb: expected megabytes, 64 to" in done.err
    assert cli("jobs", "list", "--json").json["items"] == []


def test_a_failed_training_is_told_and_ends_with_partial_success(cli: Cli, recipes: dict[str, str]) -> None:
    done = cli("train", recipes["ridge"], recipes["one-class"])
    assert done.code == 10
    assert "one-class.toml: target.column: expected 2 to 100 classes" in done.err
    assert "completed" in done.out
    assert "failed" in done.out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "misspelt",
            'lightgbm, xgboost, nearest_neighbours (did you mean ridge?), found "rigde"',
        ),
        ("unfit", "unfit.toml: tootal: at character 1: expected a column"),
    ],
)
def test_a_recipe_that_cannot_be_trained_stops_everything_before_it_starts(
    cli: Cli, recipes: dict[str, str], name: str, message: str
) -> None:
    done = cli("train", recipes["ridge"], recipes[name])
    assert done.code == 4
    assert message in done.err
    assert cli("jobs", "list", "--json").json["items"] == []


@pytest.mark.parametrize("path", ["nowhere.toml", "numbers.csv/nowhere.toml"])
def test_a_file_that_is_not_there(cli: Cli, recipes: dict[str, str], path: str) -> None:
    done = cli("train", recipes["ridge"], path)
    assert (done.code, done.err) == (5, f"error: {path}: no such file\n")


def test_a_table_that_is_not_there(cli: Cli, recipes: dict[str, str], tmp_path: Path) -> None:
    text = (tmp_path / recipes["ridge"]).read_text()
    (tmp_path / "lost.toml").write_text(text.replace('"numbers"', '"nmbers"'))
    done = cli("train", "lost.toml")
    assert done.code == 5
    assert done.err.startswith("error: lost.toml: no dataset is named 'nmbers'")
