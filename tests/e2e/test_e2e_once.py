"""The same recipe is trained once, however often and from wherever it is submitted."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

API = "/api/v1"


def test_the_second_answer_is_the_model_that_is_there(
    any_admin: httpx.Client,
    upload: Callable[..., httpx.Response],
    train: Callable[..., dict[str, Any]],
    bars_csv: bytes,
    bars_recipe: Mapping[str, Any],
) -> None:
    upload(any_admin, "bars", bars_csv, time="date", key="ticker")
    model = train(any_admin, bars_recipe)
    before = any_admin.get(f"{API}/jobs", params={"limit": 1000}).json()["items"]
    again = any_admin.post(f"{API}/train", json=dict(bars_recipe))
    assert again.status_code == 200
    assert again.json()["duplicate"] is True
    assert again.json()["model_id"] == model["id"]
    assert again.json()["status"] == "completed"
    assert [job["id"] for job in any_admin.get(f"{API}/jobs", params={"limit": 1000}).json()["items"]] == [
        job["id"] for job in before
    ]


@pytest.mark.parametrize(
    "change",
    [
        {
            "features": [
                "day=ret( close )",
                "trend = close/sma(x=close, window=5)-1",
                "activity = volume / sma(volume,5)",
            ]
        },
        {"hyperparameters": {}},
        {"hyperparameters": {"alpha": 1}},
        {"context": [], "keys": None},
        {"target": {"column": "close", "transform": "log_return", "horizon": 1, "task": "regression"}},
    ],
    ids=["other spelling", "no hyperparameters", "default given", "empty lists", "task given"],
)
def test_another_spelling_is_the_same_recipe(
    admin: httpx.Client, bars_model: Mapping[str, Any], bars_recipe: Mapping[str, Any], change: dict[str, Any]
) -> None:
    answer = admin.post(f"{API}/train", json={**bars_recipe, **change})
    assert answer.status_code == 200, answer.text
    assert answer.json()["model_id"] == bars_model["id"]


@pytest.mark.parametrize("change", [{"seed": 4}, {"algorithm": "random_forest"}, {"hyperparameters": {"alpha": 2.0}}])
def test_what_changes_the_result_is_another_model(
    admin: httpx.Client, bars_model: Mapping[str, Any], bars_recipe: Mapping[str, Any], change: dict[str, Any]
) -> None:
    answer = admin.post(f"{API}/train", json={**bars_recipe, **change})
    assert answer.status_code == 202, answer.text
    assert answer.json()["fingerprint"] != bars_model["fingerprint"]


def test_many_at_once_make_one(
    any_admin: httpx.Client,
    upload: Callable[..., httpx.Response],
    await_job: Callable[..., dict[str, Any]],
    bars_csv: bytes,
    bars_recipe: Mapping[str, Any],
) -> None:
    upload(any_admin, "bars", bars_csv, time="date", key="ticker")
    recipe = {**bars_recipe, "seed": 77}

    def submit(_: int) -> dict[str, Any]:
        answer = any_admin.post(f"{API}/train", json=recipe)
        assert answer.is_success, answer.text
        body: dict[str, Any] = answer.json()
        return body

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(submit, range(12)))
    assert len({answer["model_id"] for answer in answers}) == 1
    assert len({answer["job_id"] for answer in answers}) == 1
    assert sum(not answer["duplicate"] for answer in answers) == 1
    await_job(any_admin, answers[0]["job_id"])
    models = any_admin.get(f"{API}/models", params={"limit": 1000}).json()["items"]
    assert sum(model["fingerprint"] == answers[0]["fingerprint"] for model in models) == 1


def test_two_processes_at_the_same_instant_make_one_model(
    tmp_path: Path,
    database_environment: Mapping[str, str],
    launch: Callable[..., AbstractContextManager[tuple[object, str]]],
    cli_here: Callable[..., subprocess.CompletedProcess[str]],
    bars_csv: bytes,
    bars_recipe: Mapping[str, Any],
) -> None:
    """Two command lines submit while a server's runner works on the same home."""
    (tmp_path / "bars.csv").write_bytes(bars_csv)
    (tmp_path / "recipe.json").write_text(json.dumps(dict(bars_recipe)))
    added = cli_here(tmp_path, "data", "add", "bars.csv", "--name", "bars", "--key", "ticker", **database_environment)
    assert added.returncode == 0, added.stderr
    with launch(tmp_path, **database_environment):
        command = [sys.executable, "-m", "forecastle", "train", "recipe.json", "--json"]
        environment = {**os.environ, "FORECASTLE_HOME": str(tmp_path), **database_environment}
        both = [
            subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for _ in range(2)
        ]
        ended = [(process, *process.communicate(timeout=120)) for process in both]
    for process, _, errors in ended:
        assert process.returncode == 0, errors.decode()
    trained = [json.loads(output)[0] for _, output, _ in ended]
    assert [training["status"] for training in trained] == ["completed", "completed"]
    assert len({training["model_id"] for training in trained}) == 1
    assert sorted(training["duplicate"] for training in trained) == [False, True]
    listed = json.loads(cli_here(tmp_path, "models", "list", "--json", **database_environment).stdout)
    assert len(listed["items"] if isinstance(listed, dict) else listed) == 1
