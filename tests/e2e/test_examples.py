"""The examples on the real tables: every file imports, the bars are met, served predictions equal the trainer's."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge

from forecastle.training import openmp

pytestmark = pytest.mark.real_data

ROOT = Path(__file__).parents[2]
API = "/api/v1"
RECIPES = sorted((ROOT / "examples" / "recipes").glob("*.toml"))
SERIES = [recipe for recipe in RECIPES if recipe.stem.startswith(("temperature", "football", "nvda"))]

UNMEASURED = {"COVERAGE_PROCESS_CONFIG": ""}
"""Other tests measure what these processes run; here they need not run it slowly."""

Cli = Callable[..., subprocess.CompletedProcess[str]]
Trained = Mapping[str, Mapping[str, Any]]


# --- every file imports ------------------------------------------------------------------------------------------


def _commands() -> list[str]:
    """The import commands that the README shows."""
    text = (ROOT / "examples" / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip().startswith("forecastle data add")]


@pytest.mark.parametrize("command", _commands(), ids=lambda command: " ".join(command.split()[3:7]))
def test_a_command_of_the_readme_does_what_it_says(
    tmp_path: Path, cli_here: Cli, real_data: Path, command: str
) -> None:
    done = cli_here(tmp_path, *command.replace("DATA_DIR", str(real_data)).split()[1:], "--json")
    if "mismatch" in command and "--columns" not in command:
        assert done.returncode == 4
        assert done.stderr.strip().rpartition("\n")[2] in (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    else:
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["rows"] > 1000


def test_the_readme_has_a_command_for_every_file(real_data: Path) -> None:
    named = {part.removeprefix("DATA_DIR/") for command in _commands() for part in command.split()}
    assert {str(path.relative_to(real_data)) for path in real_data.glob("*/*.csv")} <= named


# --- the bars are met --------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def examples_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examples")


@pytest.fixture(scope="session")
def examples_run(request: pytest.FixtureRequest, examples_home: Path) -> subprocess.CompletedProcess[str]:
    """What the script printed after it had trained every recipe in that home."""
    data = Path(request.config.getoption("--real-data")).absolute()
    command: list[str | Path] = [sys.executable, ROOT / "examples" / "run.py", data, "--home", examples_home, "--json"]
    environment = {**os.environ, **UNMEASURED}
    done = subprocess.run(command, cwd=examples_home, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="session")
def results(examples_run: subprocess.CompletedProcess[str]) -> Trained:
    """The script's figures by the name of the recipe."""
    found = json.loads(examples_run.stdout)
    return {f"{result['example']}-{result['algorithm'].replace('_', '-')}": result for result in found}


