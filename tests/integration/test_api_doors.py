"""The fast and the ordinary door give identical answers to whatever is asked of them."""

import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from forecastle.api.app import application, build_app
from forecastle.api.fast_door import WINDOWS
from forecastle.api.middleware import RequestFrame
from forecastle.auth import users
from forecastle.bootstrap import Services
from forecastle.clock import ManualClock
from forecastle.registry.manifest import FeatureColumn
from forecastle.registry.models import Model

Publish = Callable[..., Awaitable[Model]]
REQUESTS = 2_000
OWN = {"id", "ids", "latency_ms", "request_id", "cached"}
"""What two answers to one question may differ in."""


@pytest.fixture
async def doors(services: Services) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """A client of each: the application as it is served, and its routes without the fast door."""
    routes = build_app()
    routes.state.services = services
    framed = application(services)
    assert isinstance(framed, RequestFrame)
    ordinary = RequestFrame(
        routes, settings=framed.settings, metrics=framed.metrics, clock=framed.clock, upload_bytes=framed.upload_bytes
    )
    clients = [
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") for app in (framed, ordinary)
    ]
    yield clients[0], clients[1]
    for client in clients:
        await client.aclose()


@pytest.fixture
async def token(services: Services) -> str:
    user = await users.register(
        services.database, services.passwords, username="ada", password="correct horse", now=services.clock.now()
    )
    return services.tokens.issue(user)


def comparable(answer: httpx.Response) -> tuple[int, dict[str, str], Any]:
    headers = dict(answer.headers)
    for name in ("x-request-id", "server-timing", "content-length"):
        headers[name] = "given" if headers.get(name) else "missing"
    body = answer.json()
    return answer.status_code, headers, {name: value for name, value in body.items() if name not in OWN}


GOOD = [1, 2.5, -0.0, 1e308, 5e-324, 2**53 + 1, -(2**70), 0.1 + 0.2]
BAD: list[Any] = [None, True, "1", "", [], {}, 10**400, "\ud800", "NUL\0"]
NAMES = ["a", "b", "B", "city", "", "\ud800", "a" * 300]
PATHS = ["/predict", "/api/v1/predict", "/batch-predict", "/predict/batch", "/api/v1/batch-predict"]
MODELS = ["prices", "nothing", "", "x" * 201, None, 3, "\0"]
BODIES = [
    b"", b"{", b"[]", b"null", b'{"features": [1, NaN]}', b'{"features": [1, Infinity]}', b'{"features": [1e400, 1]}',
    b'{"features": [1, 2], "features": [3, 4]}',
    b'{"samples": [{"a": 1, "b": 2, "a": 3}]}', b'{"features": {"a": 1, "\\u0061": 2, "b": 1}}',
    b"\xff", b'{"features": [1, 2]} x', b'{"features": [01, 2]}',
    b'\xef\xbb\xbf{"features": [1, 2]}', b'{"features": [1, 2]}\n', b"[" * 5000, b'{"features":' * 3000,
    b'{"features": [1, 2], "model": "prices\\u0000"}', '{"features": [1, 2]}'.encode("utf-16"),
]  # fmt: skip
HEADERS: list[dict[str, str]] = [
    {}, {}, {}, {}, {}, {},
    {"X-Request-ID": "mine"}, {"X-Request-ID": "not mine"}, {"Content-Type": "application/json; charset=utf-8"},
    {"Content-Type": "text/plain"}, {"Content-Type": ""}, {"Authorization": ""}, {"Authorization": "Bearer x.y.z"},
    {"Authorization": "Basic x"}, {"Authorization": "Bearer "},
]  # fmt: skip


def drawn_row(draw: random.Random) -> Any:
    values = [draw.choice(GOOD if draw.random() < 0.98 else BAD) for _ in range(draw.choice([2] * 20 + [0, 1, 3]))]
    if draw.random() < 0.6:
        return values
    return dict(zip(["a", "b"] if draw.random() < 0.95 else draw.sample(NAMES, 3), values, strict=False))


def drawn_body(draw: random.Random, *, several: bool) -> bytes:
    if draw.random() < 0.1:
        return draw.choice(BODIES)
    rows = [drawn_row(draw) for _ in range(draw.choice([1, 2, 2, 5, 0, 101]) if several else 1)]
    body: dict[str, Any] = {"samples": rows} if several else {"features": rows[0]}
    if draw.random() < 0.2:
        body["model"] = draw.choice(MODELS)
    if draw.random() < 0.1:
        body[draw.choice(["key", "time", "given", "samples", "features", "else"])] = draw.choice([*GOOD, *BAD])
    return json.dumps(body).encode()


