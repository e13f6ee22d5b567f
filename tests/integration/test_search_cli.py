"""Searches, batches, retraining and evolution on the command line."""

import json
from pathlib import Path

import pytest
from commands import Cli

from forecastle.cli.hunts import brief

FEATURES = ["a", "b", "a * b", "a + b", "a - b", "a / (b + 1)", "b * b"]


@pytest.fixture
def table(cli: Cli, tmp_path: Path) -> Path:
    """A folder with a table that is imported as `numbers`."""
    rows = (f"{row},{row * row % 7},{row + row * row % 7}" for row in range(60))
    (tmp_path / "numbers.csv").write_text("\n".join(["a,b,total", *rows]))
    assert cli("data", "add", "numbers.csv", "--name", "numbers", "--time", "none").code == 0
    return tmp_path


def _search(folder: Path, name: str = "grid.toml", search: str = "", **fields: object) -> str:
    recipe = {"name": "sums", "dataset": "numbers", "features": ["a", "b"], "algorithm": "ridge", "target": "total"}
    lines = [f"{field} = {json.dumps(value)}" for field, value in (recipe | fields).items()]
    (folder / name).write_text("\n".join([*lines, "[search]", search]))
    return name


SPACE = 'space = { features = [["a"], ["a", "b"]], seed = [1, 2] }'


def test_one_file_trains_a_grid_and_shows_the_leaderboard(cli: Cli, table: Path) -> None:
    grid = _search(table, search=SPACE)
    done = cli("train", grid)
    assert done.code == 0, done.err
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0][:3] == ["trial", "state", "rmse"]
    values = [float(row[2]) for row in rows[1:]]
    assert len(values) == 4
    assert values == sorted(values)
    assert "4 trials of 4 different recipes: 4 completed" in done.err
    (again,) = cli("train", grid, "--json").json
    assert (again["status"], again["planned"], again["known"]) == ("completed", 4, 4)
    assert again["states"] == {"duplicate": 4}
    assert [trial["value"] for trial in again["best"]] == pytest.approx(values, rel=1e-3)
    listed = cli("searches", "list", "--json").json["items"]
    assert [search["status"] for search in listed] == ["completed"] * 2
    shown = cli("searches", "show", listed[1]["id"], "--limit", "2", "--json").json
    assert (shown["states"], len(shown["best"])) == ({"completed": 4}, 2)
    assert cli("searches", "list", "--model", shown["best"][0]["model_id"]).out.count("grid") == 2
    listed = cli("models", "list", "--cohort", listed[1]["id"], "--json").json["items"]
    assert len(listed) == 4


def test_a_search_that_is_only_submitted_is_gone_on_with_later(cli: Cli, table: Path) -> None:
    search = (
        'method = "bayes"\ntrials = 3\nparallel = 1\nspace = { "hyperparameters.alpha" = { low = 0.1, high = 9.0 } }'
    )
    (started,) = cli("train", _search(table, search=search), "--no-watch", "--json").json
    assert (started["status"], started["states"]) == ("running", {"running": 1})
    shown = cli("searches", "show", started["search_id"])
    assert f"forecastle searches show {started['search_id']} --watch" in shown.err
    ended = cli("searches", "show", started["search_id"], "--watch", "--json").json
    assert (ended["status"], ended["trials"]) == ("completed", 3)


def test_a_file_given_twice_is_two_searches_and_fitted_once(cli: Cli, table: Path) -> None:
    grid = _search(table, search=SPACE)
    (table / "one.json").write_text(
        json.dumps({"name": "one", "dataset": "numbers", "features": ["a"], "algorithm": "ridge", "target": "total"})
    )
    first, single, second = cli("train", grid, "one.json", grid, "--no-watch", "--json").json
    assert (first["known"], single["status"], second["known"]) == (0, "pending", 4)
    assert len(cli("jobs", "list", "--json").json["items"]) == 5


def test_a_search_is_cancelled(cli: Cli, table: Path) -> None:
    (started,) = cli("train", _search(table, search=SPACE), "--no-watch", "--json").json
    cancelled = cli("searches", "cancel", started["search_id"], "--json").json
    assert (cancelled["status"], cancelled["states"]) == ("cancelled", {"cancelled": 4})
    assert {job["status"] for job in cli("jobs", "list", "--json").json["items"]} == {"cancelled"}
    assert cli("searches", "cancel", started["search_id"]).code == 0
    assert cli("searches", "show", started["search_id"]).code == 10
    assert cli("searches", "show", "nothing").code == 5
    assert cli("searches", "list", "--status", "cancelled").out.count("grid") == 1


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ("space = { sed = [1] }", "grid.toml: search.space.sed: expected one of"),
        ('space = { seed = ["x"] }', "grid.toml: search.space.seed: expected a whole number"),
        ('space = { features = [["a"], ["c"]] }', "grid.toml: c: at character 1: expected a column"),
        ("", "grid.toml: search.space: expected a field of the recipe with the values to try, found nothing"),
    ],
)
def test_a_bad_search_stops_everything_before_it_starts(cli: Cli, table: Path, search: str, message: str) -> None:
    good = _search(table, "good.toml", SPACE)
    done = cli("train", good, _search(table, search=search))
    assert (done.code, message in done.err) == (4, True), done.err
    assert cli("jobs", "list", "--json").json["items"] == []
    assert cli("searches", "list", "--json").json["items"] == []


