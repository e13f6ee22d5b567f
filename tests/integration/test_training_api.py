"""Training over HTTP."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from forecastle.api import problems
from forecastle.api.routes import training
from forecastle.auth import users
from forecastle.auth.passwords import Passwords
from forecastle.bootstrap import Services, open_services
from forecastle.clock import ManualClock
from forecastle.data import catalogue
from forecastle.data.options import ImportOptions
from forecastle.settings import DatabaseSettings, Settings
from forecastle.training.algorithms.catalogue import ALGORITHMS

RECIPE: dict[str, Any] = {
    "name": "sums",
    "dataset": "numbers",
    "features": ["a", "b"],
    "algorithm": "ridge",
    "target": "total",
}


@pytest.fixture
async def services(
    database_settings: DatabaseSettings, passwords: Passwords, clock: ManualClock, tmp_path: Path
) -> AsyncIterator[Services]:
    settings = Settings(home=tmp_path / "home", database=database_settings)
    async with open_services(settings, clock=clock) as opened:
        path = tmp_path / "numbers.csv"
        path.write_text("\n".join(["a,b,total", *(f"{row},{row % 7},{row + row % 7}" for row in range(60))]))
        options = ImportOptions(time="none")
        await catalogue.import_file(opened.database, opened.tables, path, options, name="numbers", now=clock.now())
        yield replace(opened, passwords=passwords)


@pytest.fixture
async def app(services: Services) -> FastAPI:
    made = FastAPI()
    made.include_router(training.router)
    problems.install(made)
    made.state.services = services
    return made


async def client(app: FastAPI, services: Services, *, role: str) -> httpx.AsyncClient:
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
async def http(app: FastAPI, services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """A client signed in as a user."""
    async with await client(app, services, role="user") as signed_in:
        yield signed_in


async def test_algorithms_are_listed_with_what_can_be_set(http: httpx.AsyncClient) -> None:
    items = (await http.get("/algorithms")).json()["items"]
    assert [item["name"] for item in items] == list(ALGORITHMS)
    ridge = next(item for item in items if item["name"] == "ridge")
    assert ridge["tasks"] == ["regression"]
    assert ridge["hyperparameters"][0]["name"] == "alpha"


async def test_a_recipe_is_accepted_once_and_recognised_after_that(http: httpx.AsyncClient) -> None:
    first = await http.post("/train", json=RECIPE)
    assert first.status_code == 202
    assert first.json().keys() == {"job_id", "model_id", "name", "fingerprint", "duplicate", "status"}
    assert (first.json()["duplicate"], first.json()["status"]) == (False, "pending")
    again = await http.post("/train", json=RECIPE | {"features": ["b", "a"]})
    assert again.status_code == 200
    assert again.json() == first.json() | {"duplicate": True}


async def test_under_another_name_a_recipe_is_told_the_name_it_is_known_by(http: httpx.AsyncClient) -> None:
    first = await http.post("/train", json=RECIPE)
    assert first.json()["name"] == "sums"
    again = await http.post("/train", json=RECIPE | {"name": "totals"})
    assert (again.status_code, again.json()["name"]) == (200, "sums")


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"algorithm": "lightbgm"}, 422, "algorithm"),
        ({"features": []}, 422, "features"),
        ({"seed": "x"}, 422, "seed"),
        ({"nonsense": 1}, 422, "nonsense"),
        ({"split": {"kind": "walk_forward", "train": 10, "test": 5}}, 422, "split.kind"),
        ({"features": ["c"]}, 422, "c"),
        ({"timeframe": "3 parsecs"}, 422, "timeframe"),
        ({"target": {"column": "total", "hidden": ["a", "c"]}}, 422, "target.hidden.1"),
        ({"target": {"column": "total", "horizon": 1}}, 422, "target.horizon"),
        ({"target": {"column": "total", "transform": "log_return", "horizon": 0}}, 422, "target.horizon"),
        ({"keys": ["x"]}, 422, "keys"),
        ({"split": {"kind": "chronological", "test": 2}}, 422, "split.test"),
        ({"dataset": "nowhere"}, 404, None),
        ({"context": ["nowhere"]}, 404, None),
        ({"parent": "0" * 26}, 404, None),
    ],
)
async def test_a_bad_recipe_is_a_problem_that_names_the_field(
    http: httpx.AsyncClient, change: dict[str, Any], status: int, field: str | None
) -> None:
    answer = await http.post("/train", json=RECIPE | change)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == ([field] if field else [])


@pytest.mark.parametrize("body", [b"[]", b"{", b"1", b""])
async def test_what_is_no_recipe_at_all_is_refused(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post("/train", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}


async def test_a_viewer_looks_and_does_not_train(app: FastAPI, services: Services) -> None:
    async with await client(app, services, role="viewer") as viewer:
        assert (await viewer.get("/algorithms")).status_code == 200
        assert (await viewer.post("/train", json=RECIPE)).status_code == 403


async def test_a_stranger_does_neither(app: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test/api/v1") as stranger:
        assert (await stranger.get("/algorithms")).status_code == 401
        assert (await stranger.post("/train", json=RECIPE)).status_code == 401


def test_the_documentation_describes_a_recipe(app: FastAPI) -> None:
    body = app.openapi()["paths"]["/api/v1/train"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["required"]) == set(RECIPE)
    kinds = body["properties"]["split"]["anyOf"][0]["oneOf"]
    assert {"kind", "train", "test", "step"} <= set(kinds[1]["properties"])
