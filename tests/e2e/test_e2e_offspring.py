"""From a table to a better model's child, and a search, through the HTTP interface alone, with a runner at work."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

API = "/api/v1"
FEATURES = [
    "day = ret(close, 1)",
    "week = ret(close, 5)",
    "trend = close / sma(close, 5) - 1",
    "activity = volume / sma(volume, 5)",
    "place = ibs()",
    "weekday = weekday()",
]
TIMEOUT_S = 120.0
POLL_S = 0.1


@pytest.fixture
def bars(any_admin: httpx.Client, upload: Callable[..., httpx.Response], bars_csv: bytes) -> httpx.Client:
    answer = upload(any_admin, "bars", bars_csv, time="date", key="ticker")
    assert answer.is_success, answer.text
    return any_admin


def test_a_batch_and_a_child_with_the_best_half_of_the_features(
    bars: httpx.Client, await_job: Callable[[httpx.Client, str], dict[str, Any]], bars_recipe: Mapping[str, Any]
) -> None:
    batch = {name: value for name, value in bars_recipe.items() if name != "target"} | {"features": FEATURES}
    submitted = bars.post("/train/batch", json=batch | {"name": "bar", "seed": 51})
    assert submitted.status_code == 202, submitted.text
    trainings = submitted.json()["trainings"]
    for training in trainings:
        job = await_job(bars, training["job_id"])
        assert job["status"] == "completed", job
    grouped = bars.get(f"{API}/models", params={"group": submitted.json()["group"]}).json()["items"]
    assert {model["name"] for model in grouped} == {"bar-open", "bar-close", "bar-high", "bar-low"}

    parent = trainings[1]["model_id"]
    ranking = bars.get(f"/api/model/{parent}/importance").json()
    best = [each["feature"] for each in ranking["features"]][: len(FEATURES) // 2]
    child = bars.post("/api/train_with_parent", json={"parent": parent, "features": best})
    assert child.status_code == 202, child.text
    assert await_job(bars, child.json()["job_id"])["status"] == "completed"
    model = bars.get(f"{API}/models/{child.json()['model_id']}").json()
    assert (model["parent"], model["name"], model["version"] > 1) == (parent, "bar-close", True)
    config = bars.get(f"{API}/models/{model['id']}/config").json()
    assert {feature["name"] for feature in config["features"]} == set(best)

    compared = bars.get(f"{API}/models/compare", params={"ids": f"{parent},{model['id']}"})
    assert compared.status_code == 200, compared.text
    assert parent in compared.text
    lineage = bars.get(f"{API}/models/{model['id']}/lineage")
    assert lineage.status_code == 200, lineage.text
    assert parent in lineage.text

    same = bars.post(f"/retrain/{parent}")
    assert (same.status_code, same.json()["model_id"]) == (200, parent)

    refused = bars.delete(f"{API}/models/{parent}")
    assert refused.status_code == 409, refused.text
    assert model["id"] in refused.text
    assert bars.delete(f"{API}/models/{parent}", params={"cascade": "true"}).status_code == 204
    for gone in (parent, model["id"]):
        assert bars.get(f"{API}/models/{gone}").status_code == 404


def test_a_search_is_steered_by_the_runner_to_its_end(bars: httpx.Client, bars_recipe: Mapping[str, Any]) -> None:
    search = {
        "method": "bayes",
        "trials": 5,
        "parallel": 2,
        "space": {
            "hyperparameters": {"alpha": {"low": 0.01, "high": 100.0, "log": True}},
            "features": [FEATURES, FEATURES[:3]],
        },
    }
    started = bars.post(f"{API}/train/search", json={**bars_recipe, "name": "searched", "seed": 52, "search": search})
    assert started.status_code == 202, started.text
    assert started.json()["states"] == {"running": 2}
    ended = _await_search(bars, started.json()["id"])
    assert (ended["status"], ended["trials"], ended["states"]) == ("completed", 5, {"completed": 5})
    ranked = bars.get(f"{API}/searches/{ended['id']}/trials").json()["items"]
    assert [trial["value"] for trial in ranked] == sorted(trial["value"] for trial in ranked)
    assert ranked[0]["model_id"] == ended["outcome"]["model_id"]
    cohort = bars.get(f"{API}/models", params={"cohort": ended["id"]}).json()["items"]
    assert {model["id"] for model in cohort} == {trial["model_id"] for trial in ranked}
    tried = bars.get(f"{API}/models/{ranked[0]['model_id']}/trials").json()
    assert tried == {"searches": 1, "trials": 5, "distinct": 5}


def test_an_evolution_is_steered_by_the_runner_to_its_end(
    bars: httpx.Client, await_job: Callable[[httpx.Client, str], dict[str, Any]], bars_recipe: Mapping[str, Any]
) -> None:
    recipe = {**bars_recipe, "name": "evolved", "features": FEATURES, "seed": 53}
    made = bars.post(f"{API}/train", json=recipe).json()
    await_job(bars, made["job_id"])
    rules = {"keep": 2, "generations": 2, "stage": "staging"}
    started = bars.post(f"{API}/models/{made['model_id']}/evolve", json=rules)
    assert started.status_code == 202, started.text
    ended = _await_search(bars, started.json()["id"])
    assert (ended["status"], ended["trials"]) == ("completed", 3)
    best = bars.get(f"{API}/models/{ended['outcome']['model_id']}").json()
    assert best["stage"] == ("staging" if ended["outcome"]["stage"] else "dev")


def _await_search(client: httpx.Client, search_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        search: dict[str, Any] = client.get(f"{API}/searches/{search_id}").json()
        if search["status"] != "running":
            return search
        time.sleep(POLL_S)
    pytest.fail(f"search {search_id} did not end in time")
