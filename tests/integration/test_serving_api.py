"""Models and predictions over HTTP, on every database."""

import json
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from forecastle.api import examples
from forecastle.api.routes.predictions import BatchAnswer
from forecastle.bootstrap import Services
from forecastle.clock import ManualClock
from forecastle.data import catalogue
from forecastle.data.options import ImportOptions
from forecastle.registry.manifest import FeatureColumn, Interval, TargetFacts
from forecastle.registry.models import Model
from forecastle.serving.prediction import Prediction
from forecastle.serving.residents import MAX_RESIDENT

Publish = Callable[..., Awaitable[Model]]
SignIn = Callable[..., Awaitable[httpx.AsyncClient]]
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


# --- predictions -------------------------------------------------------------------------------------------------


async def test_a_vector_and_its_names_get_the_same_answer(user: httpx.AsyncClient, publish: Publish) -> None:
    model = await publish(bias=1.0)
    by_vector = await user.post("/predict", json={"model": "prices", "features": [1, 2.5]})
    by_name = await user.post("/predict", json={"model": model.id, "features": {"b": 2.5, "a": 1}})
    assert (by_vector.status_code, by_name.status_code) == (200, 200)
    assert by_vector.json() | {"id": "", "latency_ms": 0} == {
        "id": "",
        "prediction": 7.0,
        "confidence": None,
        "probabilities": None,
        "model": {"id": model.id, "name": "prices", "version": 1},
        "model_version": 1,
        "cached": False,
        "latency_ms": 0,
        "created_at": "2026-01-01T00:00:00Z",
        "target": {"column": "c", "value": 7.0},
        "interval": None,
        "features": None,
        "as_of": None,
        "fallback": None,
        "warnings": [],
    }
    assert by_name.json()["prediction"] == 7.0
    assert by_name.json()["cached"] is True


async def test_what_was_answered_reads_back_the_same(user: httpx.AsyncClient, publish: Publish) -> None:
    await publish(task="classification", classes=("lose", "win"))
    answer = await user.post("/predict", json={"features": [1, 2]}, headers={"X-Request-ID": "mine"})
    stored = (await user.get(f"/predictions/{answer.json()['id']}")).json()
    assert stored == answer.json() | {"input": {"features": [1, 2]}, "request_id": "mine", "feedback": None}
    assert stored["probabilities"]["win"] == pytest.approx(1 / (1 + math.exp(-5)))
    for path in ("/predictions", "/predictions/history"):
        assert (await user.get(path)).json() == {"items": [stored], "next": None}


async def test_a_batch_answers_in_the_order_of_its_rows(user: httpx.AsyncClient, publish: Publish) -> None:
    model = await publish(task="classification", classes=("lose", "win"))
    samples = [[1.0, 1.0], {"a": -1, "b": -1}]
    answer = (await user.post("/batch-predict", json={"samples": samples})).json()
    win = 1 / (1 + math.exp(-3))
    assert answer["predictions"] == ["win", "lose"]
    assert answer["count"] == 2
    assert answer["confidences"] == pytest.approx([win, win])
    assert answer["probabilities"][1] == pytest.approx({"lose": win, "win": 1 - win})
    assert answer["model"] == {"id": model.id, "name": "prices", "version": 1}
    stored = (await user.get("/predictions")).json()["items"]
    assert sorted(answer["ids"]) == sorted(each["id"] for each in stored)
    assert {str(each["input"]["features"]) for each in stored} == {str(sample) for sample in samples}


async def test_a_regression_batch_has_no_probabilities(user: httpx.AsyncClient, publish: Publish) -> None:
    await publish()
    answer = (await user.post("/batch-predict", json={"samples": [[1, 1]] * 100})).json()
    assert answer["predictions"] == [3.0] * 100
    assert (answer["probabilities"], answer["confidences"]) == (None, None)


async def test_a_batch_carries_the_interval_of_each_row(user: httpx.AsyncClient, publish: Publish) -> None:
    await publish(interval=Interval(0.8, -1.0, 2.0, 100), target=TargetFacts("c", "log", 1))
    samples = [[1.0, 2.0], {"a": -1, "b": 0}]
    batch = (await user.post("/batch-predict", json={"samples": samples})).json()
    single = [(await user.post("/predict", json={"features": sample})).json() for sample in samples]
    assert batch["intervals"] == [each["interval"] for each in single]
    assert [(each["lower"], each["upper"]) for each in batch["intervals"]] == [(4.0, 7.0), (-2.0, 1.0)]
    assert batch["intervals"][1]["target"] == pytest.approx({"lower": math.exp(-2.0), "upper": math.exp(1.0)})


