"""A server is killed under load: what it acknowledged is in the database."""

import asyncio
import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path
from secrets import token_hex

import asyncpg
import httpx
import pytest

CONCURRENT = 200
ACKNOWLEDGED_BEFORE_THE_KILL = 1000

UNMEASURED = {"COVERAGE_PROCESS_CONFIG": ""}
"""What is killed saves no coverage: measuring it would only slow it down and leave torn files."""

Launch = Callable[..., AbstractContextManager[tuple[subprocess.Popen[bytes], str]]]


@pytest.fixture
def environment(database_environment: Mapping[str, str]) -> Mapping[str, str]:
    return {**database_environment, **UNMEASURED}


@pytest.fixture
def account() -> Mapping[str, str]:
    return {"username": "ada", "password": token_hex(8)}


@pytest.fixture
def model(
    tmp_path: Path,
    environment: Mapping[str, str],
    account: Mapping[str, str],
    launch: Launch,
    request: pytest.FixtureRequest,
) -> str:
    """A model in a home and database of this test, whose server has been stopped again."""
    with launch(tmp_path, **environment) as (_process, url), httpx.Client(base_url=url, timeout=60) as client:
        client.post("/api/v1/auth/register", json=account).raise_for_status()
        client.headers["Authorization"] = f"Bearer {_token(url, account)}"
        table, recipe = request.getfixturevalue("bars_csv"), request.getfixturevalue("bars_recipe")
        request.getfixturevalue("upload")(client, "bars", table, time="date", key="ticker").raise_for_status()
        return str(request.getfixturevalue("train")(client, recipe)["id"])


def test_every_acknowledged_prediction_survives_a_kill(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    environment: Mapping[str, str],
    launch: Launch,
    account: Mapping[str, str],
    model: str,
) -> None:
    acknowledged = set[str]()
    for _ in range(request.config.getoption("--kill-rounds")):
        with launch(tmp_path, "--no-runner", **environment) as (process, url):
            answered = asyncio.run(_predict_until_killed(process, url, _token(url, account), model))
        assert len(answered) >= ACKNOWLEDGED_BEFORE_THE_KILL
        assert not acknowledged & answered
        acknowledged |= answered
        stored = _stored_ids(tmp_path, environment)
        assert acknowledged <= stored, f"{len(acknowledged - stored)} of {len(acknowledged)} lost"
    _assert_readable(launch, tmp_path, environment, account, acknowledged)


def _token(url: str, account: Mapping[str, str]) -> str:
    return str(httpx.post(f"{url}/api/v1/auth/login", json=dict(account)).json()["access_token"])


async def _predict_until_killed(process: subprocess.Popen[bytes], url: str, token: str, model: str) -> set[str]:
    """The ids acknowledged to callers that never stop asking, until nobody answers."""
    answered = set[str]()
    host, _, port = url.removeprefix("http://").partition(":")

    async def ask(caller: int) -> None:
        with suppress(OSError, EOFError):
            reader, writer = await asyncio.open_connection(host, int(port))
            with closing(writer):
                for turn in range(1_000_000):
                    features = [0.001 * caller, 0.00001 * turn, 1.0]
                    body = json.dumps({"model": model, "features": features}).encode()
                    writer.write(_head(token, len(body)) + body)
                    status, answer = await _read_answer(reader)
                    assert status == 200, answer
                    answered.add(json.loads(answer)["id"])
                    if len(answered) == ACKNOWLEDGED_BEFORE_THE_KILL:
                        process.kill()

    await asyncio.gather(*(ask(caller) for caller in range(CONCURRENT)))
    return answered


def _head(token: str, length: int) -> bytes:
    lines = ("POST /api/v1/predict HTTP/1.1", "Host: server", f"Authorization: Bearer {token}")
    return "\r\n".join((*lines, "Content-Type: application/json", f"Content-Length: {length}", "", "")).encode()


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Straight from the socket: a client library would spend the test's time on its pool of 200 connections."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
    assert length is not None, head
    return int(head.split()[1]), await reader.readexactly(int(length[1]))


def _stored_ids(home: Path, environment: Mapping[str, str]) -> set[str]:
    """What the database holds, asked without Forecastle."""
    statement = "SELECT id FROM predictions"
    url = environment.get("FORECASTLE_DATABASE__URL")
    if url is None:
        with closing(sqlite3.connect(home / "forecastle.db")) as connection:
            return {row[0] for row in connection.execute(statement)}

    async def fetch() -> set[str]:
        connection = await asyncpg.connect(url)
        try:
            return {row[0] for row in await connection.fetch(statement)}
        finally:
            await connection.close()

    return asyncio.run(fetch())


def _assert_readable(
    launch: Launch, home: Path, environment: Mapping[str, str], account: Mapping[str, str], ids: set[str]
) -> None:
    """The next server shows its owner what the killed ones acknowledged."""
    with launch(home, "--no-runner", **environment) as (_process, url), httpx.Client(base_url=url) as client:
        client.headers["Authorization"] = f"Bearer {_token(url, account)}"
        for identifier in sorted(ids)[:: max(1, len(ids) // 20)]:
            assert client.get(f"/api/v1/predictions/{identifier}").status_code == 200


def test_a_killed_server_takes_its_children_along(tmp_path: Path, launch: Launch) -> None:
    with launch(tmp_path, **UNMEASURED) as (process, _url):
        group = process.pid
        process.kill()
        process.wait()
        assert asyncio.run(_all_gone(group)), "processes of the killed server are still there"


async def _all_gone(group: int) -> bool:
    for _ in range(300):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        await asyncio.sleep(0.1)
    return False
