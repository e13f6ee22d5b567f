"""What holds for every answer: documentation, error bodies, request ids, limits, aliases."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate

API = "/api/v1"
PROBLEM_FIELDS = {"type", "title", "status", "detail", "instance", "code", "error", "request_id", "errors"}

ALIASES = (
    ("GET", "/users/me", "/api/v1/users/me"),
    ("GET", "/algorithms", "/api/v1/algorithms"),
    ("GET", "/models", "/api/v1/models"),
    ("GET", "/models/{model}", "/api/v1/models/{model}"),
    ("GET", "/models/{model}/lineage", "/api/v1/models/{model}/lineage"),
    ("GET", "/models/compare?ids={model}", "/api/v1/models/compare?ids={model}"),
    ("GET", "/data/options", "/api/v1/data/options"),
    ("GET", "/data/options/aaa", "/api/v1/data/options/aaa"),
    ("GET", "/data/map", "/api/v1/data/map"),
    ("GET", "/logs?limit=1", "/api/v1/logs?limit=1"),
    ("GET", "/api/model/{model}/config", "/api/v1/models/{model}/config"),
    ("GET", "/api/model/{model}/importance", "/api/v1/models/{model}/importance"),
    ("GET", "/predictions/history", "/api/v1/predictions/history"),
    ("GET", "/predictions/{prediction}", "/api/v1/predictions/{prediction}"),
    ("GET", "/predictions/unknown", "/api/v1/predictions/unknown"),
    ("POST", "/auth/register", "/api/v1/auth/register"),
    ("POST", "/auth/login", "/api/v1/auth/login"),
    ("POST", "/predict", "/api/v1/predict"),
    ("POST", "/batch-predict", "/api/v1/batch-predict"),
    ("POST", "/predict/batch", "/api/v1/batch-predict"),
    ("POST", "/feedback", "/api/v1/feedback"),
    ("POST", "/train", "/api/v1/train"),
    ("POST", "/models/{model}/promote?new_stage=none", "/api/v1/models/{model}/promote?new_stage=none"),
    ("DELETE", "/models/unknown", "/api/v1/models/unknown"),
    ("DELETE", "/models/all", "/api/v1/models/all"),
)


def assert_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body.keys() >= PROBLEM_FIELDS
    assert body["status"] == status
    assert body["error"] == body["code"]
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["instance"] == answer.request.url.path
    assert body["detail"]
    assert "\n" not in body["detail"]
    assert "Traceback" not in answer.text
    return body


# --- documentation -----------------------------------------------------------------------------------------------


def test_openapi_is_valid_and_equals_its_snapshot(
    nobody: httpx.Client, equals_snapshot: Callable[[str, str], None]
) -> None:
    document = nobody.get("/openapi.json").json()
    validate(document)
    equals_snapshot("openapi.json", json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def test_every_operation_documents_itself(nobody: httpx.Client) -> None:
    paths = nobody.get("/openapi.json").json()["paths"]
    operations = [(path, method, found) for path, methods in paths.items() for method, found in methods.items()]
    assert len({found["operationId"] for _, _, found in operations}) == len(operations)
    for path, method, found in operations:
        assert found.get("summary"), (path, method)
        if path.startswith(API):
            assert "deprecated" not in found, (path, method)
            assert found.get("description"), (path, method)


def test_the_docs_page_needs_no_other_host(nobody: httpx.Client) -> None:
    page = nobody.get("/docs")
    assert page.status_code == 200
    links = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert links
    for link in links:
        assert not re.match(r"(https?:)?//", link), link
        if link.startswith("/"):
            assert nobody.get(link).status_code == 200, link
    assert not re.search(r"https?://", page.text)


# --- operations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz"])
def test_infrastructure_answers_without_an_account(nobody: httpx.Client, path: str) -> None:
    answer = nobody.get(path)
    assert answer.status_code == 200
    assert len(answer.content) < 2048


def test_metrics_count_requests_by_route_and_not_by_path(admin: httpx.Client, nobody: httpx.Client) -> None:
    admin.get(f"{API}/models/no-such-model-in-metrics")
    text = nobody.get("/metrics").text
    assert "/api/v1/models/{model_id}" in text
    assert "no-such-model-in-metrics" not in text


# --- the frame around every request ------------------------------------------------------------------------------


def test_a_request_id_comes_back(nobody: httpx.Client) -> None:
    answer = nobody.get("/livez", headers={"X-Request-ID": "mine-1.2_3"})
    assert answer.headers["x-request-id"] == "mine-1.2_3"
    assert answer.headers["server-timing"].startswith("app;dur=")


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "a\tb", "<script>"])
def test_an_unusable_request_id_is_replaced(nobody: httpx.Client, given: str) -> None:
    answered = nobody.get("/livez", headers={"X-Request-ID": given}).headers["x-request-id"]
    assert answered != given
    assert re.fullmatch(r"[0-9a-z]{26}", answered)


def test_every_request_has_an_id_of_its_own(nobody: httpx.Client) -> None:
    ids = {nobody.get("/livez").headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20


@pytest.mark.parametrize("path", ["/api/v1/predict", "/predict", "/api/v1/auth/login", "/api/v1/nowhere"])
def test_a_large_body_is_refused(admin: httpx.Client, path: str) -> None:
    body = assert_problem(admin.post(path, content=b"[" + b"1," * 1_100_000 + b"1]"), 413)
    assert "2,097,152" in body["detail"]


def test_a_large_body_of_undeclared_length_is_refused(admin: httpx.Client) -> None:
    chunks = (b" " * 65_536 for _ in range(40))
    assert_problem(admin.post(f"{API}/predict", content=chunks), 413)


# --- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/nowhere", "/docs/../secret", "/api/v1/models/x/y/z"])
def test_an_unknown_path(nobody: httpx.Client, path: str) -> None:
    assert assert_problem(nobody.get(path), 404)["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/v1/predict", {"POST"}),
        ("GET", "/predict", {"POST"}),
        ("PUT", "/api/v1/datasets", {"GET", "POST"}),
        ("POST", "/health", {"GET", "HEAD"}),
        ("DELETE", "/api/v1/users/me", {"GET"}),
        ("PATCH", "/api/v1/models/some", {"GET", "DELETE"}),
    ],
)
def test_a_wrong_method_says_which_are_right(nobody: httpx.Client, method: str, path: str, allowed: set[str]) -> None:
    answer = nobody.request(method, path)
    assert_problem(answer, 405)
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/predict", "/api/v1/predict", "/api/v1/train", "/api/v1/auth/login"])
@pytest.mark.parametrize("content", [b"{", b"{'a': 1}", b"\xff\xfe", b'{"features": [1,]}'])
def test_malformed_json(admin: httpx.Client, path: str, content: bytes) -> None:
    answer = admin.post(path, content=content, headers={"Content-Type": "application/json"})
    assert assert_problem(answer, 400)["code"] == "MALFORMED_JSON"


@pytest.mark.parametrize("document", ["null", "[]", "3", '"text"', "true"])
def test_json_that_is_no_object(admin: httpx.Client, document: str) -> None:
    for path in ("/api/v1/predict", "/api/v1/train", "/api/v1/auth/login"):
        answer = admin.post(path, content=document, headers={"Content-Type": "application/json"})
        assert_problem(answer, 422)


def test_a_browser_finds_the_documentation_and_a_load_balancer_needs_no_body(nobody: httpx.Client) -> None:
    front = nobody.get("/")
    assert (front.status_code, front.headers["location"]) == (307, "/docs")
    head = nobody.head("/readyz")
    assert (head.status_code, head.content) == (200, b"")


def test_an_error_names_the_field_the_value_and_the_expectation(admin: httpx.Client) -> None:
    body = assert_problem(admin.get(f"{API}/models", params={"limit": "many"}), 422)
    problem = next(item for item in body["errors"] if item["field"] == "limit")
    assert (problem["expected"], problem["found"]) == ("a whole number", "many")


def test_what_does_not_exist_is_not_found(admin: httpx.Client) -> None:
    for path in (
        "models/none",
        "models/none/config",
        "models/none/importance",
        "models/none/lineage",
        "models/none/report",
        "models/compare?ids=none,nil",
        "data/options/none",
        "jobs/none",
        "datasets/none",
        "datasets/none/rows",
        "predictions/none",
    ):
        body = assert_problem(admin.get(f"{API}/{path}"), 404)
        assert "none" in body["detail"], path


def test_a_conflict(stocked: httpx.Client, upload: Callable[..., httpx.Response]) -> None:
    body = assert_problem(upload(stocked, "homes", b"a,b\n1,2\n3,4\n", time="none"), 409)
    assert "homes" in body["detail"]


# --- aliases -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "alias", "canonical"), ALIASES)
def test_an_alias_answers_as_its_canonical_path(
    admin: httpx.Client, bars_model: Mapping[str, Any], method: str, alias: str, canonical: str
) -> None:
    prediction = _predict(admin, bars_model)
    bodies: dict[str, Any] = {
        "/predict": {"model": bars_model["id"], "features": [0.5, 0.5, 0.5]},
        "/batch-predict": {"model": bars_model["id"], "samples": [[0.5, 0.5, 0.5]]},
        "/predict/batch": {"model": bars_model["id"], "samples": [[0.5, 0.5, 0.5]]},
        "/auth/register": {"username": "x", "password": "short"},
        "/auth/login": {"username": "admin", "password": "wrong"},
        "/feedback": {"prediction_id": prediction, "actual_value": 1.0},
        "/train": {"name": "incomplete"},
    }
    ids = {"model": bars_model["id"], "prediction": prediction}
    content = {"json": bodies[alias]} if alias in bodies else {}
    via, direct = (admin.request(method, path.format(**ids), **content) for path in (alias, canonical))
    assert via.status_code == direct.status_code
    assert via.status_code != 405
    assert _comparable(via.json()) == _comparable(direct.json())


def _predict(client: httpx.Client, model: Mapping[str, Any]) -> str:
    answer = client.post(f"{API}/predict", json={"model": model["id"], "features": [0.5, 0.5, 0.5]})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def _comparable(body: Any) -> Any:
    """Without what is new in every answer."""
    if isinstance(body, dict):
        changing = {"id", "ids", "created_at", "latency_ms", "instance", "request_id", "cached", "prediction_ids"}
        return {name: _comparable(value) for name, value in body.items() if name not in changing}
    return [_comparable(item) for item in body] if isinstance(body, list) else body