async def test_a_model_without_interval_has_none_in_a_batch(user: httpx.AsyncClient, publish: Publish) -> None:
    await publish()
    assert (await user.post("/batch-predict", json={"samples": [[1, 1]]})).json()["intervals"] is None


def test_the_documented_answers_have_the_fields_of_real_ones() -> None:
    for example, answer in ((examples.PREDICTION, Prediction), (examples.BATCH, BatchAnswer)):
        assert json.loads(msgspec.json.encode(msgspec.convert(example, answer))) == example


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "features"),
        ({"features": [1]}, "features"),
        ({"features": [1, 2], "time": "2024-01-01"}, "features"),
        ({"features": [1, 2], "given": {}}, "features"),
        ({"features": "12"}, "features"),
        ({"features": [1, "2"]}, "features.b"),
        ({"features": [1, True]}, "features.b"),
        ({"features": [10**400, 1]}, "features.a"),
        ({"features": {"a": 1, "B": 2}}, "features.B"),
        ({"key": {"ticker": "A"}}, "time"),
        ({"key": {}, "time": "soon"}, "time"),
        ({"key": {}, "time": "0001-01-01T00:00:00+23:00"}, "time"),
        ({"key": {"ticker": 1}, "time": "2024-01-01"}, "key"),
        ({"given": {"x": 10**400}, "time": "2024-01-01"}, "given"),
        ({"features": [1, 2], "model": 3}, "model"),
        ({"features": [1, 2], "modell": "prices"}, "modell"),
    ],
)
async def test_a_bad_request_names_its_field(
    user: httpx.AsyncClient, publish: Publish, body: dict[str, Any], field: str
) -> None:
    await publish()
    answer = await user.post("/predict", content=_json(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert any(each["field"].startswith(field) for each in answer.json()["errors"]), answer.json()
    assert (await user.get("/predictions")).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"features": [1, 2], "model": "m" * 201}, "model"),
        ({"key": {"t" * 201: "A"}, "time": "2024-01-01"}, f"key.{'t' * 59}…"),
        ({"key": {"ticker": "A" * 2_001}, "time": "2024-01-01"}, "key.ticker"),
        ({"key": {f"k{number}": "A" for number in range(1_001)}, "time": "2024-01-01"}, "key"),
        ({"key": {"ticker": "A"}, "time": "2" * 201}, "time"),
        ({"given": {"g" * 201: 1}, "time": "2024-01-01"}, f"given.{'g' * 59}…"),
        ({"given": {"ground": "w" * 2_001}, "time": "2024-01-01"}, "given.ground"),
    ],
)
async def test_names_and_texts_of_any_length_are_refused(
    user: httpx.AsyncClient, publish: Publish, body: dict[str, Any], field: str
) -> None:
    await publish()
    answer = await user.post("/predict", json=body)
    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert problem["field"] == field
    assert problem["expected"].startswith("at most ")
    assert len(answer.json()["detail"]) < 300


async def test_a_million_bad_samples_are_refused_in_a_line(user: httpx.AsyncClient, publish: Publish) -> None:
    await publish()
    answer = await user.post("/batch-predict", json={"samples": [1] * 600_000})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "samples.0: expected a list or an object, found 1"


@pytest.mark.parametrize("samples", [[], [[1, 2]] * 101, [[1, 2], [1]], [[1, 2], "12"], [5]])
async def test_a_bad_batch_is_refused(user: httpx.AsyncClient, publish: Publish, samples: list[Any]) -> None:
    await publish()
    answer = await user.post("/batch-predict", json={"samples": samples})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("samples")


async def test_no_model_is_unavailable_and_an_unknown_one_not_found(user: httpx.AsyncClient) -> None:
    nothing = await user.post("/predict", json={"features": [1, 2]})
    assert (nothing.status_code, nothing.json()["code"]) == (503, "NO_MODEL")
    unknown = await user.post("/predict", json={"features": [1, 2], "model": "gone"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "MODEL_NOT_FOUND")


async def test_history_filters_and_pages(user: httpx.AsyncClient, publish: Publish, clock: ManualClock) -> None:
    await publish()
    await publish(name="wine")
    made = []
    for minute in range(6):
        body = {"features": [minute, 0], "model": ("prices", "wine")[minute % 2]}
        made.append((await user.post("/predict", json=body)).json()["id"])
        clock.advance(60)

    async def ids(**params: Any) -> list[str]:
        answer = await user.get("/predictions", params=params)
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["items"]]

    assert await ids() == made[::-1]
    assert await ids(model="wine") == [made[5], made[3], made[1]]
    assert await ids(since="2026-01-01T00:03:00Z") == [made[5], made[4], made[3]]
    assert await ids(until="2026-01-01T00:02") == [made[1], made[0]]
    page = (await user.get("/predictions", params={"limit": 4})).json()
    assert await ids(limit=4, cursor=page["next"]) == [made[1], made[0]]
    for bad in ({"since": "soon"}, {"limit": 0}, {"limit": 1001}, {"cursor": "x"}):
        assert (await user.get("/predictions", params=bad)).status_code == 422


