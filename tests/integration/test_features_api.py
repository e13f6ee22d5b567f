"""Features over HTTP and on the command line."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import Cli
from fastapi import FastAPI

from forecastle.api import problems
from forecastle.api.middleware import RequestFrame
from forecastle.api.routes import features
from forecastle.auth import users
from forecastle.auth.passwords import Passwords
from forecastle.bootstrap import Services, open_services
from forecastle.clock import ManualClock
from forecastle.data import catalogue
from forecastle.data.options import ImportOptions
from forecastle.db.migrate import upgrade
from forecastle.features import catalogue as functions
from forecastle.settings import Settings
from forecastle.types import no_progress

BARS = "date,ticker,Close,weather\n" + "".join(
    f"2024-01-0{day},{ticker},{day * scale},{'sun' if day % 2 else ''}\n"
    for day in range(1, 7)
    for ticker, scale in (("A", 1.5), ("B", 10))
)
INDEX = "when,close\n" + "".join(f"2024-01-0{day},{100 + day}\n" for day in range(1, 7))
WINE = "acid,kind\n1.5,red\n4,white\n"


@pytest.fixture
async def services(passwords: Passwords, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Services]:
    async with open_services(Settings(home=tmp_path / "home"), clock=clock) as opened:
        await upgrade(opened.database)
        for name, content, keys in (("bars", BARS, ("ticker",)), ("SPY", INDEX, ()), ("wine", WINE, ())):
            (tmp_path / name).write_text(content)
            await catalogue.import_file(
                opened.database, opened.tables, tmp_path / name, ImportOptions(keys=keys),
                name=name, now=clock.now(), progress=no_progress,
            )  # fmt: skip
        yield replace(opened, passwords=passwords)


@pytest.fixture
async def http(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(features.router)
    problems.install(app)
    app.state.services = services
    framed = RequestFrame(
        app,
        settings=services.settings.server,
        metrics=services.metrics,
        clock=services.clock,
        upload_bytes={"/datasets": 1000},
    )
    viewer = await users.register(
        services.database,
        services.passwords,
        username="ada",
        password="correct horse battery",
        role="viewer",
        now=services.clock.now(),
    )
    headers = {"Authorization": f"Bearer {services.tokens.issue(viewer)}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(framed), base_url="http://test/api/v1", headers=headers
    ) as client:
        yield client


async def previewed(http: httpx.AsyncClient, *entries: str, **choices: Any) -> httpx.Response:
    return await http.post("/features/preview", json={"dataset": "bars", "features": entries, **choices})


async def test_the_catalogue_lists_every_function(http: httpx.AsyncClient) -> None:
    items = (await http.get("/features")).json()["items"]
    assert [item["name"] for item in items] == [function.name for function in functions()]
    sma = next(item for item in items if item["name"] == "sma")
    assert sma == {
        "name": "sma",
        "family": "indicators",
        "signature": "sma(x=close, window=20)",
        "parameters": [
            {"name": "x", "kind": "series", "default": "close"},
            {"name": "window", "kind": "whole number 1-10000", "default": "20"},
        ],
        "doc": "Simple moving average of the last `window` values.",
        "example": "sma(close, 20)",
    }
    lags = (await http.get("/features", params={"family": "lags"})).json()["items"]
    assert [item["name"] for item in lags] == ["lag", "before", "diff"]
    refused = await http.get("/features", params={"family": "lag"})
    assert refused.status_code == 422
    assert "found lag" in refused.json()["detail"]


async def test_a_preview_shows_the_last_rows_and_what_is_missing(http: httpx.AsyncClient) -> None:
    answer = await previewed(http, "change = diff(close)", "weather", limit=2)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "features": [
            {"name": "change", "expression": "diff(Close, 1)", "kind": "number", "missing_share": 2 / 12},
            {"name": "weather", "expression": "weather", "kind": "category", "missing_share": 0.5},
        ],
        "rows": [
            {"date": "2024-01-06T00:00:00Z", "ticker": "A", "change": 1.5, "weather": None},
            {"date": "2024-01-06T00:00:00Z", "ticker": "B", "change": 10.0, "weather": None},
        ],
        "total": 12,
    }


async def test_a_preview_joins_context_and_makes_bars(http: httpx.AsyncClient) -> None:
    joined = (await previewed(http, "close_SPY", context=["SPY"], limit=1)).json()
    assert joined["rows"] == [{"date": "2024-01-06T00:00:00Z", "ticker": "B", "close_SPY": 106}]
    bars = (await previewed(http, "close", timeframe="2d")).json()
    assert [row["close"] for row in bars["rows"]] == [1.5, 10.0, 4.5, 30.0, 7.5, 50.0]


async def test_a_preview_of_a_plain_table(http: httpx.AsyncClient) -> None:
    shown = (await previewed(http, "sqrt(acid - 0)", "kind", "seven = 3 + 4", dataset="wine")).json()
    assert [row["kind"] for row in shown["rows"]] == ["red", "white"]
    assert shown["rows"][1] == {"sqrt(acid - 0)": 2, "kind": "white", "seven": 7}
    alone = (await previewed(http, "3 + 4", dataset="wine")).json()
    assert alone["rows"] == [{"3 + 4": 7}, {"3 + 4": 7}]


@pytest.mark.parametrize(
    ("choices", "status", "words"),
    [
        ({"features": ["sma(clos, 20)"]}, 422, "expected a column, found clos; did you mean Close?"),
        ({"features": ["sma(close, 0)"]}, 422, "a whole number from 1 to 10,000"),
        ({"features": ["__import__('os').system('true')"]}, 422, "found .system"),
        ({"features": ["("]}, 422, "found the end"),
        ({"features": []}, 422, "features"),
        ({"features": ["close"] * 101}, 422, "features"),
        ({"features": ["close", "close"]}, 422, "each name once"),
        ({"features": ["x" * 2001]}, 422, "features"),
        ({"features": "close"}, 422, "features"),
        ({"dataset": "nope"}, 404, "nope"),
        ({"limit": 0}, 422, "limit"),
        ({"timeframe": "1 fortnight"}, 422, "timeframe"),
        ({"context": ["nope"]}, 404, "nope"),
        ({"context": ["bars"]}, 422, "expected one row a time"),
    ],
)  # fmt: skip
async def test_a_bad_preview_is_told(http: httpx.AsyncClient, choices: dict[str, Any], status: int, words: str) -> None:
    answer = await http.post("/features/preview", json={"dataset": "bars", "features": ["close"], **choices})
    assert answer.status_code == status
    assert words in answer.text.encode().decode("unicode_escape")


async def test_features_need_an_account(http: httpx.AsyncClient) -> None:
    http.headers.pop("Authorization")
    assert (await http.get("/features")).status_code == 401
    assert (await previewed(http, "close")).status_code == 401


@pytest.fixture
def stocked(cli: Cli, tmp_path: Path) -> Cli:
    for name, content, options in (("bars", BARS, ("--key", "ticker")), ("SPY", INDEX, ())):
        (tmp_path / f"{name}.csv").write_text(content)
        assert cli("data", "add", f"{name}.csv", "--name", name, *options).code == 0
    return cli


def test_list_by_family(cli: Cli) -> None:
    found = cli("features", "list", "--family", "regimes")
    assert found.code == 0
    assert "sma_distance(x=close, window=200)" in found.out
    assert "rsi" not in found.out
    assert len(cli("features", "list", "--json").json) == len(functions())
    refused = cli("features", "list", "--family", "regime")
    assert refused.code == 4
    assert "regimes" in refused.err


def test_preview_as_table_and_as_json(stocked: Cli) -> None:
    shown = stocked("features", "preview", "bars", "change = diff(close)", "weather", "--rows", "2")
    assert shown.code == 0
    assert shown.out.splitlines()[0].split() == ["date", "ticker", "change", "weather"]
    assert shown.out.splitlines()[1].split() == ["2024-01-06T00:00:00Z", "A", "1.5", "-"]
    assert "change: number, missing in 16.7% of 12 rows" in shown.err
    options = ("--timeframe", "2d", "--context", "SPY", "--rows", "1", "--json")
    assert stocked("features", "preview", "bars", "x = close_SPY - close", *options).json["rows"] == [
        {"date": "2024-01-06T00:00:00Z", "ticker": "B", "x": 55.0}
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("bars", "sma(clos)"), 4, "did you mean Close?"),
        (("bars", "close +"), 4, "found the end"),
        (("bars", "close", "--timeframe", "x"), 4, "timeframe: expected"),
        (("nope", "close"), 5, "nope"),
        (("bars",), 2, "EXPR"),
        (("bars", "close", "--rows", "0"), 2, "rows"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(
    stocked: Cli, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = stocked("features", "preview", *arguments)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert len(done.err.strip().splitlines()) == 1
