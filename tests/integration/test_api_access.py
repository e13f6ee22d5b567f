"""Accounts and tokens over HTTP, on every database."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from forecastle.api import problems
from forecastle.api.routes import access
from forecastle.auth import users
from forecastle.auth.passwords import Passwords
from forecastle.bootstrap import Services, open_services
from forecastle.clock import ManualClock
from forecastle.settings import AuthSettings, DatabaseSettings, Settings

PASSWORD = "correct horse battery"


@pytest.fixture
async def services(
    database_settings: DatabaseSettings, passwords: Passwords, clock: ManualClock, tmp_path: Path
) -> AsyncIterator[Services]:
    settings = Settings(home=tmp_path / "home", database=database_settings)
    async with open_services(settings, clock=clock) as opened:
        yield replace(opened, passwords=passwords)


@pytest.fixture
def app(services: Services) -> FastAPI:
    app = FastAPI()
    app.include_router(access.router)
    problems.install(app)
    app.state.services = services
    return app


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test/api/v1") as client:
        yield client


async def register(http: httpx.AsyncClient, username: str = "ada", password: str = PASSWORD) -> httpx.Response:
    return await http.post("/auth/register", json={"username": username, "password": password})


async def login(http: httpx.AsyncClient, username: str = "ada", password: str = PASSWORD) -> httpx.Response:
    return await http.post("/auth/login", json={"username": username, "password": password})


async def bearer(http: httpx.AsyncClient, username: str = "ada") -> dict[str, str]:
    return {"Authorization": f"Bearer {(await login(http, username)).json()['access_token']}"}


async def test_register_sign_in_and_ask_who_one_is(http: httpx.AsyncClient) -> None:
    registered = await register(http)
    assert registered.status_code == 201
    assert registered.json()["role"] == "user"
    assert set(registered.json()) == {"id", "username", "role", "created_at"}
    signed_in = await login(http)
    assert signed_in.status_code == 200
    assert signed_in.json() | {"access_token": ""} == {"access_token": "", "token_type": "bearer", "expires_in": 3600}
    me = await http.get("/users/me", headers=await bearer(http))
    assert me.json() == registered.json()


async def test_sign_in_by_form_as_the_documentation_page_does(http: httpx.AsyncClient) -> None:
    await register(http)
    form = {"username": "ada", "password": PASSWORD, "grant_type": "password", "scope": ""}
    answer = await http.post("/auth/login", data=form)
    assert answer.status_code == 200
    assert answer.json()["token_type"] == "bearer"


async def test_an_unknown_user_and_a_wrong_password_get_the_same_answer(http: httpx.AsyncClient) -> None:
    await register(http)
    unknown, wrong = await login(http, "bob"), await login(http, password="something else")
    assert unknown.status_code == wrong.status_code == 401
    assert unknown.json() == wrong.json()
    assert wrong.json()["error"] == wrong.json()["code"] == "BAD_CREDENTIALS"
    assert "wrong" in wrong.json()["detail"]
    assert wrong.headers["WWW-Authenticate"] == "Bearer"


async def test_an_expired_token_says_so(http: httpx.AsyncClient, clock: ManualClock) -> None:
    await register(http)
    headers = await bearer(http)
    clock.advance(3600)
    answer = await http.get("/users/me", headers=headers)
    assert answer.status_code == 401
    assert "expired" in answer.json()["detail"]
    assert answer.json()["code"] == "TOKEN_EXPIRED"


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer "}],
)
async def test_without_a_token_of_ours_nobody_is_known(http: httpx.AsyncClient, headers: dict[str, str]) -> None:
    for path in ("/users/me", "/users"):
        answer = await http.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"


async def test_the_token_of_a_removed_account_is_worth_nothing(http: httpx.AsyncClient, services: Services) -> None:
    await register(http)
    headers = await bearer(http)
    async with services.database.write() as session:
        await users.remove(session, "ada")
    assert (await http.get("/users/me", headers=headers)).status_code == 401


async def test_a_name_is_given_once(http: httpx.AsyncClient) -> None:
    await register(http)
    again = await register(http, "ADA")
    assert again.status_code == 409
    assert again.json()["code"] == "USERNAME_TAKEN"


async def test_twenty_registrations_at_once_make_one_account(http: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(register(http) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"username": "ada"}, "password"),
        ({"password": PASSWORD}, "username"),
        ({"username": 7, "password": PASSWORD}, "username"),
        ({"username": "ada", "password": "short"}, "password"),
        ({"username": "a b", "password": PASSWORD}, "username"),
        ({"username": "ada", "password": PASSWORD, "role": "admin"}, "role"),
        ({"username": "ada-lovelace", "password": "ADA-lovelace"}, "password"),
    ],
)
async def test_a_registration_that_cannot_be_used_names_the_field(
    http: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    answer = await http.post("/auth/register", json=body)
    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("body", [{}, {"username": "ada"}, {"username": None, "password": 1}, [], "ada", 7])
async def test_a_malformed_sign_in_is_unprocessable(http: httpx.AsyncClient, body: object) -> None:
    answer = await http.post("/auth/login", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"username": "\\ud800", "password": "x"}'])
async def test_a_sign_in_that_is_no_json_is_told_so(http: httpx.AsyncClient, content: bytes) -> None:
    answer = await http.post("/auth/login", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["code"] == "MALFORMED_JSON"


async def test_a_malformed_form_is_unprocessable(http: httpx.AsyncClient) -> None:
    answer = await http.post("/auth/login", data={"username": "ada"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "password"


async def test_a_sign_in_of_another_kind_is_told_which_are_taken(http: httpx.AsyncClient) -> None:
    answer = await http.post("/auth/login", content=b"username=ada", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
    expected = "application/json or application/x-www-form-urlencoded"
    assert answer.json()["errors"] == [{"field": "Content-Type", "expected": expected, "found": "text/plain"}]


async def test_odd_credentials_are_wrong_credentials(http: httpx.AsyncClient) -> None:
    for username in ("ada\x00", "' OR 1=1 --", "a" * 100_000):
        assert (await login(http, username, "x" * 100_000)).status_code == 401


async def test_a_password_is_never_in_an_answer(http: httpx.AsyncClient) -> None:
    answers = [await register(http, password="hunter2"), await register(http, "a b"), await login(http)]
    assert all("hunter2" not in answer.text and PASSWORD not in answer.text for answer in answers)


async def test_closed_registration_is_closed(app: FastAPI, http: httpx.AsyncClient, services: Services) -> None:
    settings = services.settings.model_copy(update={"auth": AuthSettings(registration="closed")})
    app.state.services = replace(services, settings=settings)
    answer = await register(http)
    assert answer.status_code == 403
    assert answer.json()["code"] == "REGISTRATION_CLOSED"


async def test_only_an_admin_sees_everybody(http: httpx.AsyncClient, services: Services, clock: ManualClock) -> None:
    await users.register(
        services.database, services.passwords, username="chief", password=PASSWORD, role="admin", now=clock.now()
    )
    for name in ("ada", "bob"):
        clock.advance(1)
        await register(http, name)
    refused = await http.get("/users", headers=await bearer(http, "ada"))
    assert refused.status_code == 403
    admin = await bearer(http, "chief")
    first = (await http.get("/users", params={"limit": 2}, headers=admin)).json()
    assert [user["username"] for user in first["items"]] == ["bob", "ada"]
    second = (await http.get("/users", params={"limit": 2, "cursor": first["next"]}, headers=admin)).json()
    assert [user["username"] for user in second["items"]] == ["chief"]
    assert second["next"] is None
    for odd in ({"cursor": "nonsense"}, {"limit": 0}, {"limit": 5000}, {"limit": "many"}):
        assert (await http.get("/users", params=odd, headers=admin)).status_code == 422


async def test_both_ways_to_sign_in_are_documented(http: httpx.AsyncClient) -> None:
    paths = (await http.get("http://test/openapi.json")).json()["paths"]
    body = paths["/api/v1/auth/login"]["post"]["requestBody"]["content"]
    assert set(body) == {"application/json", "application/x-www-form-urlencoded"}
    assert all(set(content["schema"]["properties"]) == {"username", "password"} for content in body.values())
