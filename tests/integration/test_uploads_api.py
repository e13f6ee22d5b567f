"""Models that were made elsewhere, over HTTP, on every database: uploaded, served, looked at, refused."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
import numpy as np
import onnx_files as files
import psutil
import pytest
from onnx import TensorProto, helper
from onnx_files import HOSTILE, REGRESSION, linear
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from forecastle.bootstrap import Services
from forecastle.registry.models import Model
from forecastle.registry.runtime import open_session

Publish = Callable[..., Awaitable[Model]]
SignIn = Callable[..., Awaitable[httpx.AsyncClient]]
ROWS = [[0.25, 2.0], [3.5, -4.25], [0.75, 1e3]]


async def send(client: httpx.AsyncClient, data: bytes, document: Mapping[str, Any], **fields: Any) -> httpx.Response:
    form = {name: value if isinstance(value, str) else json.dumps(value) for name, value in document.items()}
    return await client.post("/models", files={"file": ("model.onnx", data)}, data=form | fields)


async def upload(client: httpx.AsyncClient, data: bytes, document: Mapping[str, Any] = REGRESSION) -> dict[str, Any]:
    answer = await send(client, data, document)
    assert answer.status_code == 201, answer.text
    model: dict[str, Any] = answer.json()
    return model


def offline(data: bytes, rows: Any, *, output: str = "y") -> Any:
    return open_session(data).run([output], {"X": np.array(rows, dtype=np.float32)})[0]


# --- served like any other ---------------------------------------------------------------------------------------


async def test_an_uploaded_model_answers_what_the_runtime_answers_offline(
    user: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    data = linear().SerializeToString()
    model = await upload(user, data)
    assert (model["version"], model["stage"], model["algorithm"]) == (1, "dev", "uploaded")
    assert model["owner"] == (await user.get("/users/me")).json()["id"]
    expected = offline(data, ROWS).ravel().tolist()
    one = (await user.post("/predict", json={"model": "uploaded", "features": ROWS[0]})).json()
    assert (one["prediction"], one["model"]["id"]) == (expected[0], model["id"])
    named = {"model": "uploaded", "features": {"b": 2.0, "a": 0.25}}
    assert (await user.post("/predict", json=named)).json()["cached"] is True
    many = (await user.post("/batch-predict", json={"model": "uploaded", "samples": ROWS})).json()
    assert many["predictions"] == expected
    tensor = {"name": "features", "shape": [3, 2], "datatype": "FP64", "data": [value for row in ROWS for value in row]}
    inferred = await user.post("http://test/v2/models/uploaded/infer", json={"inputs": [tensor]})
    assert inferred.json()["outputs"][0]["data"] == expected
    assert (await admin.post(f"/models/{model['id']}/promote", params={"new_stage": "production"})).status_code == 200
    invoked = await user.post("http://test/invocations", json={"instances": ROWS})
    assert invoked.json() == {"predictions": expected}
    history = (await user.get("/predictions/history", params={"model": "uploaded"})).json()["items"]
    assert sorted({each["prediction"] for each in history}) == sorted(expected)
    listed = (await user.get("/models", params={"algorithm": "uploaded", "mine": True})).json()["items"]
    assert [each["id"] for each in listed] == [model["id"]]


async def test_the_same_file_and_schema_is_the_same_model(user: httpx.AsyncClient, publish: Publish) -> None:
    trained = await publish(name="uploaded")
    data = linear().SerializeToString()
    first = await upload(user, data)
    assert first["version"] == trained.version + 1
    for again in (REGRESSION, {**REGRESSION, "name": "other", "sample": [[9, 9]], "description": "once more"}):
        answer = await send(user, data, again)
        assert (answer.status_code, answer.json()) == (200, first)
    typed = [{"name": "a", "dtype": "float32"}, {"name": "b", "dtype": "float32"}]
    spelled = {**REGRESSION, "schema": {"inputs": typed, "task": "regression"}}
    assert (await send(user, data, spelled)).status_code == 200
    other = {"inputs": [{"name": "a"}, {"name": "c"}], "task": "regression"}
    renamed = {**REGRESSION, "schema": other, "sample": [[1, 2]]}
    second = await upload(user, data, renamed)
    assert (second["version"], second["id"] != first["id"]) == (first["version"] + 1, True)


async def test_two_at_once_are_one_model(user: httpx.AsyncClient) -> None:
    data = linear().SerializeToString()
    answers = await asyncio.gather(*(send(user, data, REGRESSION) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_a_logistic_regression_of_scikit_learn(user: httpx.AsyncClient) -> None:
    random = np.random.default_rng(1)
    matrix = random.normal(size=(200, 2))
    fitted = LogisticRegression().fit(matrix, matrix[:, 0] - matrix[:, 1] > 0)
    node = helper.make_node(
        "LinearClassifier",
        ["X"],
        ["label", "probabilities"],
        domain=files.ML,
        coefficients=[*(-fitted.coef_[0]), *fitted.coef_[0]],
        intercepts=[*(-fitted.intercept_), *fitted.intercept_],
        classlabels_ints=[0, 1],
        post_transform="LOGISTIC",
        multi_class=0,
    )
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2]),
    ]
    data = files.model([node], outputs=outputs).SerializeToString()
    schema = {"inputs": REGRESSION["schema"]["inputs"], "task": "binary", "classes": ["falls", "rises"]}
    expected = fitted.predict_proba(ROWS).tolist()
    document = {"name": "direction", "schema": schema, "sample": ROWS, "expected": expected}
    await upload(user, data, document)
    answer = (await user.post("/batch-predict", json={"model": "direction", "samples": ROWS})).json()
    raw = offline(data, ROWS, output="probabilities").astype(np.float64)
    assert [[each["falls"], each["rises"]] for each in answer["probabilities"]] == raw.tolist()
    assert answer["predictions"] == [["falls", "rises"][i] for i in fitted.predict(ROWS).astype(int)]
    np.testing.assert_allclose(raw, expected, atol=1e-5)


async def test_a_tree_of_scikit_learn(user: httpx.AsyncClient) -> None:
    random = np.random.default_rng(2)
    matrix = random.normal(size=(300, 2)).astype(np.float32)
    found = DecisionTreeRegressor(max_depth=5, random_state=0).fit(matrix, matrix[:, 0] * matrix[:, 1]).tree_
    count, leaf = found.node_count, found.children_left < 0
    leaves = np.flatnonzero(leaf).tolist()
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["X"],
        ["y"],
        domain=files.ML,
        n_targets=1,
        nodes_treeids=[0] * count,
        nodes_nodeids=list(range(count)),
        nodes_featureids=np.maximum(found.feature, 0).tolist(),
        nodes_modes=["LEAF" if each else "BRANCH_LEQ" for each in leaf],
        nodes_values=np.where(leaf, 0, found.threshold).tolist(),
        nodes_truenodeids=np.maximum(found.children_left, 0).tolist(),
        nodes_falsenodeids=np.maximum(found.children_right, 0).tolist(),
        target_treeids=[0] * len(leaves),
        target_nodeids=leaves,
        target_ids=[0] * len(leaves),
        target_weights=found.value[leaves, 0, 0].tolist(),
    )
    data = files.model([node]).SerializeToString()
    rows = matrix[:20].astype(float).tolist()
    truth = found.predict(matrix[:20]).ravel().tolist()
    await upload(user, data, {**REGRESSION, "sample": rows, "expected": truth})
    answer = (await user.post("/batch-predict", json={"model": "uploaded", "samples": rows})).json()
    assert answer["predictions"] == offline(data, rows).ravel().astype(np.float64).tolist()


async def test_a_tensor_a_feature_of_any_kind(user: httpx.AsyncClient) -> None:
    inputs = [
        helper.make_tensor_value_info("rooms", TensorProto.INT64, ["N", 1]),
        helper.make_tensor_value_info("area", TensorProto.DOUBLE, ["N"]),
        helper.make_tensor_value_info("part", TensorProto.FLOAT, [None, 1]),
    ]
    nodes = [
        helper.make_node("Cast", ["rooms"], ["r"], to=TensorProto.DOUBLE),
        helper.make_node("Reshape", ["area", "column"], ["a"]),
        helper.make_node("Cast", ["part"], ["p"], to=TensorProto.DOUBLE),
        helper.make_node("Sum", ["r", "a", "p"], ["y"]),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.DOUBLE, ["N", 1])]
    column = files.initial("column", [-1, 1], np.int64)
    data = files.model(nodes, [column], inputs=inputs, outputs=outputs).SerializeToString()
    schema = {
        "inputs": [
            {"name": "area"},
            {"name": "part", "kind": "category", "categories": ["old", "new"]},
            {"name": "rooms", "dtype": "int64"},
        ],
        "task": "regression",
        "target": "price",
    }
    await upload(user, data, {"name": "homes", "schema": schema, "sample": [[80.5, "new", 3]], "expected": [84.5]})
    asked = {"model": "homes", "features": [80.5, "castle", 3]}
    answer = (await user.post("/predict", json=asked)).json()
    assert (answer["prediction"], answer["target"]) == (82.5, {"column": "price", "value": 82.5})
    assert answer["warnings"] == ["part: this category was not seen in training"]
    for wrong in (2.5, 2.0**60):
        refused = await user.post("/predict", json={"model": "homes", "features": [80.5, "old", wrong]})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "features.rooms")
        assert "a whole number" in refused.text


async def test_local_functions_are_put_in_place(user: httpx.AsyncClient) -> None:
    await upload(user, files.calling(files.doubling()).SerializeToString(), {**REGRESSION, "expected": [10, 24]})
    config = (await user.get("/models/uploaded/config")).json()
    assert config["upload"]["operators"] == {"Add": 1, "MatMul": 1}


# --- looked at ---------------------------------------------------------------------------------------------------


async def test_what_is_known_of_it_and_what_is_not(user: httpx.AsyncClient, publish: Publish) -> None:
    trained = await publish()
    model = await upload(
        user, linear().SerializeToString(), {**REGRESSION, "description": "<b>weights</b>", "expected": [5, 12]}
    )
    config = (await user.get(f"/models/{model['id']}/config")).json()
    assert (config["origin"], config["recipe"], config["parity"]) == ("uploaded", {}, None)
    assert config["upload"]["dtypes"] == ["float32"]
    assert config["upload"]["largest_difference"] == 0
    report = await user.get(f"/models/{model['id']}/report")
    assert report.status_code == 200
    for words in (
        "how good it is, is not known here",
        "&lt;b&gt;weights",
        "Not known",
        "1 MatMul",
        "answers as expected",
    ):
        assert words in report.text
    for words in ("leak-proof", "proved equal", "Recipe</h2>", "naive forecast<"):
        assert words not in report.text
    compared = (await user.get("/models/compare", params={"ids": f"{model['id']},{trained.id}"})).json()
    assert "uploaded models (uploaded)" in compared["notes"][0]
    assert {"field": "origin", "values": ["uploaded", "trained"]} in compared["facts"]
    assert (await user.get(f"/models/{model['id']}/importance")).json() == {"method": None, "features": []}
    lineage = (await user.get(f"/models/{model['id']}/lineage")).json()
    assert (lineage["model"]["algorithm"], lineage["ancestors"]) == ("uploaded", [])


async def test_what_takes_a_recipe_or_a_dataset_is_refused_with_the_reason(
    user: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    model = await upload(user, linear().SerializeToString())
    child = {"parent": model["id"], "features": ["a"], "name": "child"}
    for path, body in ((f"/retrain/{model['id']}", None), ("/train/child", child)):
        refused = await user.post(path, json=body)
        assert refused.status_code == 422, refused.text
        assert "of an uploaded model none is known" in refused.text
    moment = {"model": "uploaded", "key": {"ticker": "A"}, "time": "2026-01-01"}
    refused = await user.post("/predict", json=moment)
    assert refused.status_code == 422
    assert "send the features themselves" in refused.text
    assert (await admin.delete(f"/models/{model['id']}")).status_code == 204
    assert (await user.get(f"/models/{model['id']}")).status_code == 404
    again = await upload(user, linear().SerializeToString())
    assert (again["version"], again["id"] != model["id"]) == (2, True)


# --- refused -----------------------------------------------------------------------------------------------------


async def test_who_may_not_train_may_not_upload(sign_in: SignIn) -> None:
    viewer = await sign_in("eve", "viewer")
    assert (await send(viewer, linear().SerializeToString(), REGRESSION)).status_code == 403
    viewer.headers.pop("authorization")
    assert (await send(viewer, linear().SerializeToString(), REGRESSION)).status_code == 401


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"name": "../x"}, "name", "letters, digits"),
        ({"schema": "{"}, "schema", "JSON"),
        ({"schema": "[]"}, "schema", "an object"),
        ({"schema": {"inputs": [], "task": "regression"}}, "schema.inputs", "at least 1 entry"),
        ({"schema": {"inputs": [{"name": "a"}] * 2, "task": "regression"}}, "schema", "'a' twice"),
        ({"schema": {"inputs": [{"name": "a", "type": "x"}], "task": "regression"}}, "schema.inputs.0.type", "dtype"),
        ({"schema": {"inputs": [{"name": "a"}], "task": "ranking"}}, "schema.task", "'regression'"),
        ({"schema": {"inputs": [{"name": "a"}], "task": "binary"}}, "schema", "2 classes"),
        ({"schema": {**REGRESSION["schema"], "output": "z"}}, "schema.output", "one of y"),
        ({"schema": {"inputs": [{"name": "a", "dtype": "int32"}, {"name": "b"}], "task": "regression"}},
         "schema.inputs.0.dtype", "float32"),
        ({"sample": "[]"}, "sample", "at least 1 entry"),
        ({"sample": "[[1, NaN]]"}, "sample", "JSON"),
        ({"sample": [[1, "x"]]}, "sample[0].b", "a finite number"),
        ({"sample": [{"a": 1}]}, "sample[0].b", "a value"),
        ({"sample": [[10**400, 1]]}, "sample[0].a", "a finite number"),
        ({"sample": "[[1e999, 1]]"}, "sample[0].a", "a finite number"),
        ({"sample": '[["\\ud800", 1]]'}, "sample[0].a", "a finite number"),
        ({"sample": f"[[{'[' * 500}{']' * 500}, 1]]"}, "sample[0]", "numbers, texts or null"),
        ({"sample": f"[[{'[' * 99999}{']' * 99999}, 1]]"}, "sample", "JSON"),
        ({"sample": f"[[{'9' * 5000}, 1]]"}, "sample", "JSON"),
        ({"description": "a\0"}, "description", "without NUL"),
        ({"expected": "[1e999, 1]"}, "expected[0]", "what the model answers"),
        ({"expected": [1]}, "expected", "2 answers"),
        ({"expected": ["x", 12]}, "expected[0]", "a number"),
        ({"color": "red"}, "color", "one of file"),
    ],
)  # fmt: skip
async def test_what_is_said_of_a_file_must_fit(
    user: httpx.AsyncClient, changes: dict[str, Any], field: str, expected: str
) -> None:
    answer = await send(user, linear().SerializeToString(), {**REGRESSION, **changes})
    assert answer.status_code == 422, answer.text
    problem = answer.json()["errors"][0]
    assert (problem["field"], expected in problem["expected"]) == (field, True), problem


@pytest.mark.parametrize("missing", ["file", "name", "schema", "sample"])
async def test_what_is_needed(user: httpx.AsyncClient, missing: str) -> None:
    form = {name: json.dumps(value) for name, value in REGRESSION.items() if name != missing}
    sent = {} if missing == "file" else {"file": linear().SerializeToString()}
    answer = await user.post("/models", files=sent or {"other": b""}, data=form)
    assert answer.status_code == 422
    assert missing in {each["field"] for each in answer.json()["errors"]}


@pytest.mark.parametrize("database_settings", ["sqlite"], indirect=True)  # they never come as far as a database
async def test_no_hostile_file_gets_in_or_harms_the_server(
    user: httpx.AsyncClient, services: Services, publish: Publish
) -> None:
    model, process = await publish(), psutil.Process()
    question = {"model": model.id, "features": [1, 2]}
    before = (await user.post("/predict", json=question)).json()["prediction"]
    started = {child.pid for child in process.children(recursive=True)}
    used = process.memory_info().rss
    for name, hostile in HOSTILE.items():
        answer = await send(user, hostile.data(), hostile.document)
        assert 400 <= answer.status_code < 500, (name, answer.text)
        problem = answer.json()
        assert all(word in problem["detail"] for word in hostile.said), (name, problem["detail"])
        assert problem["errors"][0]["field"], name
    assert (await user.post("/predict", json=question)).json()["prediction"] == before
    assert process.memory_info().rss - used < 100 * 2**20
    assert {child.pid for child in process.children(recursive=True)} <= started
    assert list((services.settings.home / "datasets" / "incoming").iterdir()) == []
    assert [each["id"] for each in (await user.get("/models")).json()["items"]] == [model.id]


async def test_a_file_that_is_too_large_is_not_looked_at(user: httpx.AsyncClient, services: Services) -> None:
    limit = services.settings.uploads.max_bytes
    answer = await send(user, bytes(limit + 1), REGRESSION)
    assert (answer.status_code, answer.json()["code"]) == (413, "MODEL_TOO_LARGE")
    answer = await send(user, bytes(limit + 8 * 2**20), REGRESSION)
    assert answer.status_code == 413
    assert list((services.settings.home / "datasets" / "incoming").iterdir()) == []


# --- later -------------------------------------------------------------------------------------------------------


async def test_features_that_its_graph_cannot_compute_with_are_refused(user: httpx.AsyncClient) -> None:
    nodes = [
        helper.make_node("Gather", ["X", "first"], ["key"], axis=1),
        helper.make_node("Cast", ["key"], ["place"], to=TensorProto.INT64),
        helper.make_node("Gather", ["values", "place"], ["y"]),
    ]
    constants = [files.initial("first", [0], np.int64), files.initial("values", [5.0, 6.0, 7.0])]
    await upload(user, files.model(nodes, constants).SerializeToString(), {**REGRESSION, "sample": [[1, 2]]})
    for path, body in (("/predict", {"features": [99, 0]}), ("/batch-predict", {"samples": [[1, 1], [99, 0]]})):
        answer = await user.post(path, json={"model": "uploaded", **body})
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_FEATURES")
        assert "cannot compute" in answer.text
    assert (await user.post("/predict", json={"model": "uploaded", "features": [2, 0]})).json()["prediction"] == 7


async def test_one_that_does_not_load_any_more_costs_no_other(
    user: httpx.AsyncClient, services: Services, publish: Publish
) -> None:
    trained = await publish()
    model = await upload(user, linear().SerializeToString())
    services.artifacts.remove(model["graph_sha256"])
    refused = await user.post("/predict", json={"model": model["id"], "features": [1, 2]})
    assert (refused.status_code, refused.json()["code"]) == (503, "MODEL_UNUSABLE")
    assert (await user.post("/predict", json={"model": trained.id, "features": [1, 2]})).status_code == 200