def test_a_status_that_there_is_not(cli: Cli) -> None:
    done = cli("searches", "list", "--status", "over")
    assert (done.code, "status: expected one of running, completed" in done.err) == (4, True)


def test_a_trial_that_fails_is_partial_success(cli: Cli, table: Path) -> None:
    """A logistic regression of one class cannot be fitted."""
    columns = '["a > 30", "a > 100"]'
    search = f'space = {{ "target.column" = {columns} }}\nmetric = "accuracy"'
    grid = _search(table, search=search, algorithm="logistic", features=["b"], target={})
    (table / grid).write_text((table / grid).read_text().replace("target = {}", 'target = { task = "classification" }'))
    done = cli("train", grid)
    assert done.code == 10, done.err
    assert "1 completed, 1 failed" in done.err
    assert "trial 1: target.column: expected 2 to 100 classes" in done.err


def test_a_model_is_retrained_with_fewer_features_and_evolved(cli: Cli, table: Path) -> None:
    recipe = {"name": "sums", "dataset": "numbers", "features": FEATURES, "algorithm": "ridge", "target": "total"}
    (table / "sums.json").write_text(json.dumps(recipe))
    (parent,) = cli("train", "sums.json", "--json").json
    same = cli("retrain", "sums", "--json").json
    assert (same["duplicate"], same["model_id"]) == (True, parent["model_id"])
    child = cli("retrain", parent["model_id"], "--feature", "a", "--feature", "b", "--feature", "c", "--json").json
    assert (child["status"], child["version"], child["duplicate"]) == ("completed", 2, False)
    assert (child["features"], child["ignored"]) == (["a", "b"], ["c"])
    assert "there is no c; trained without" in cli("retrain", "sums", "--feature", "a", "--feature", "c").err
    nothing = cli("retrain", "sums", "--feature", "c")
    assert (nothing.code, "features: expected features of the parent" in nothing.err) == (4, True)
    evolved = cli("evolve", parent["model_id"], "--keep", "2", "--generations", "1", "--json").json
    assert (evolved["method"], evolved["status"]) == ("evolve", "completed")
    assert evolved["trials"] == 2
    assert evolved["outcome"].keys() == {"best", "model_id", "value", "improvement", "stage"}
    assert cli("evolve", "nothing").code == 5
    few = cli("evolve", parent["model_id"], "--keep", "7")
    assert (few.code, "keep: expected fewer features than the" in few.err) == (4, True)


def test_a_batch_file_trains_four_models_of_one_group(cli: Cli, tmp_path: Path) -> None:
    days = (f"2026-{1 + day // 28:02}-{1 + day % 28:02},{day},{day + 2},{day - 2},{day + 1}" for day in range(10, 300))
    (tmp_path / "bars.csv").write_text("\n".join(["day,open,high,low,close", *days]))
    assert cli("data", "add", "bars.csv", "--name", "bars").code == 0
    text = (
        'name = "bar"\ndataset = "bars"\nfeatures = ["ret(close, 1)"]\nalgorithm = "ridge"\n[batch]\nhigh_low = "1w"\n'
    )
    (tmp_path / "batch.toml").write_text(text)
    made = cli("train", "batch.toml", "--json").json
    assert [each["name"] for each in made] == ["bar-open", "bar-close", "bar-high", "bar-low"]
    assert [each["status"] for each in made] == ["completed"] * 4
    assert len({each["group"] for each in made}) == 1
    assert len(cli("models", "list", "--group", made[0]["group"], "--json").json["items"]) == 4


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["day = ret(close, 1)", "rsi(close, 14)"], "day, rsi(close, 14)"),
        ({"kind": "walk_forward", "train": 500}, "kind=walk_forward train=500"),
        (0.123456789, "0.123457"),
        ("ridge", "ridge"),
        (None, "None"),
        ([f"feature_{number}" for number in range(9)], "9: feature_0, feature_1, feature_2, feature_3,…"),
    ],
)
def test_parameters_are_shown_in_a_few_words(value: object, text: str) -> None:
    assert brief(value) == text