@pytest.mark.parametrize("database_settings", ["sqlite"], indirect=True)  # doors do not know what is behind them
async def test_both_doors_answer_alike(
    doors: tuple[httpx.AsyncClient, httpx.AsyncClient], publish: Publish, token: str
) -> None:
    """Status, headers and body, ids and times aside, over generated requests, good and bad."""
    await publish()
    draw, seen = random.Random(5), Counter[int]()
    for number in range(REQUESTS):
        path = draw.choice(PATHS)
        content = drawn_body(draw, several="batch" in path)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **draw.choice(HEADERS)}
        query = draw.choice(["", "", "", "", "", "?model=prices"])
        answers = [await door.post(path + query, content=content, headers=headers) for door in doors]
        fast, ordinary = map(comparable, answers)
        assert fast == ordinary, (number, path + query, headers, content[:300])
        seen[fast[0]] += 1
    assert seen[200] > REQUESTS / 6
    assert {200, 401, 404, 422} <= set(seen)


@pytest.mark.parametrize(
    ("path", "body", "keys"),
    [
        ("/predict", b'{"features": [1, 2], "features": [3, 4]}', ["features"]),
        ("/predict", b'{"features": {"a": 1, "b": 2, "a": 3}}', ["a"]),
        ("/predict", b'{"features": {"a": 1, "\\u0061": 2, "b": 1}, "model": null, "model": null}', ["a", "model"]),
        ("/batch-predict", b'{"samples": [{"a": 1, "b": 2}, {"a": 1, "b": 2, "b": 2}]}', ["b"]),
    ],
)
async def test_a_key_that_comes_twice_is_refused_at_both_doors(
    doors: tuple[httpx.AsyncClient, httpx.AsyncClient],
    publish: Publish,
    token: str,
    path: str,
    body: bytes,
    keys: list[str],
) -> None:
    await publish()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    for door in doors:
        answer = await door.post(path, content=body, headers=headers)
        assert answer.status_code == 422
        assert [each["field"] for each in answer.json()["errors"]] == keys
        assert f"{keys[0]}: expected to be given once, found given more than once" in answer.json()["detail"]
        stranger = await door.post(path, content=body, headers={"Content-Type": "application/json"})
        assert stranger.status_code == 401


async def test_what_is_stored_is_the_same_too(
    doors: tuple[httpx.AsyncClient, httpx.AsyncClient], publish: Publish, token: str
) -> None:
    columns = (FeatureColumn("a", "a", "number"), FeatureColumn("city", "city", "category", ("Oslo", "Rome")))
    await publish(features=columns)
    headers = {"Authorization": f"Bearer {token}"}
    rows = [[1, "Oslo"], {"city": "Paris", "a": 2**70}, [0.1, None]]
    for row in rows:
        answers = [await door.post("/predict", json={"features": row}, headers=headers) for door in doors]
        stored = [
            (await doors[1].get(f"/predictions/{answer.json()['id']}", headers=headers)).json() for answer in answers
        ]
        assert {name: value for name, value in stored[0].items() if name not in OWN} == {
            name: value for name, value in stored[1].items() if name not in OWN
        }


async def test_a_removed_account_is_nobody_a_second_later(
    doors: tuple[httpx.AsyncClient, httpx.AsyncClient],
    publish: Publish,
    token: str,
    services: Services,
    clock: ManualClock,
) -> None:
    await publish()
    headers, body = {"Authorization": f"Bearer {token}"}, {"features": [1, 2]}
    assert (await doors[0].post("/predict", json=body, headers=headers)).status_code == 200
    async with services.database.write() as session:
        await users.remove(session, "ada")
    clock.advance(1.01)
    refused = await doors[0].post("/predict", json=body, headers=headers)
    assert (refused.status_code, refused.json()["detail"]) == (401, "this account no longer exists")


async def test_a_token_ends_when_it_says(
    doors: tuple[httpx.AsyncClient, httpx.AsyncClient],
    publish: Publish,
    token: str,
    services: Services,
    clock: ManualClock,
) -> None:
    await publish()
    headers, body = {"Authorization": f"Bearer {token}"}, {"features": [1, 2]}
    clock.advance(services.tokens.lifetime_s - 0.3)
    assert (await doors[0].post("/predict", json=body, headers=headers)).status_code == 200
    clock.advance(0.31)
    for door in doors:
        refused = await door.post("/predict", json=body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "TOKEN_EXPIRED")


async def test_a_body_in_pieces_is_served_all_the_same(
    doors: tuple[httpx.AsyncClient, httpx.AsyncClient], publish: Publish, token: str
) -> None:
    await publish()

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b'{"feat', b'ures": [1,', b" 2]}"):
            yield piece

    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = await doors[0].post("/predict", content=pieces(), headers=headers)
    assert (answer.status_code, answer.json()["prediction"]) == (200, 5.0)


def test_every_window_is_a_route_too() -> None:
    documented = {path for path, methods in build_app().openapi()["paths"].items() if "post" in methods}
    assert documented >= WINDOWS.keys()
