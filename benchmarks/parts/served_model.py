"""One LightGBM to be served: ours, trained and published by the command line, and a booster of the same size."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray

ROWS, WIDTH, TREES, LEAVES = 4_000, 20, 100, 31
NAMES = [f"x{place}" for place in range(WIDTH)]
RECIPE = f"""
name = "served"
dataset = "table"
algorithm = "lightgbm"
features = {json.dumps(NAMES)}
[target]
column = "y"
horizon = 0
[split]
kind = "random"
test = 0.1
[hyperparameters]
n_estimators = {TREES}
num_leaves = {LEAVES}
learning_rate = 0.1
"""


@dataclass(frozen=True)
class ServedModel:
    """Files, and rows that neither was trained on."""

    home: Path
    graph: Path
    booster: Path
    rows: NDArray[np.float64]


def make(folder: Path, environment: Mapping[str, str], *, rows: int) -> ServedModel:
    """Train both on the same table; `environment` says where our home and database are."""
    random = np.random.default_rng(11)
    x = random.normal(size=(ROWS, WIDTH))
    y = x[:, 0] * x[:, 1] + np.sin(3 * x[:, 2]) + random.normal(0, 0.1, ROWS)
    pl.DataFrame(dict(zip([*NAMES, "y"], [*x.T, y], strict=True))).write_parquet(folder / "table.parquet")
    (folder / "recipe.toml").write_text(RECIPE)
    forecastle(environment, "data", "add", str(folder / "table.parquet"), "--name", "table")
    forecastle(environment, "train", str(folder / "recipe.toml"))
    model = forecastle(environment, "models", "list", "--json")["items"][0]
    forecastle(environment, "models", "promote", model["id"], "production")
    settings = {"objective": "regression", "num_leaves": LEAVES, "learning_rate": 0.1, "num_threads": 1, "verbose": -1}
    booster = lightgbm.train(settings, lightgbm.Dataset(x, y), num_boost_round=TREES)
    booster.save_model(folder / "booster.txt")
    home = Path(environment["FORECASTLE_HOME"])
    graph = next(path for path in (home / "artifacts").rglob("*") if path.is_file() and is_graph(path))
    return ServedModel(home, graph, folder / "booster.txt", random.normal(size=(rows, WIDTH)).round(6))


def is_graph(path: Path) -> bool:
    """Whether a file is an ONNX graph: a manifest is JSON."""
    return path.read_bytes()[:1] == b"\x08"


def token(environment: Mapping[str, str]) -> str:
    """Of an account of ours."""
    forecastle(environment, "user", "add", "bench", "--generate", "--json")
    return str(forecastle(environment, "user", "token", "bench", "--json")["access_token"])


def forecastle(environment: Mapping[str, str], *arguments: str) -> Any:
    """What one command prints as JSON, or nothing.

    Raises:
        subprocess.CalledProcessError: it failed; it has said why.
    """
    command = [sys.executable, "-m", "forecastle", *arguments]
    done = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout) if "--json" in arguments else None