async def test_other_peoples_predictions_do_not_exist(
    user: httpx.AsyncClient, sign_in: SignIn, publish: Publish
) -> None:
    await publish()
    mine = (await user.post("/predict", json={"features": [1, 2]})).json()["id"]
    for other in (await sign_in("eve"), await sign_in("root", "admin")):
        assert (await other.get("/predictions")).json()["items"] == []
        assert (await other.get(f"/predictions/{mine}")).status_code == 404
        feedback = await other.post("/feedback", json={"prediction_id": mine, "actual_value": 1})
        assert feedback.status_code == 404


async def test_feedback_stays_with_its_prediction(user: httpx.AsyncClient, publish: Publish) -> None:
    await publish()
    made = (await user.post("/predict", json={"features": [1, 2]})).json()["id"]
    for value in (1.0, 2.0):
        body = {"prediction_id": made, "actual_value": value, "feedback_score": 0.5}
        said = await user.post("/feedback", json=body)
        assert said.status_code == 201
    assert said.json() == {
        "prediction_id": made,
        "actual_value": 2.0,
        "score": 0.5,
        "created_at": "2026-01-01T00:00:00Z",
    }
    assert (await user.get(f"/predictions/{made}")).json()["feedback"] == said.json()


@pytest.mark.parametrize(
    "body",
    [
        {"actual_value": "win"},
        {"actual_value": True},
        {"actual_value": 10**400},
        {"actual_value": None},
        {},
        {"actual_value": 1, "feedback_score": "good"},
    ],
)
async def test_feedback_that_does_not_fit_is_refused(
    user: httpx.AsyncClient, publish: Publish, body: dict[str, Any]
) -> None:
    await publish()
    made = (await user.post("/predict", json={"features": [1, 2]})).json()["id"]
    content = _json({"prediction_id": made, **body})
    answer = await user.post("/feedback", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert (await user.get(f"/predictions/{made}")).json()["feedback"] is None


# --- as of a key and a time --------------------------------------------------------------------------------------


@pytest.fixture
async def series(services: Services, publish: Publish, tmp_path: Path) -> Model:
    """A model of a stored series: prediction = close + 2 x sma(close, 2)."""
    lines = [
        "date,ticker,close",
        *(f"2024-01-{day:02},{ticker},{day * size}" for day in range(1, 11) for ticker, size in (("A", 1), ("B", 10))),
    ]
    (tmp_path / "series.csv").write_text("\n".join(lines) + "\n")
    options = ImportOptions(time="date", keys=("ticker",))
    dataset = await catalogue.import_file(
        services.database,
        services.tables,
        tmp_path / "series.csv",
        options,
        name="series",
        now=services.clock.now(),
    )
    features = (FeatureColumn("close", "close"), FeatureColumn("mean", "sma(close, 2)"))
    target = TargetFacts("close", "pct_change", 1)
    return await publish(dataset="series", dataset_sha256=dataset.sha256, features=features, target=target)


@pytest.mark.usefixtures("series")
async def test_a_key_and_a_time_give_what_their_features_give(user: httpx.AsyncClient) -> None:
    dated = await user.post("/predict", json={"key": {"ticker": "B"}, "time": "2024-01-05"})
    assert dated.status_code == 200, dated.text
    assert dated.json()["features"] == {"close": 50.0, "mean": 45.0}
    assert dated.json()["prediction"] == 140.0
    assert dated.json()["target"] == {"column": "close", "value": 50.0 * 141}
    assert dated.json()["warnings"] == []
    vector = await user.post("/predict", json={"features": [50.0, 45.0]})
    assert (vector.json()["prediction"], vector.json()["target"]) == (140.0, None)
    stored = (await user.get(f"/predictions/{dated.json()['id']}")).json()
    assert stored["input"]["key"] == {"ticker": "B"}
    assert stored["features"] == dated.json()["features"]


@pytest.mark.usefixtures("series")
async def test_an_answer_says_as_of_when_and_warns_when_that_is_long_ago(user: httpx.AsyncClient) -> None:
    for time, as_of, warnings in (
        ("2024-01-05T18:00:00+02:00", "2024-01-05T00:00:00Z", []),
        (
            "3000-01-01",
            "2024-01-10T00:00:00Z",
            ["the newest row of this key is from 2024-01-10T00:00:00Z, 356,468 days before the time asked"],
        ),
    ):
        answer = (await user.post("/predict", json={"key": {"ticker": "B"}, "time": time})).json()
        assert (answer["as_of"], answer["warnings"]) == (as_of, warnings)
        stored = (await user.get(f"/predictions/{answer['id']}")).json()
        assert (stored["as_of"], stored["warnings"]) == (as_of, warnings)


@pytest.mark.usefixtures("series")
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"key": {"ticker": "C"}, "time": "2024-01-05"}, "key.ticker"),
        ({"key": {"ticker": "B"}, "time": "1999-01-05"}, "time"),
        ({"key": {"ticker": "B"}, "time": "soon"}, "time"),
        ({"key": {"stock": "B"}, "time": "2024-01-05"}, "key"),
        ({"key": {"ticker": "a\0"}, "time": "2024-01-05"}, "key.ticker"),
    ],
)
async def test_a_bad_moment_names_its_field(user: httpx.AsyncClient, body: dict[str, Any], field: str) -> None:
    answer = await user.post("/predict", json=body)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]
    assert all(each["expected"] and each["found"] for each in answer.json()["errors"])


