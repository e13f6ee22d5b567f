"""From an account to a judged prediction through the HTTP interface alone, on SQLite and on PostgreSQL."""

from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

API = "/api/v1"
LATEST = {"ticker": "AAA"}, "2024-07-18"


@pytest.fixture
def tables(
    any_admin: httpx.Client, upload: Callable[..., httpx.Response], bars_csv: bytes, homes_csv: bytes
) -> httpx.Client:
    for answer in (
        upload(any_admin, "bars", bars_csv, time="date", key="ticker"),
        upload(any_admin, "homes", homes_csv, time="none"),
    ):
        assert answer.status_code == 201, answer.text
    return any_admin


def test_from_an_account_to_a_judged_prediction(
    tables: httpx.Client,
    newcomer: Callable[[httpx.Client], httpx.Client],
    await_job: Callable[[httpx.Client, str], dict[str, Any]],
    bars_recipe: Mapping[str, Any],
) -> None:
    user = newcomer(tables)
    assert user.get(f"{API}/users/me").json()["role"] == "user"

    listed = {item["name"]: item for item in user.get(f"{API}/datasets").json()["items"]}
    assert listed["bars"]["rows"] == 400
    assert listed["bars"]["time"] == "date"
    assert listed["bars"]["keys"] == ["ticker"]

    preview = user.post(f"{API}/features/preview", json={"dataset": "bars", "features": bars_recipe["features"]})
    assert preview.status_code == 200, preview.text

    recipe = {**bars_recipe, "name": "journey", "seed": 41}
    submitted = user.post(f"{API}/train", json=recipe)
    assert submitted.status_code == 202, submitted.text
    assert submitted.json()["duplicate"] is False
    job = await_job(user, submitted.json()["job_id"])
    assert job["status"] == "completed", job
    assert job["progress"] == 1

    model = user.get(f"{API}/models/{submitted.json()['model_id']}").json()
    assert model["name"] == recipe["name"]
    assert model["fingerprint"] == submitted.json()["fingerprint"]
    assert model["metrics"]["rmse"] > 0
    assert model["baselines"]

    config = user.get(f"{API}/models/{model['id']}/config")
    assert config.status_code == 200
    importance = user.get(f"{API}/models/{model['id']}/importance")
    assert importance.status_code == 200
    assert "trend" in importance.text

    vector = user.post(f"{API}/predict", json={"model": model["id"], "features": [0.01, 0.02, 1.1]})
    assert vector.status_code == 200, vector.text
    named = user.post(
        f"{API}/predict",
        json={"model": model["id"], "features": {"activity": 1.1, "trend": 0.02, "day": 0.01}},
    )
    assert named.json()["prediction"] == vector.json()["prediction"]
    key, time = LATEST
    dated = user.post(f"{API}/predict", json={"model": model["id"], "key": key, "time": time})
    assert dated.status_code == 200, dated.text
    for answer in (vector, named, dated):
        assert {"id", "prediction", "model_version", "cached"} <= answer.json().keys()

    ids = [answer.json()["id"] for answer in (dated, named, vector)]
    assert len(set(ids)) == 3
    history = user.get(f"{API}/predictions/history").json()["items"]
    assert [item["id"] for item in history] == ids
    one = user.get(f"{API}/predictions/{ids[0]}")
    assert one.json()["prediction"] == dated.json()["prediction"]

    feedback = user.post(f"{API}/feedback", json={"prediction_id": ids[0], "actual_value": 0.004, "feedback_score": 1})
    assert feedback.is_success, feedback.text


def test_a_plain_table_gives_classes_with_probabilities(
    tables: httpx.Client,
    train: Callable[[httpx.Client, Mapping[str, Any]], dict[str, Any]],
    homes_recipe: Mapping[str, Any],
) -> None:
    model = train(tables, homes_recipe)
    features = {"area": 150.0, "rooms": 5, "part": "sea"}
    answer = tables.post(f"{API}/predict", json={"model": model["id"], "features": features})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["prediction"] == "no"
    assert 0.5 < body["confidence"] <= 1


def test_by_key_and_time_equals_by_vector(
    tables: httpx.Client,
    train: Callable[[httpx.Client, Mapping[str, Any]], dict[str, Any]],
    bars_recipe: Mapping[str, Any],
) -> None:
    model = train(tables, bars_recipe)
    rows = tables.post(
        f"{API}/features/preview", json={"dataset": "bars", "features": bars_recipe["features"], "limit": 400}
    ).json()["rows"]
    names = [expression.partition(" = ")[0] for expression in bars_recipe["features"]]
    checked = 0
    for row in rows[-30:]:
        by_vector = tables.post(
            f"{API}/predict", json={"model": model["id"], "features": [row[name] for name in names]}
        ).json()
        by_time = tables.post(
            f"{API}/predict", json={"model": model["id"], "key": {"ticker": row["ticker"]}, "time": row["date"]}
        ).json()
        assert by_time["prediction"] == pytest.approx(by_vector["prediction"], rel=1e-12)
        checked += 1
    assert checked == 30


def test_an_identical_request_is_answered_from_the_cache(
    tables: httpx.Client, train: Callable[..., Any], bars_recipe: Mapping[str, Any]
) -> None:
    model = train(tables, bars_recipe)
    request = {"model": model["id"], "features": [0.0301, 0.0201, 1.201]}
    first, second = (tables.post(f"{API}/predict", json=request).json() for _ in range(2))
    assert (first["cached"], second["cached"]) == (False, True)
    assert first["prediction"] == second["prediction"]
    assert first["id"] != second["id"]


def test_a_batch_equals_its_single_predictions(
    tables: httpx.Client, train: Callable[..., Any], bars_recipe: Mapping[str, Any]
) -> None:
    model = train(tables, bars_recipe)
    samples = [[0.001 * n, 0.002 * n, 1.0 + 0.01 * n] for n in range(100)]
    batch = tables.post(f"{API}/batch-predict", json={"model": model["id"], "samples": samples})
    assert batch.status_code == 200, batch.text
    assert batch.json()["count"] == 100
    singles = [
        tables.post(f"{API}/predict", json={"model": model["id"], "features": sample}).json()["prediction"]
        for sample in samples[:5]
    ]
    assert batch.json()["predictions"][:5] == pytest.approx(singles, rel=1e-12)


def test_history_is_paged_without_gap_or_repeat(
    tables: httpx.Client,
    newcomer: Callable[[httpx.Client], httpx.Client],
    train: Callable[..., Any],
    bars_recipe: Mapping[str, Any],
) -> None:
    model, user = train(tables, bars_recipe), newcomer(tables)
    made = [
        user.post(f"{API}/predict", json={"model": model["id"], "features": [0.01 * n, 0, 1]}).json()["id"]
        for n in range(7)
    ]
    seen, cursor = list[str](), None
    while True:
        page = user.get(f"{API}/predictions/history", params={"limit": 3} | ({"cursor": cursor} if cursor else {}))
        seen += [item["id"] for item in page.json()["items"]]
        cursor = page.json()["next"]
        if cursor is None:
            break
    assert seen == made[::-1]