@pytest.fixture(scope="session")
def client(
    examples_home: Path,
    examples_run: subprocess.CompletedProcess[str],
    launch: Callable[..., AbstractContextManager[tuple[object, str]]],
) -> Iterator[httpx.Client]:
    """The admin of a server on the home of the examples."""
    shown = re.search(r"sign in as\s+admin\s+with password\s+(\S+)", examples_run.stderr)
    assert shown is not None, examples_run.stderr
    with (
        launch(examples_home, "--no-runner", **UNMEASURED) as (_process, url),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        login = client.post(f"{API}/auth/login", json={"username": "admin", "password": shown[1]})
        client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        yield client


def test_every_recipe_gives_a_model(results: Trained) -> None:
    assert results.keys() == {recipe.stem for recipe in RECIPES}


@pytest.mark.parametrize("algorithm", ["ridge", "random-forest", "lightgbm"])
def test_temperature_beats_persistence_and_climatology(client: httpx.Client, results: Trained, algorithm: str) -> None:
    model = client.get(f"{API}/models/{results[f'temperature-{algorithm}']['model_id']}").json()
    for baseline in ("persistence", "climatology"):
        assert model["metrics"]["rmse"] < model["baselines"][baseline]["rmse"]


@pytest.mark.parametrize("algorithm", ["logistic", "random-forest", "lightgbm"])
def test_football_beats_the_class_prior(client: httpx.Client, results: Trained, algorithm: str) -> None:
    model = client.get(f"{API}/models/{results[f'football-{algorithm}']['model_id']}").json()
    assert model["metrics"]["log_loss"] < model["baselines"]["prior"]["log_loss"]


def test_adult_reaches_its_accuracy(results: Trained) -> None:
    assert results["adult-lightgbm"]["accuracy"] >= 0.86


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_the_verdict_is_what_the_figures_say(client: httpx.Client, results: Trained, recipe: Path) -> None:
    result = results[recipe.stem]
    model = client.get(f"{API}/models/{result['model_id']}").json()
    best = min(found[result["measure"]] for found in model["baselines"].values() if result["measure"] in found)
    assert result["baseline"] == best
    assert result["beats_it"] == (model["metrics"][result["measure"]] < best)


# --- served predictions equal the trainer's ----------------------------------------------------------------------


@pytest.fixture(scope="session")
def features_of(examples_home: Path, cli_at: Cli) -> Callable[[str, tuple[str, ...]], pl.DataFrame]:
    """`features_of(dataset, expressions)`: time, keys and features of every row, as the command line shows them."""

    @cache
    def compute(dataset: str, expressions: tuple[str, ...]) -> pl.DataFrame:
        preview = ("features", "preview", dataset, *expressions, "--rows", "100000", "--json")
        done = cli_at(examples_home, *preview, **UNMEASURED)
        assert done.returncode == 0, done.stderr
        return pl.DataFrame(json.loads(done.stdout)["rows"], infer_schema_length=None)

    return compute


TARGETS: Mapping[str, tuple[str, Callable[[pl.Expr], pl.Expr]]] = {
    "temperature": ("temp_max", lambda value: value.shift(-1).over("location")),
    "football": ("sign(ft_home - ft_away)", lambda value: value),
    "nvda": ("adj_close", lambda value: (value.shift(-1) >= value).cast(pl.Float64)),
    "adult": ("income", lambda value: (value == ">50K").cast(pl.Float64)),
    "wine": ("quality", lambda value: value),
    "abalone": ("rings", lambda value: value),
}
"""Of each example, what is predicted, and how it is made from that column."""


def _matrix(columns: pl.DataFrame, order: Sequence[str]) -> np.ndarray[Any, Any]:
    """Numbers first, then a 0/1 column for each category; both in the order of the features' expressions."""
    numbers = [columns[name].cast(pl.Float64) for name in order if columns[name].dtype != pl.String]
    flags = [
        (columns[name] == category).fill_null(False).cast(pl.Float64)
        for name in order
        if columns[name].dtype == pl.String
        for category in columns[name].drop_nulls().unique().sort()
    ]
    return np.column_stack([column.to_numpy() for column in numbers + flags])


def _standardised(matrix: np.ndarray[Any, Any], columns: pl.DataFrame) -> np.ndarray[Any, Any]:
    numbers = sum(column.dtype != pl.String for column in columns.iter_columns())
    scaled = (matrix[:, :numbers] - matrix[:, :numbers].mean(axis=0)) / matrix[:, :numbers].std(axis=0)
    return np.hstack([scaled, matrix[:, numbers:]])


def _fit_and_predict(
    recipe: Mapping[str, Any], matrix: np.ndarray[Any, Any], target: np.ndarray[Any, Any], *, classes: int
) -> np.ndarray[Any, Any]:
    """What scikit-learn or LightGBM itself makes of the recipe: values, or probabilities of the classes."""
    settings, seed = dict(recipe["hyperparameters"]), recipe["seed"]
    match recipe["algorithm"]:
        case "ridge":
            return np.asarray(Ridge(**settings, solver="cholesky").fit(matrix, target).predict(matrix))
        case "logistic":
            model = LogisticRegression(C=settings["c"], max_iter=1000)
            return np.asarray(model.fit(matrix, target).predict_proba(matrix))
        case "random_forest":
            kind = RandomForestClassifier if classes else RandomForestRegressor
            forest = kind(**settings, random_state=seed).fit(matrix, target)
            return np.asarray(forest.predict_proba(matrix) if classes else forest.predict(matrix))
    return _boost(settings, seed, matrix, target, classes=classes)


def _boost(
    settings: dict[str, Any], seed: int, matrix: np.ndarray[Any, Any], target: np.ndarray[Any, Any], *, classes: int
) -> np.ndarray[Any, Any]:
    openmp.load()
    import lightgbm  # noqa: PLC0415 - needs the library loaded above

    rounds = settings.pop("n_estimators")
    objective = {0: "regression", 2: "binary"}.get(classes, "multiclass")
    settings = {"num_leaves": 31, "learning_rate": 0.05, "min_child_samples": 20} | settings
    settings |= {"objective": objective, "seed": seed, "deterministic": True, "force_row_wise": True, "verbosity": -1}
    settings |= {"num_class": classes} if classes > 2 else {}
    settings |= {"bagging_freq": int(settings.get("subsample", 1) < 1), "num_threads": 1}
    codes = np.unique(target, return_inverse=True)[1] if classes else target
    predicted = np.asarray(lightgbm.train(settings, lightgbm.Dataset(matrix, codes), rounds).predict(matrix))
    return np.column_stack([1 - predicted, predicted]) if classes == 2 else predicted


@pytest.mark.parametrize("path", RECIPES, ids=lambda recipe: recipe.stem)
def test_predictions_over_http_equal_the_trainers(
    client: httpx.Client,
    results: Trained,
    features_of: Callable[[str, tuple[str, ...]], pl.DataFrame],
    path: Path,
) -> None:
    """Refit here with the libraries themselves, on the features that the command line shows."""
    recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    config = client.get(f"{API}/models/{results[path.stem]['model_id']}/config").json()
    names = [feature["name"] for feature in config["features"]]
    order = [item["name"] for item in sorted(config["features"], key=lambda item: item["expression"])]
    expression, label = TARGETS[path.stem.partition("-")[0]]
    frame = features_of(recipe["dataset"], (*recipe["features"], f"the_target = {expression}"))
    frame = frame.with_columns(label(pl.col("the_target")).alias("the_target"))
    numbers = [name for name in names if frame[name].dtype != pl.String]
    frame = frame.drop_nulls([*numbers, "the_target"])
    assert frame.height == config["trained_rows"]

    target = frame["the_target"].cast(pl.Float64).to_numpy()
    matrix = _matrix(frame.select(names), order)
    if recipe["algorithm"] != "lightgbm":
        matrix = _standardised(matrix, frame.select(names))
    centre, scale = (0.0, 1.0) if config["classes"] else (target.mean(), target.std())
    own = centre + scale * _fit_and_predict(recipe, matrix, (target - centre) / scale, classes=len(config["classes"]))

    chosen = np.linspace(0, frame.height - 1, 300).astype(int)
    served = _predict(client, config, frame[chosen].select(names).rows())
    allowed = config["parity"]["atol"] + config["parity"]["rtol"] * np.abs(own[chosen])
    assert (np.abs(served - own[chosen]) <= allowed).all(), np.abs(served - own[chosen]).max()


def _predict(client: httpx.Client, config: Mapping[str, Any], rows: Sequence[tuple[Any, ...]]) -> np.ndarray[Any, Any]:
    """Served values, or probabilities in the order of the classes."""
    found: list[Any] = []
    for start in range(0, len(rows), 100):
        body = {"model": config["id"], "samples": [list(row) for row in rows[start : start + 100]]}
        answer = client.post(f"{API}/batch-predict", json=body)
        assert answer.status_code == 200, answer.text
        if config["classes"]:
            found += [[row[name] for name in config["classes"]] for row in answer.json()["probabilities"]]
        else:
            found += answer.json()["predictions"]
    return np.array(found)


@pytest.mark.parametrize("path", SERIES, ids=lambda recipe: recipe.stem)
def test_by_key_and_time_equals_by_vector(
    client: httpx.Client,
    results: Trained,
    features_of: Callable[[str, tuple[str, ...]], pl.DataFrame],
    path: Path,
) -> None:
    recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    dataset = client.get(f"{API}/datasets/{recipe['dataset']}").json()
    config = client.get(f"{API}/models/{results[path.stem]['model_id']}/config").json()
    names = [feature["name"] for feature in config["features"]]
    frame = features_of(recipe["dataset"], tuple(recipe["features"])).drop_nulls(names)
    for row in frame[np.linspace(0, frame.height - 1, 25).astype(int)].iter_rows(named=True):
        key = {name: row[name] for name in dataset["keys"]}
        question = {"model": config["id"], "key": key, "time": row[dataset["time"]]}
        by_time = client.post(f"{API}/predict", json=question)
        assert by_time.status_code == 200, by_time.text
        by_vector = client.post(
            f"{API}/predict", json={"model": config["id"], "features": [row[name] for name in names]}
        )
        for name in ("prediction", "confidence", "probabilities"):
            assert by_time.json().get(name) == by_vector.json().get(name), row
