"""Searches, batches, children, retraining and evolution over HTTP. API tests need one database: SQLite."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from search_desk import FEATURES, RECIPE, Desk

from forecastle.api import problems
from forecastle.api.routes import searches, training
from forecastle.auth import users
from forecastle.auth.passwords import Passwords
from forecastle.bootstrap import Services, open_services
from forecastle.clock import ManualClock
from forecastle.settings import DatabaseSettings, Settings

pytestmark = pytest.mark.parametrize("database_settings", ["sqlite"], indirect=True)

SEARCH: dict[str, Any] = {"space": {"seed": [1, 2], "features": [["value"], ["value", "noise"]]}}


@pytest.fixture
async def services(
    database_settings: DatabaseSettings, passwords: Passwords, clock: ManualClock, tmp_path: Path
) -> AsyncIterator[Services]:
    settings = Settings(home=tmp_path / "home", database=database_settings)
    async with open_services(settings, clock=clock) as opened:
        yield replace(opened, passwords=passwords)


@pytest.fixture
async def desk(services: Services) -> Desk:
    made = Desk(services.database, services.settings.home)
    await made.add()
    return made


@pytest.fixture
async def app(services: Services) -> FastAPI:
    made = FastAPI()
    for routes in (training, searches):
        made.include_router(routes.router)
    problems.install(made)
    made.state.services = services
    return made


async def _client(app: FastAPI, services: Services, role: str) -> httpx.AsyncClient:
    user = await users.register(
        services.database,
        services.passwords,
        username=role,
        password="correct horse battery",
        role=users.role(role),
        now=services.clock.now(),
    )
    headers = {"Authorization": f"Bearer {services.tokens.issue(user)}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test/api/v1", headers=headers)


@pytest.fixture
async def http(app: FastAPI, services: Services, desk: Desk) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ARG001
    """A client signed in as a user, where there is a table."""
    async with await _client(app, services, "user") as signed_in:
        yield signed_in


async def _model(http: httpx.AsyncClient, desk: Desk, **changes: Any) -> str:
    answer = await http.post("/train", json=RECIPE | {"features": list(FEATURES)} | changes)
    await desk.work_off()
    return str(answer.json()["model_id"])


async def test_a_search_says_how_many_trials_there_are_and_how_many_are_known(
    http: httpx.AsyncClient, desk: Desk
) -> None:
    await http.post("/train", json=RECIPE | {"seed": 1})
    answer = await http.post("/train/search", json=RECIPE | {"search": SEARCH})
    assert answer.status_code == 202
    started = answer.json()
    assert (started["planned"], started["trials"], started["known"], started["distinct"]) == (4, 4, 1, 4)
    assert (started["status"], started["states"], started["best"]) == ("running", {"running": 4}, None)
    await desk.work_off()
    ended = (await http.get(f"/searches/{started['id']}")).json()
    assert (ended["status"], ended["states"]) == ("completed", {"completed": 3, "duplicate": 1})
    assert ended["outcome"]["model_id"] == ended["best"]["model_id"]
    assert ended["document"] == RECIPE | {"search": SEARCH}


async def test_a_search_of_what_is_known_has_ended_at_once(http: httpx.AsyncClient, desk: Desk) -> None:
    await http.post("/train/search", json=RECIPE | {"search": SEARCH})
    await desk.work_off()
    again = await http.post("/train/search", json=RECIPE | {"search": SEARCH})
    assert again.status_code == 200
    assert (again.json()["status"], again.json()["known"]) == ("completed", 4)


async def test_trials_are_listed_best_first_and_paged(http: httpx.AsyncClient, desk: Desk) -> None:
    started = (await http.post("/train/search", json=RECIPE | {"search": SEARCH})).json()
    await desk.work_off()
    path = f"/searches/{started['id']}/trials"
    every = (await http.get(path)).json()["items"]
    assert len(every) == 4
    values = [trial["value"] for trial in every]
    assert values == sorted(values)
    assert every[0]["parameters"].keys() == {"seed", "features"}
    assert (await http.get(path, params={"limit": 2, "offset": 1})).json()["items"] == every[1:3]


async def test_searches_are_listed_by_status_and_by_the_model_they_met(http: httpx.AsyncClient, desk: Desk) -> None:
    first = (await http.post("/train/search", json=RECIPE | {"search": SEARCH})).json()
    await desk.work_off()
    second = (await http.post("/train/search", json=RECIPE | {"search": {"space": {"seed": [8]}}})).json()
    listed = (await http.get("/searches")).json()["items"]
    assert {search["id"] for search in listed} == {first["id"], second["id"]}
    running = (await http.get("/searches", params={"status": "running", "mine": True})).json()["items"]
    assert [search["id"] for search in running] == [second["id"]]
    model = (await http.get(f"/searches/{first['id']}")).json()["best"]["model_id"]
    met = (await http.get("/searches", params={"model": model})).json()["items"]
    assert [search["id"] for search in met] == [first["id"]]
    tried = (await http.get(f"/models/{model}/trials")).json()
    assert tried == {"searches": 1, "trials": 4, "distinct": 4}
    assert (await http.get(f"/models/{'0' * 26}/trials")).status_code == 404


async def test_a_search_is_cancelled_by_who_started_it(
    http: httpx.AsyncClient, app: FastAPI, services: Services
) -> None:
    started = (await http.post("/train/search", json=RECIPE | {"search": SEARCH})).json()
    async with await _client(app, services, "viewer") as viewer:
        assert (await viewer.post(f"/searches/{started['id']}/cancel")).status_code == 403
        assert (await viewer.post("/train/search", json=RECIPE | {"search": SEARCH})).status_code == 403
        assert (await viewer.get(f"/searches/{started['id']}")).status_code == 200
    await users.register(
        services.database,
        services.passwords,
        username="other",
        password="correct horse battery",
        role="user",
        now=services.clock.now(),
    )
    cancelled = await http.post(f"/searches/{started['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert cancelled.json()["states"] == {"cancelled": 4}
    async with await _client(app, services, "admin") as admin:
        assert (await admin.post(f"/searches/{started['id']}/cancel")).status_code == 200


async def test_somebody_elses_search_cannot_be_cancelled(
    http: httpx.AsyncClient, app: FastAPI, services: Services
) -> None:
    async with await _client(app, services, "admin") as admin:
        started = (await admin.post("/train/search", json=RECIPE | {"search": SEARCH})).json()
    refused = await http.post(f"/searches/{started['id']}/cancel")
    assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")


async def test_a_search_that_has_ended_is_a_conflict_to_cancel(http: httpx.AsyncClient, desk: Desk) -> None:
    started = (await http.post("/train/search", json=RECIPE | {"search": {"space": {"seed": [1]}}})).json()
    await desk.work_off()
    answer = await http.post(f"/searches/{started['id']}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "SEARCH_ENDED")


@pytest.mark.parametrize("method", ["get", "post"])
async def test_a_search_that_is_not_there(http: httpx.AsyncClient, method: str) -> None:
    path = f"/searches/{'0' * 26}" + ("/cancel" if method == "post" else "")
    answer = await http.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (404, "SEARCH_NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "document", "field"),
    [
        ("/train/search", RECIPE, "search"),
        ("/train/search", RECIPE | {"search": {"space": {"sed": [1]}}}, "search.space.sed"),
        ("/train/search", RECIPE | {"search": {"space": {"seed": ["x"]}}}, "search.space.seed"),
        ("/train/search", RECIPE | {"search": {"space": {"seed": [1]}, "trials": 10**9}}, "search.trials"),
        ("/train/search", RECIPE | {"search": 5}, "search"),
        ("/train", RECIPE | {"search": SEARCH}, "search"),
        ("/train", RECIPE | {"batch": {}}, "batch"),
        ("/train/batch", RECIPE, "target"),
        ("/train/batch", {k: v for k, v in RECIPE.items() if k != "target"}, "open"),
        ("/train/child", {"features": ["value"]}, "parent"),
        ("/train/child", {"parent": "0" * 26}, "features"),
        ("/train/child", {"parent": "0" * 26, "features": []}, "features"),
        ("/train/child", {"parent": 5, "features": ["value"]}, "parent"),
    ],
)
async def test_a_bad_document_is_a_problem_that_names_the_field(
    http: httpx.AsyncClient, path: str, document: dict[str, Any], field: str
) -> None:
    answer = await http.post(path, json=document)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert field in [error["field"] for error in answer.json()["errors"]]


# --- children, again, evolution ----------------------------------------------------------------------------------


async def test_a_child_has_the_features_on_the_list_that_there_are(http: httpx.AsyncClient, desk: Desk) -> None:
    parent = await _model(http, desk)
    answer = await http.post("/train/child", json={"parent": parent, "features": ["value", "turnover"], "seed": 4})
    assert answer.status_code == 202
    assert (answer.json()["features"], answer.json()["ignored"]) == (["value"], ["turnover"])
    again = await http.post("/train/child", json={"parent": parent, "features": ["value"], "seed": 4})
    assert (again.status_code, again.json()["duplicate"]) == (200, True)
    nothing = await http.post("/train/child", json={"parent": parent, "features": ["turnover"]})
    assert (nothing.status_code, nothing.json()["errors"][0]["field"]) == (422, "features")
    missing = await http.post("/train/child", json={"parent": "0" * 26, "features": ["value"]})
    assert missing.status_code == 404


async def test_a_model_trained_again_is_recognised_or_a_child(http: httpx.AsyncClient, desk: Desk) -> None:
    parent = await _model(http, desk)
    same = await http.post(f"/retrain/{parent}")
    assert (same.status_code, same.json()["model_id"], same.json()["duplicate"]) == (200, parent, True)
    await desk.add("newer", seed=5)
    newer = await http.post(f"/retrain/{parent}", params={"dataset": "newer"})
    assert newer.status_code == 202
    assert newer.json()["model_id"] != parent
    assert (await http.post(f"/retrain/{parent}", params={"dataset": "nowhere"})).status_code == 404
    assert (await http.post(f"/retrain/{'0' * 26}")).status_code == 404


async def test_evolution_over_http(http: httpx.AsyncClient, desk: Desk) -> None:
    parent = await _model(http, desk)
    started = await http.post(f"/models/{parent}/evolve", json={"keep": 2, "generations": 2})
    assert started.status_code == 202
    assert (started.json()["method"], started.json()["planned"]) == ("evolve", 3)
    await desk.work_off()
    ended = (await http.get(f"/searches/{started.json()['id']}")).json()
    assert (ended["status"], ended["trials"]) == ("completed", 3)
    bad = await http.post(f"/models/{parent}/evolve", json={"keeps": 2})
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (422, "keeps")
    assert (await http.post(f"/models/{'0' * 26}/evolve")).status_code == 404


async def test_only_an_admin_has_models_promoted_by_evolution(
    http: httpx.AsyncClient, app: FastAPI, services: Services, desk: Desk
) -> None:
    parent = await _model(http, desk)
    rules = {"keep": 2, "stage": "staging"}
    assert (await http.post(f"/models/{parent}/evolve", json=rules)).status_code == 403
    async with await _client(app, services, "admin") as admin:
        assert (await admin.post(f"/models/{parent}/evolve", json=rules)).status_code == 202


async def test_a_batch_over_http_is_one_group(http: httpx.AsyncClient, desk: Desk) -> None:
    path = desk.home / "bars.csv"
    lines = (f"2026-{1 + day // 28:02}-{1 + day % 28:02},{day},{day + 2},{day - 2},{day + 1}" for day in range(10, 200))
    path.write_text("\n".join(["day,open,high,low,close", *lines]))
    await desk.import_file("bars", path)
    document = {"name": "bar", "dataset": "bars", "features": ["ret(close, 1)"], "algorithm": "ridge"}
    first = await http.post("/train/batch", json=document)
    assert first.status_code == 202
    assert len({training["model_id"] for training in first.json()["trainings"]}) == 4
    again = await http.post("/train/batch", json=document)
    assert (again.status_code, again.json()["group"]) == (200, first.json()["group"])


async def test_the_documentation_describes_every_document(app: FastAPI) -> None:
    def body(path: str) -> dict[str, Any]:
        content = app.openapi()["paths"][f"/api/v1{path}"]["post"]["requestBody"]["content"]["application/json"]
        schema: dict[str, Any] = content["schema"]
        return schema

    assert body("/train/search")["required"] == ["name", "search"]
    assert "space" in body("/train/search")["properties"]["search"]["properties"]
    assert body("/train/child")["required"] == ["parent", "features"]
    assert set(body("/train/batch")["properties"]["batch"]["properties"]) == {"open_close", "high_low"}