# --- models ------------------------------------------------------------------------------------------------------


async def test_models_are_listed_newest_first_and_filtered(
    user: httpx.AsyncClient, admin: httpx.AsyncClient, publish: Publish
) -> None:
    made = [await publish(), await publish(name="wine"), await publish()]
    promoted = await admin.post(f"/models/{made[0].id}/promote", params={"new_stage": "production"})
    assert promoted.json()["stage"] == "production"

    async def ids(**params: Any) -> list[str]:
        return [each["id"] for each in (await user.get("/models", params=params)).json()["items"]]

    assert await ids() == [model.id for model in reversed(made)]
    assert await ids(name="prices") == [made[2].id, made[0].id]
    assert await ids(stage="production") == [made[0].id]
    page = (await user.get("/models", params={"limit": 2})).json()
    assert await ids(cursor=page["next"]) == [made[0].id]
    unknown = await user.get("/models", params={"stage": "live"})
    assert unknown.status_code == 422
    assert [each["field"] for each in unknown.json()["errors"]] == ["stage"]


async def test_a_model_shows_itself(user: httpx.AsyncClient, publish: Publish) -> None:
    coefficients = {"coefficient": {"a": 1.0, "b": -2.0}}
    model = await publish(importances=coefficients, recipe={"seed": 3})
    shown = (await user.get(f"/models/{model.id}")).json()
    assert (shown["name"], shown["version"], shown["metrics"]) == ("prices", 1, {"rmse": 1.0})
    config = (await user.get(f"/models/{model.id}/config")).json()
    assert config["recipe"] == {"seed": 3}
    assert [feature["name"] for feature in config["features"]] == ["a", "b"]
    importance = (await user.get(f"/models/{model.id}/importance")).json()
    assert importance == {
        "method": "coefficient",
        "features": [{"feature": "b", "importance": -2.0}, {"feature": "a", "importance": 1.0}],
    }


async def test_a_name_shows_the_version_that_a_prediction_would_ask(
    user: httpx.AsyncClient, admin: httpx.AsyncClient, publish: Publish
) -> None:
    made = [
        await publish(recipe={"seed": seed}, importances={"tree": {"a": float(seed), "b": 0.0}}) for seed in range(3)
    ]
    await admin.post(f"/models/{made[0].id}/promote", params={"new_stage": "archived"})
    for promoted, answers in ((None, made[2]), (made[1], made[1])):
        if promoted is not None:
            await admin.post(f"/models/{promoted.id}/promote", params={"new_stage": "production"})
        asked = await user.post("/predict", json={"model": "prices", "features": [1, 2]})
        assert asked.json()["model"]["id"] == answers.id
        for part in ("", "/config", "/importance"):
            by_name, by_id = await user.get(f"/models/prices{part}"), await user.get(f"/models/{answers.id}{part}")
            assert by_name.status_code == 200
            assert by_name.json() == by_id.json()
    near = await user.get("/models/price/config")
    assert (near.status_code, near.json()["detail"]) == (404, "there is no model 'price'; did you mean prices?")


