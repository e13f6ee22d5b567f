"""Datasets over HTTP, on every database."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from forecastle.api import problems
from forecastle.api.middleware import RequestFrame
from forecastle.api.routes import datasets
from forecastle.auth import users
from forecastle.auth.passwords import Passwords
from forecastle.bootstrap import Services, open_services
from forecastle.clock import ManualClock
from forecastle.settings import DatabaseSettings, DataSettings, Settings

PRICES = b"date,stock,close\n2020-01-02,B,2.5\n2020-01-01,A,\n"
LIMIT = 200_000


@pytest.fixture
async def services(
    database_settings: DatabaseSettings, passwords: Passwords, clock: ManualClock, tmp_path: Path
) -> AsyncIterator[Services]:
    data = DataSettings(max_upload_bytes=LIMIT)
    settings = Settings(home=tmp_path / "home", database=database_settings, data=data)
    async with open_services(settings, clock=clock) as opened:
        yield replace(opened, passwords=passwords)


@pytest.fixture
async def http(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """A client signed in as a user."""
    app = FastAPI()
    app.include_router(datasets.router)
    problems.install(app)
    app.state.services = services
    framed = RequestFrame(
        app,
        settings=services.settings.server,
        metrics=services.metrics,
        clock=services.clock,
        upload_bytes={"/datasets": LIMIT},
    )
    transport = httpx.ASGITransport(framed)
    headers = {"Authorization": f"Bearer {await token(services, 'ada', role='user')}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test/api/v1", headers=headers) as client:
        yield client


async def token(services: Services, username: str, *, role: str) -> str:
    user = await users.register(
        services.database,
        services.passwords,
        username=username,
        password="correct horse battery",
        role=users.role(role),
        now=services.clock.now(),
    )
    return services.tokens.issue(user)


async def upload(
    http: httpx.AsyncClient, name: str, content: bytes = PRICES, *, filename: str = "prices.csv", **form: Any
) -> httpx.Response:
    return await http.post("/datasets", data={"name": name, **form}, files={"file": (filename, content)})


def problem(response: httpx.Response) -> tuple[int, str, str]:
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    return response.status_code, body["code"], body["detail"]


async def test_an_upload_becomes_a_dataset(http: httpx.AsyncClient) -> None:
    added = await upload(http, "prices", key="stock")
    assert added.status_code == 201
    body = added.json()
    assert (body["name"], body["rows"], body["time"], body["keys"]) == ("prices", 2, "date", ["stock"])
    assert body["columns"][2] == {"name": "close", "kind": "number", "missing": 1, "distinct": None, "note": None}
    assert (await http.get("/datasets/prices")).json() == body
    assert (await http.get("/datasets")).json() == {"items": [body], "next": None}


async def test_every_option_is_a_form_field(http: httpx.AsyncClient) -> None:
    content = b"1/2/2020~10:30~\xe9~007~1\n1/2/2020~10:30~\xe9~007~?!\n"
    form: dict[str, Any] = {
        "time": "day+clock",
        "key": ["who", "shop"],
        "columns": "day,clock,who,shop,v",
        "delimiter": "~",
        "encoding": "latin-1",
        "header": "false",
        "decimal": ",",
        "missing": ["?!"],
        "text": ["v"],
        "duplicates": "last",
        "date_format": "D/M/Y",
    }
    assert (await upload(http, "all", content, **form)).status_code == 201
    assert (await http.get("/datasets/all/rows")).json()["rows"] == [
        {"time": "2020-02-01T10:30:00Z", "who": "é", "shop": "007", "v": None}
    ]


async def test_rows_come_in_pages(http: httpx.AsyncClient) -> None:
    await upload(http, "prices")
    page = await http.get("/datasets/prices/rows", params={"limit": 1, "offset": 1})
    rows = [{"date": "2020-01-02T00:00:00Z", "stock": "B", "close": 2.5}]
    assert page.json() == {"rows": rows, "offset": 1, "total": 2}


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"offset": -1}, {"offset": 10**30}])
async def test_refuses_a_page_that_cannot_be(http: httpx.AsyncClient, query: dict[str, Any]) -> None:
    await upload(http, "prices")
    assert (await http.get("/datasets/prices/rows", params=query)).status_code == 422


async def test_a_removed_dataset_is_not_found(http: httpx.AsyncClient, services: Services) -> None:
    await upload(http, "prices")
    http.headers["Authorization"] = f"Bearer {await token(services, 'root', role='admin')}"
    removed = await http.delete("/datasets/prices")
    assert (removed.status_code, removed.content) == (204, b"")
    for answer in (
        await http.get("/datasets/prices"),
        await http.get("/datasets/prices/rows"),
        await http.delete("/datasets/prices"),
    ):
        assert problem(answer) == (404, "DATASET_NOT_FOUND", "no dataset is named 'prices'")


async def test_a_bad_file_is_refused_by_its_own_name(http: httpx.AsyncClient, services: Services) -> None:
    answer = await upload(http, "prices", b"a,b\n1,2\n3\n", filename="my table.csv")
    assert problem(answer) == (422, "BAD_TABLE", "my_table.csv: line 3: expected 2 fields, found 1")
    assert list(services.tables.root.rglob("*.*")) == []


@pytest.mark.parametrize("filename", ["../../evil.csv", "/etc/passwd", ".", "x" * 500, "lock", "ünï.csv"])
async def test_a_file_name_leads_nowhere(http: httpx.AsyncClient, services: Services, filename: str) -> None:
    added = await upload(http, "prices", filename=filename)
    assert added.status_code == 201
    assert [path.name for path in services.tables.root.rglob("*") if path.is_file()] == [
        f"{added.json()['sha256']}.parquet"
    ]


async def test_the_same_upload_again_is_the_same_dataset(http: httpx.AsyncClient) -> None:
    first, second = await upload(http, "prices"), await upload(http, "prices")
    assert first.json() == second.json()
    status, code, _ = problem(await upload(http, "prices", b"a\n1\n"))
    assert (status, code) == (409, "DATASET_EXISTS")


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"name": "a/b"}, "name"),
        ({"name": ""}, "name"),
        ({"duplicates": "newest"}, "duplicates"),
        ({"delimiter": "ab"}, "delimiter"),
        ({"header": "perhaps"}, "header"),
        ({"date_format": "soon"}, "date_format"),
        ({"encoding": "klingon"}, "encoding"),
        ({"decimal": ";"}, "decimal"),
    ],
)
async def test_a_bad_field_is_named(http: httpx.AsyncClient, form: dict[str, str], field: str) -> None:
    data = {"name": "prices", **form}
    answer = await http.post("/datasets", data=data, files={"file": ("prices.csv", PRICES)})
    assert answer.status_code == 422
    assert field in str(answer.json()["errors"])


async def test_an_upload_needs_a_file(http: httpx.AsyncClient) -> None:
    text = await http.post("/datasets", files={"name": (None, "prices"), "file": (None, "a,b")})
    assert problem(text) == (422, "INVALID_INPUT", "file: expected a file, found a,b")
    nothing = await http.post("/datasets", files={"name": (None, "prices")})
    assert problem(nothing) == (422, "INVALID_INPUT", "file: expected a value, found nothing")


async def test_an_upload_is_a_form_in_parts(http: httpx.AsyncClient) -> None:
    for answer in (
        await http.post("/datasets", data={"name": "prices"}),
        await http.post("/datasets", json={"name": "prices"}),
        await http.post("/datasets"),
    ):
        status, code, detail = problem(answer)
        assert (status, code) == (415, "UNSUPPORTED_MEDIA_TYPE")
        assert detail.startswith("Content-Type: expected multipart/form-data, found ")


async def test_a_form_field_that_is_unknown_is_refused_and_nothing_imported(http: httpx.AsyncClient) -> None:
    answer = await upload(http, "prices", keys="stock", tyme="date")
    assert answer.status_code == 422
    known = (
        "name, file, time, key, columns, delimiter, encoding, header, decimal, missing, text, duplicates, date_format"
    )
    assert answer.json()["errors"] == [
        {"field": field, "expected": f"one of {known} (did you mean {near}?)", "found": "an unknown field"}
        for field, near in (("keys", "key"), ("tyme", "time"))
    ]
    assert (await http.get("/datasets")).json()["items"] == []


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        ("multipart/form-data", b"--x--", "names no boundary"),
        ("multipart/form-data; boundary=x", b"--y\r\n", "divided by the boundary"),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n",
            "a part has no name",
        ),
    ],
)
async def test_a_form_that_cannot_be_read_says_why(
    http: httpx.AsyncClient, kind: str, content: bytes, reason: str
) -> None:
    status, code, detail = problem(await http.post("/datasets", content=content, headers={"Content-Type": kind}))
    assert (status, code) == (400, "MALFORMED_BODY")
    assert reason in detail


async def test_an_upload_beyond_the_limit_is_too_large(http: httpx.AsyncClient) -> None:
    status, code, detail = problem(await upload(http, "prices", b"a\n" + b"1\n" * LIMIT))
    assert (status, code) == (413, "TOO_LARGE")
    assert f"{LIMIT:,} bytes" in detail


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"delimiter": "é"}, "delimiter"),
        ({"delimiter": "\0"}, "delimiter"),
        ({"delimiter": "a"}, "delimiter"),
        ({"columns": "a,b\0,c"}, "columns"),
        ({"key": "stock\0"}, "keys"),
    ],
)
async def test_an_option_that_cannot_be_is_named(http: httpx.AsyncClient, form: dict[str, Any], field: str) -> None:
    answer = await upload(http, "prices", **form)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]


async def test_a_file_name_of_any_script_and_length_will_do(http: httpx.AsyncClient) -> None:
    assert (await upload(http, "prices", filename="価格" * 100 + ".csv")).status_code == 201


async def test_users_remove_no_dataset_since_models_of_others_may_need_it(http: httpx.AsyncClient) -> None:
    await upload(http, "prices")
    assert (await http.delete("/datasets/prices")).status_code == 403
    assert (await http.get("/datasets/prices")).status_code == 200


async def test_only_the_signed_in_look_and_viewers_change_nothing(http: httpx.AsyncClient, services: Services) -> None:
    await upload(http, "prices")
    http.headers["Authorization"] = f"Bearer {await token(services, 'vera', role='viewer')}"
    assert (await http.get("/datasets/prices")).status_code == 200
    assert (await upload(http, "other")).status_code == 403
    assert (await http.delete("/datasets/prices")).status_code == 403
    del http.headers["Authorization"]
    for method, path in (("GET", ""), ("GET", "/prices"), ("GET", "/prices/rows"), ("POST", ""), ("DELETE", "/prices")):
        assert (await http.request(method, f"/datasets{path}")).status_code == 401


async def test_uploads_do_not_stop_other_requests(http: httpx.AsyncClient) -> None:
    many = b"v\n" + b"1\n" * 90_000
    uploads = [asyncio.create_task(upload(http, f"d{i}", many + b"%d\n" % i)) for i in range(3)]
    answered = 0
    while not all(task.done() for task in uploads):
        assert (await http.get("/datasets")).status_code == 200
        answered += 1
    assert [task.result().status_code for task in uploads] == [201] * 3
    assert answered > 3


async def test_a_lost_file_is_said_to_be_missing(http: httpx.AsyncClient, services: Services) -> None:
    added = await upload(http, "prices")
    services.tables.remove(added.json()["sha256"])
    status, code, _ = problem(await http.get("/datasets/prices/rows"))
    assert (status, code) == (503, "TABLE_MISSING")
