"""The Open Inference Protocol and MLflow's scoring protocol, over HTTP."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import pytest

from forecastle.registry.manifest import FeatureColumn
from forecastle.registry.models import Model

Publish = Callable[..., Awaitable[Model]]
FEATURES = {"name": "features", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 3, 4]}


@pytest.fixture
def root(user: httpx.AsyncClient) -> httpx.AsyncClient:
    user.base_url = "http://test"
    return user


async def test_a_model_describes_itself(root: httpx.AsyncClient, publish: Publish) -> None:
    for _ in range(2):
        await publish()
    described = (await root.get("/v2/models/prices")).json()
    assert described == {
        "name": "prices",
        "versions": ["1", "2"],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "features", "datatype": "FP64", "shape": [-1, 2]}],
        "outputs": [{"name": "prediction", "datatype": "FP64", "shape": [-1]}],
    }
    assert (await root.get("/v2/models/prices/versions/1")).json() == described
    assert (await root.get("/v2/models/prices/ready")).json() == {"name": "prices", "ready": True}
    assert (await root.get("/v2")).json()["extensions"] == ["binary_tensor_data", "model_repository"]
    for path in ("/v2/health/live", "/v2/health/ready", "/ping"):
        assert (await root.get(path)).status_code == 200


async def test_rows_in_json_are_predicted_and_stored(root: httpx.AsyncClient, publish: Publish) -> None:
    await publish(bias=0.0)
    await publish(bias=100.0)
    newest = await root.post("/v2/models/prices/infer", json={"inputs": [FEATURES], "id": "mine"})
    assert newest.json() == {
        "model_name": "prices",
        "model_version": "2",
        "id": "mine",
        "outputs": [{"name": "prediction", "datatype": "FP64", "shape": [2], "data": [105.0, 111.0]}],
    }
    first = await root.post("/v2/models/prices/versions/1/infer", json={"inputs": [FEATURES]})
    assert first.json()["outputs"][0]["data"] == [5.0, 11.0]
    stored = (await root.get("/predictions/history")).json()["items"]
    assert sorted(each["prediction"] for each in stored) == [5.0, 11.0, 105.0, 111.0]


async def test_binary_tensors_in_and_out(root: httpx.AsyncClient, publish: Publish) -> None:
    await publish(task="classification", classes=("lose", "win"))
    data = np.array([[1.0, 1.0], [-1.0, -1.0]], dtype="<f4").tobytes()
    head = json.dumps(
        {
            "inputs": [
                {"name": "features", "shape": [2, 2], "datatype": "FP32", "parameters": {"binary_data_size": 16}}
            ],
            "outputs": [
                {"name": "probabilities", "parameters": {"binary_data": True}},
                {"name": "prediction", "parameters": {"binary_data": True}},
            ],
        }
    ).encode()
    answer = await root.post(
        "/v2/models/prices/infer", content=head + data, headers={"Inference-Header-Content-Length": str(len(head))}
    )
    assert answer.status_code == 200, answer.text
    length = int(answer.headers["inference-header-content-length"])
    probabilities, prediction = json.loads(answer.content[:length])["outputs"]
    assert (probabilities["shape"], probabilities["parameters"]) == ([2, 2], {"binary_data_size": 32})
    numbers = np.frombuffer(answer.content[length : length + 32]).reshape(2, 2)
    np.testing.assert_allclose(numbers.sum(axis=1), 1)
    assert answer.content[length + 32 :] == b"\x03\x00\x00\x00win\x04\x00\x00\x00lose"
    assert prediction["datatype"] == "BYTES"


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/v2/models/prices/infer", {}, 422, "inputs"),
        ("/v2/models/prices/infer", {"inputs": [{**FEATURES, "data": None}]}, 422, "inputs.features.data"),
        ("/v2/models/prices/infer", {"inputs": [{**FEATURES, "shape": [-1, 2]}]}, 422, "inputs"),
        ("/v2/models/prices/infer", {"inputs": [{**FEATURES, "data": [1, 2, 3, "x"]}]}, 422, "samples[1].b"),
        ("/v2/models/prices/infer", {"inputs": [FEATURES], "outputs": [{"name": "x"}]}, 422, "outputs"),
        ("/v2/models/prices/infer", {"inputs": [{**FEATURES, "parameters": {"binary_data_size": 9}}]}, 422, "binary"),
        ("/v2/models/prices/versions/9/infer", {"inputs": [FEATURES]}, 404, "prices version 9"),
        ("/v2/models/prices/versions/99999999999999999999/infer", {"inputs": [FEATURES]}, 404, "prices version 999"),
        ("/v2/models/%00/versions/1/infer", {"inputs": [FEATURES]}, 404, "version 1"),
        ("/v2/models/prices/versions/x/infer", {"inputs": [FEATURES]}, 422, "version"),
        ("/v2/models/nothing/infer", {"inputs": [FEATURES]}, 404, "nothing"),
        ("/invocations", {}, 422, "dataframe_split"),
        ("/invocations", {"inputs": [[1, 2]], "instances": [[1, 2]]}, 422, "inputs"),
        ("/invocations", {"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, 422, "dataframe_split.data.0"),
        ("/invocations", {"inputs": {"a": [1], "b": [1, 2]}}, 422, "inputs"),
        ("/invocations", {"instances": []}, 422, "samples"),
    ],
)
async def test_what_cannot_be_used_is_named(
    root: httpx.AsyncClient, publish: Publish, path: str, body: dict[str, Any], status: int, said: str
) -> None:
    await publish()
    answer = await root.post(path, json=body)
    assert answer.status_code == status, answer.text
    assert said in answer.text


@pytest.mark.parametrize("declared", ["x", "-1", "9999"])
async def test_a_wrong_length_of_the_head_is_named(root: httpx.AsyncClient, publish: Publish, declared: str) -> None:
    await publish()
    headers = {"Inference-Header-Content-Length": declared}
    answer = await root.post("/v2/models/prices/infer", content=b"{}", headers=headers)
    assert (answer.status_code, "Inference-Header-Content-Length" in answer.text) == (422, True)


async def test_the_repository_lists_loads_and_unloads(
    root: httpx.AsyncClient, admin: httpx.AsyncClient, publish: Publish
) -> None:
    await publish()
    assert (await root.post("/v2/repository/index")).json() == [
        {"name": "prices", "version": "1", "state": "READY", "reason": ""}
    ]
    for verb in ("load", "unload"):
        assert (await admin.post(f"http://test/v2/repository/models/prices/{verb}")).status_code == 200
        assert (await admin.post(f"http://test/v2/repository/models/none/{verb}")).status_code == 404
    assert (await root.post("/v2/models/prices/infer", json={"inputs": [FEATURES]})).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["b", "a"], "index": [0, 1], "data": [[2, 1], [4, 3]]}},
        {"dataframe_records": [{"a": 1, "b": 2}, {"b": 4, "a": 3}]},
        {"instances": [[1, 2], [3, 4]]},
        {"inputs": [[1, 2], [3, 4]]},
        {"inputs": {"a": [1, 3], "b": [2, 4]}, "params": {}},
    ],
)
async def test_every_form_of_mlflow_is_understood(
    root: httpx.AsyncClient, publish: Publish, body: dict[str, Any]
) -> None:
    await publish()
    answer = await root.post("/invocations", json=body)
    assert (answer.status_code, answer.json()) == (200, {"predictions": [5.0, 11.0]})


async def test_nobody_predicts_without_a_token(root: httpx.AsyncClient, publish: Publish) -> None:
    await publish()
    del root.headers["Authorization"]
    for path, body in (("/v2/models/prices/infer", {"inputs": [FEATURES]}), ("/invocations", {"inputs": [[1, 2]]})):
        assert (await root.post(path, json=body)).status_code == 401
    assert (await root.get("/v2/models/prices")).status_code == 401


async def test_a_mixed_model_takes_a_tensor_a_feature(root: httpx.AsyncClient, publish: Publish) -> None:
    columns = (FeatureColumn("a", "a", "number"), FeatureColumn("city", "city", "category", ("Oslo", "Rome")))
    await publish(features=columns)
    inputs = [
        {"name": "city", "shape": [2, 1], "datatype": "BYTES", "data": ["Oslo", "Rome"]},
        {"name": "a", "shape": [2, 1], "datatype": "FP64", "data": [1.0, 2.0]},
    ]
    answer = await root.post("/v2/models/prices/infer", json={"inputs": inputs})
    assert answer.status_code == 200, answer.text
    assert answer.json()["outputs"][0]["shape"] == [2]