async def test_a_bad_stage_is_named_as_its_parameter_is(admin: httpx.AsyncClient, publish: Publish) -> None:
    model = await publish()
    answer = await admin.post(f"/models/{model.id}/promote", params={"new_stage": "live"})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_STAGE")
    expected = "one of dev, staging, production, archived"
    assert answer.json()["errors"] == [{"field": "new_stage", "expected": expected, "found": "live"}]
    filtered = await admin.get("/models", params={"stage": "live"})
    assert (filtered.status_code, filtered.json()["code"]) == (422, "INVALID_STAGE")
    assert filtered.json()["errors"] == [{"field": "stage", "expected": expected, "found": "live"}]


@pytest.mark.parametrize(
    ("measured", "method", "first"),
    [
        ({"permutation": {"a": -0.1, "b": -0.2}, "tree": {"a": 0.0, "b": 9.0}}, "permutation", "a"),
        ({"tree": {"a": 1.0, "b": 9.0}, "coefficient": {"a": 5.0, "b": 0.0}}, "tree", "b"),
        ({}, None, None),
    ],
)
async def test_the_best_measure_of_importance_is_shown(
    user: httpx.AsyncClient, publish: Publish, measured: dict[str, Any], method: str | None, first: str | None
) -> None:
    model = await publish(importances=measured)
    ranking = (await user.get(f"/models/{model.id}/importance")).json()
    assert ranking["method"] == method
    assert [each["feature"] for each in ranking["features"]][:1] == ([first] if first else [])


async def test_a_promotion_is_for_admins_and_counts_at_once(
    user: httpx.AsyncClient, admin: httpx.AsyncClient, publish: Publish
) -> None:
    old, _ = await publish(bias=1.0), await publish(bias=2.0)
    assert (await user.post("/predict", json={"features": [0, 0]})).json()["prediction"] == 2.0
    refused = await user.post(f"/models/{old.id}/promote", params={"new_stage": "production"})
    assert refused.status_code == 403
    bad = await admin.post(f"/models/{old.id}/promote", params={"new_stage": "live"})
    assert (bad.status_code, bad.json()["code"]) == (400, "INVALID_STAGE")
    assert (await admin.post("/models/gone/promote", params={"new_stage": "dev"})).status_code == 404
    assert (await admin.post(f"/models/{old.id}/promote", params={"new_stage": "production"})).status_code == 200
    assert (await user.post("/predict", json={"features": [0, 0]})).json()["prediction"] == 1.0


async def test_a_removed_model_is_gone_but_not_its_predictions(
    user: httpx.AsyncClient, admin: httpx.AsyncClient, publish: Publish, services: Services
) -> None:
    kept, model = await publish(bias=1.0), await publish(bias=2.0)
    made = (await user.post("/predict", json={"features": [0, 0]})).json()
    assert (await user.delete(f"/models/{model.id}")).status_code == 403
    assert (await admin.delete(f"/models/{model.id}")).status_code == 204
    assert (await admin.delete(f"/models/{model.id}")).status_code == 404
    assert (await user.get(f"/models/{model.id}/config")).status_code == 404
    assert (await user.post("/predict", json={"features": [0, 0]})).json()["model"]["id"] == kept.id
    assert (await user.get(f"/predictions/{made['id']}")).json()["model"]["id"] == model.id
    left = [path for path in (services.settings.home / "artifacts").rglob("*") if path.is_file()]
    assert {path.parent.name + path.name for path in left} == {kept.graph_sha256, kept.manifest_sha256}


async def test_a_lost_artifact_is_unavailable_with_a_reason(
    user: httpx.AsyncClient, publish: Publish, services: Services
) -> None:
    model = await publish()
    services.artifacts.remove(model.manifest_sha256)
    for answer in (
        await user.get(f"/models/{model.id}/config"),
        await user.get(f"/models/{model.id}/importance"),
        await user.post("/predict", json={"features": [0, 0]}),
    ):
        assert answer.status_code == 503
        assert model.manifest_sha256 in answer.json()["detail"]


async def test_more_models_than_stay_loaded_all_answer(user: httpx.AsyncClient, publish: Publish) -> None:
    made = [await publish(name=f"m{i}", bias=float(i)) for i in range(MAX_RESIDENT + 2)]
    for _ in range(2):
        for i, model in enumerate(made):
            answer = await user.post("/predict", json={"features": [0, 0], "model": model.name})
            assert answer.json()["prediction"] == float(i)


def _json(body: Any) -> bytes:
    """As JSON, with integers of any length."""
    return json.dumps(body).encode()
