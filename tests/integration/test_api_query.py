"""Query parameters that a route does not know are refused, on every route and alias alike."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest

from forecastle.api.aliases import ALIASES
from forecastle.api.app import build_app
from forecastle.api.routes import PREFIX
from forecastle.registry.models import Model

Publish = Callable[..., Awaitable[Model]]
DOCUMENT = build_app().openapi()
SIGN_IN = {f"{PREFIX}/auth/register", f"{PREFIX}/auth/login", "/auth/register", "/auth/login"}
OPEN_TO_ALL = SIGN_IN | {"/v2", "/v2/health/live", "/v2/health/ready", "/ping"}
INFRASTRUCTURE = ("/health", "/livez", "/readyz", "/metrics", "/docs", "/openapi.json")


def operations() -> Iterator[tuple[str, str, set[str]]]:
    """Method, path and query parameters of everything that is documented."""
    for path, methods in DOCUMENT["paths"].items():
        for method, found in methods.items():
            if path not in INFRASTRUCTURE:
                given = found.get("parameters", ())
                yield method.upper(), path, {each["name"] for each in given if each["in"] == "query"}


pytestmark = pytest.mark.parametrize("database_settings", ["sqlite"], indirect=True)
"""One database is enough: none is asked."""


async def send(client: httpx.AsyncClient, method: str, path: str, **params: Any) -> httpx.Response:
    return await client.request(method, f"http://test{path.replace('{', '').replace('}', '')}", params=params)


async def test_every_route_refuses_what_it_does_not_know(admin: httpx.AsyncClient) -> None:
    routes = list(operations())
    assert {path for _, path, _ in routes} >= {f"{PREFIX}/jobs/events", "/models", f"{PREFIX}/predict"}
    assert len(routes) > len(ALIASES) * 2
    for method, path, known in routes:
        answer = await send(admin, method, path, zzz="red", flavour="")
        assert answer.status_code == 422, (method, path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        problems = answer.json()["errors"]
        assert [(each["field"], each["found"]) for each in problems] == [
            ("zzz", "an unknown parameter"),
            ("flavour", "an unknown parameter"),
        ], (method, path)
        expected = problems[0]["expected"]
        assert set(expected.removeprefix("one of ").split(", ")) == (known or {"no query parameter"}), (method, path)


async def test_who_has_not_signed_in_is_told_that_and_nothing_else(admin: httpx.AsyncClient) -> None:
    async with httpx.AsyncClient(transport=admin._transport) as stranger:
        for method, path, _ in operations():
            status = (await send(stranger, method, path, zzz="red")).status_code
            assert status == (422 if path in OPEN_TO_ALL else 401), (method, path)


async def test_a_misspelt_filter_suggests_the_right_one_and_removes_nothing(
    admin: httpx.AsyncClient, publish: Publish
) -> None:
    model = await publish()
    for path in ("/models/all", "http://test/models/all"):
        answer = await admin.delete(path, params={"confirm": "yes", "nmae": "wine"})
        assert answer.status_code == 422
        (problem,) = answer.json()["errors"]
        assert problem["field"] == "nmae"
        assert problem["expected"].endswith("(did you mean name?)")
    assert (await admin.get(f"/models/{model.id}")).status_code == 200


async def test_many_and_long_names_make_a_short_answer(admin: httpx.AsyncClient) -> None:
    answer = await admin.get("/models", params={f"{'x' * 500}{number}": "" for number in range(100)})
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) <= 20
    assert len(answer.content) < 20_000


async def test_a_parameter_without_a_name_is_none_that_is_known(admin: httpx.AsyncClient) -> None:
    answer = await admin.get("/models?=x")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("a parameter without a name: expected one of sort, ")


@pytest.mark.parametrize("path", INFRASTRUCTURE)
async def test_infrastructure_takes_what_balancers_and_browsers_add(admin: httpx.AsyncClient, path: str) -> None:
    assert (await send(admin, "GET", path, cache="1")).status_code == 200
