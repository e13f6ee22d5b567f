"""Who may do what: tokens, roles, and other people's things."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

API = "/api/v1"

PROTECTED = (
    ("GET", "/api/v1/users/me"),
    ("GET", "/api/v1/users"),
    ("GET", "/api/v1/datasets"),
    ("POST", "/api/v1/datasets"),
    ("GET", "/api/v1/datasets/bars"),
    ("GET", "/api/v1/datasets/bars/rows"),
    ("DELETE", "/api/v1/datasets/bars"),
    ("GET", "/api/v1/features"),
    ("POST", "/api/v1/features/preview"),
    ("GET", "/api/v1/algorithms"),
    ("POST", "/api/v1/train"),
    ("GET", "/api/v1/jobs"),
    ("GET", "/api/v1/jobs/some"),
    ("POST", "/api/v1/jobs/some/cancel"),
    ("GET", "/api/v1/models"),
    ("GET", "/api/v1/models/some"),
    ("GET", "/api/v1/models/some/config"),
    ("GET", "/api/v1/models/some/importance"),
    ("GET", "/api/v1/models/some/lineage"),
    ("GET", "/api/v1/models/some/report"),
    ("GET", "/api/v1/models/compare?ids=a,b"),
    ("GET", "/api/v1/data/options"),
    ("GET", "/api/v1/data/options/some"),
    ("GET", "/api/v1/data/map"),
    ("GET", "/api/v1/logs"),
    ("POST", "/api/v1/models/some/promote"),
    ("DELETE", "/api/v1/models/all?confirm=yes"),
    ("DELETE", "/api/v1/models/some"),
    ("POST", "/api/v1/predict"),
    ("POST", "/api/v1/batch-predict"),
    ("GET", "/api/v1/predictions/history"),
    ("GET", "/api/v1/predictions/some"),
    ("POST", "/api/v1/feedback"),
    ("GET", "/users/me"),
    ("POST", "/predict"),
    ("GET", "/models"),
)


def refused(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 401, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    body: dict[str, Any] = answer.json()
    assert body["error"]
    assert body["detail"]
    return body


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_without_a_token_nothing_is_told(nobody: httpx.Client, method: str, path: str) -> None:
    refused(nobody.request(method, path))


def test_every_operation_asks_for_a_token_save_the_door_itself(nobody: httpx.Client) -> None:
    open_to_all = {
        ("post", "/api/v1/auth/register"), ("post", "/api/v1/auth/login"), ("post", "/auth/register"),
        ("post", "/auth/login"), ("get", "/health"), ("get", "/livez"), ("get", "/readyz"), ("get", "/metrics"),
        ("get", "/v2"), ("get", "/v2/health/live"), ("get", "/v2/health/ready"), ("get", "/ping"),
    }  # fmt: skip
    for path, methods in nobody.get("/openapi.json").json()["paths"].items():
        for method in methods:
            if (method, path) not in open_to_all:
                refused(nobody.request(method, path.replace("{", "").replace("}", "")))


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer nonsense",
        "Bearer a.b.c",
        "Basic YWRtaW46YWRtaW4=",
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsInJvbGUiOiJhZG1pbiJ9.",
    ],
)
def test_an_invalid_token(nobody: httpx.Client, header: str) -> None:
    refused(nobody.get(f"{API}/users/me", headers={"Authorization": header}))


def test_a_token_that_someone_changed_or_signed_themselves(admin: httpx.Client, nobody: httpx.Client) -> None:
    token = admin.headers["Authorization"].removeprefix("Bearer ")
    head, claims, signature = token.split(".")
    flipped = ("A" if signature[10] != "A" else "B").join((signature[:10], signature[11:]))
    forged = jwt.encode(
        {"alg": "HS256"}, {"sub": "admin", "role": "admin", "exp": 9_999_999_999}, OctKey.import_key(b"k" * 32)
    )
    for changed in (f"{head}.{claims}.{flipped}", f"{head}.{claims}x.{signature}", f"{head}.{claims}.", forged):
        refused(nobody.get(f"{API}/users/me", headers={"Authorization": f"Bearer {changed}"}))


def test_an_expired_token_says_so(server_home: Path, admin: httpx.Client, nobody: httpx.Client) -> None:
    """The key of the home is what signs; whoever owns the home can make a token of the past."""
    token = admin.headers["Authorization"].removeprefix("Bearer ")
    key = OctKey.import_key((server_home / "token.key").read_bytes().strip())
    decoded = jwt.decode(token, key)
    past = {**decoded.claims, "iat": decoded.claims["iat"] - 90_000, "exp": decoded.claims["exp"] - 90_000}
    answer = nobody.get(
        f"{API}/users/me", headers={"Authorization": f"Bearer {jwt.encode(dict(decoded.header), past, key)}"}
    )
    assert "expired" in refused(answer)["detail"]


def test_register_and_log_in(nobody: httpx.Client) -> None:
    name, password = f"Ada-{token_hex(4)}", "correct horse battery"
    made = nobody.post(f"{API}/auth/register", json={"username": name, "password": password})
    assert made.status_code == 201
    assert password not in made.text
    assert made.json()["role"] == "user"

    again = nobody.post(f"{API}/auth/register", json={"username": name.upper(), "password": password})
    assert again.status_code == 409

    for content in (
        {"json": {"username": name, "password": password}},
        {"data": {"grant_type": "password", "username": name, "password": password}},
    ):
        answer = nobody.post(f"{API}/auth/login", **content)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        assert answer.json()["token_type"] == "bearer"
        assert answer.json()["expires_in"] > 0


def test_a_wrong_password_and_an_unknown_name_look_alike(nobody: httpx.Client) -> None:
    wrong, unknown = (
        nobody.post(f"{API}/auth/login", json={"username": name, "password": "not the password"})
        for name in ("admin", f"nobody-{token_hex(4)}")
    )
    assert refused(wrong)["detail"] == refused(unknown)["detail"]


@pytest.mark.parametrize("body", [{}, {"username": "ada"}, {"username": 3, "password": []}, {"password": "x" * 9}])
def test_a_malformed_login(nobody: httpx.Client, body: dict[str, Any]) -> None:
    assert nobody.post(f"{API}/auth/login", json=body).status_code == 422


def test_other_peoples_predictions_do_not_exist(
    admin: httpx.Client, bars_model: Mapping[str, Any], newcomer: Callable[[httpx.Client], httpx.Client]
) -> None:
    owner, other = newcomer(admin), newcomer(admin)
    made = owner.post(f"{API}/predict", json={"model": bars_model["id"], "features": [0, 0, 1]}).json()
    assert owner.get(f"{API}/predictions/{made['id']}").status_code == 200
    stranger = other.get(f"{API}/predictions/{made['id']}")
    unknown = other.get(f"{API}/predictions/{made['id'][::-1]}")
    assert stranger.status_code == unknown.status_code == 404
    assert stranger.json()["code"] == unknown.json()["code"]
    assert other.get(f"{API}/predictions/history").json()["items"] == []
    judged = other.post(f"{API}/feedback", json={"prediction_id": made["id"], "actual_value": 1.0})
    assert judged.status_code == 404


def test_what_a_user_may_not_do(
    admin: httpx.Client, bars_model: Mapping[str, Any], newcomer: Callable[[httpx.Client], httpx.Client]
) -> None:
    user = newcomer(admin)
    assert user.get(f"{API}/users").status_code == 403
    promoted = user.post(f"{API}/models/{bars_model['id']}/promote", params={"new_stage": "production"})
    assert promoted.status_code == 403
    assert admin.get(f"{API}/models/{bars_model['id']}").json()["stage"] == "dev"


def test_what_a_viewer_may_and_may_not_do(
    viewer: httpx.Client,
    bars_model: Mapping[str, Any],
    bars_recipe: Mapping[str, Any],
    upload: Callable[..., httpx.Response],
) -> None:
    assert viewer.get(f"{API}/models").status_code == 200
    predicted = viewer.post(f"{API}/predict", json={"model": bars_model["id"], "features": [0, 0, 1]})
    assert predicted.status_code == 200
    for refusal in (
        viewer.post(f"{API}/train", json=dict(bars_recipe)),
        upload(viewer, "mine", b"a,b\n1,2\n", time="none"),
        viewer.delete(f"{API}/datasets/bars"),
        viewer.delete(f"{API}/models/{bars_model['id']}"),
        viewer.post(f"{API}/models/{bars_model['id']}/promote", params={"new_stage": "production"}),
    ):
        assert refusal.status_code == 403, refusal.text
        assert refusal.json()["detail"]


def test_registration_can_be_closed(
    tmp_path: Path, launch: Callable[..., AbstractContextManager[tuple[object, str]]]
) -> None:
    with launch(tmp_path, "--no-runner", FORECASTLE_AUTH__REGISTRATION="closed") as (_process, url):
        account = {"username": "ada", "password": "correct horse battery"}
        assert httpx.post(f"{url}{API}/auth/register", json=account).status_code == 403
