"""Fixtures of the black-box tests: the command line and real servers, in processes and homes of their own."""

import csv
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from random import Random
from secrets import token_hex
from typing import Any

import httpx
import postgresql
import pytest
from sqlalchemy.engine import URL

from forecastle.cli.main import invoke

START_TIMEOUT_S = 240.0
STOP_TIMEOUT_S = 30.0
TRAINING_TIMEOUT_S = 300.0
POLL_S = 0.05

Cli = Callable[..., subprocess.CompletedProcess[str]]
Launched = tuple[subprocess.Popen[bytes], str]
ENDED = {"completed", "failed", "cancelled"}


# --- processes ---------------------------------------------------------------------------------------------------


def _environment(home: Path, **settings: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("FORECASTLE_")}
    ours = {"FORECASTLE_HOME": str(home), "FORECASTLE_LOG__LEVEL": "warning", "COLUMNS": "100", "NO_COLOR": "1"}
    return inherited | ours | settings


def _run_cli(home: Path, *arguments: str | Path, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "forecastle", *map(str, arguments)],
        env=_environment(home, **settings),
        cwd=home,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TRAINING_TIMEOUT_S,
        check=False,
    )


@contextmanager
def _launch(home: Path, *options: str, **settings: str) -> Iterator[Launched]:
    """A ready server on a free port: its process and its address. It and its children are gone at the end."""
    command = [sys.executable, "-m", "forecastle", "serve", "--port", "0", *options]
    log = home / f"server-{token_hex(3)}.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, env=_environment(home, **settings), cwd=home, stdout=sink, stderr=sink, start_new_session=True
        )
    try:
        yield process, _await_ready(process, log)
    finally:
        _stop(process)


def _await_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        address = re.search(r"http://[\d.]+:\d+", log.read_text())
        if address is not None:
            with suppress(httpx.TransportError):
                if httpx.get(f"{address[0]}/readyz").is_success:
                    return address[0]
        time.sleep(POLL_S)
    pytest.fail(f"the server was not ready in time: {log.read_text()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
    with suppress(ProcessLookupError):  # the session that the server led: nothing of it may stay
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="session")
def launch() -> Callable[..., AbstractContextManager[Launched]]:
    """`launch(home, *options, **settings)`: a context with (process, address) of a server that is ready."""
    return _launch


@pytest.fixture(scope="session")
def cli_at() -> Cli:
    """`cli_at(home, *arguments, stdin="", **settings)`: one command in that home."""
    return _run_cli


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """`cli(*arguments, stdin="", **settings)`: one command in a home of this test."""
    home = tmp_path / "home"
    home.mkdir()
    return partial(_run_cli, home)


@pytest.fixture
def cli_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Like `cli_at`, but in this process: without the second that a new one takes to start."""

    def run(home: Path, *arguments: str | Path, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        for name in [name for name in os.environ if name.upper().startswith("FORECASTLE_")]:
            monkeypatch.delenv(name)
        for name, value in _environment(home, **settings).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(home)
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = invoke([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, printed.out, printed.err)

    return run


# --- databases ---------------------------------------------------------------------------------------------------


@contextmanager
def _postgresql_url(server: URL) -> Iterator[str]:
    with postgresql.database(server) as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_environment(request: pytest.FixtureRequest) -> Iterator[Mapping[str, str]]:
    """The settings that choose a database of this test; once SQLite in the home, once PostgreSQL."""
    if request.param == "sqlite":
        yield {}
        return
    with _postgresql_url(request.getfixturevalue("postgresql_server")) as url:
        yield {"FORECASTLE_DATABASE__URL": url}


# --- servers that live as long as the session --------------------------------------------------------------------


@pytest.fixture(scope="session")
def server_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="session")
def server_url(server_home: Path) -> Iterator[str]:
    """A server on SQLite."""
    with _launch(server_home) as (_process, url):
        yield url


@pytest.fixture(scope="session")
def admin(server_home: Path, server_url: str) -> Iterator[httpx.Client]:
    """Signed in with the password that the first start showed."""
    with _client(server_url) as client:
        yield _signed_in(client, "admin", _shown_password(server_home))


@pytest.fixture(scope="session")
def postgresql_admin(postgresql_server: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The same on a server of its own on PostgreSQL."""
    home = tmp_path_factory.mktemp("served-postgresql")
    with (
        _postgresql_url(postgresql_server) as database,
        _launch(home, FORECASTLE_DATABASE__URL=database) as (_process, url),
        _client(url) as client,
    ):
        yield _signed_in(client, "admin", _shown_password(home))


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def any_admin(request: pytest.FixtureRequest) -> httpx.Client:
    client: httpx.Client = request.getfixturevalue("admin" if request.param == "sqlite" else "postgresql_admin")
    return client


def _client(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=60)


def _shown_password(home: Path) -> str:
    shown = re.search(r"sign in as\s+admin\s+with password\s+(\S+)", "".join(p.read_text() for p in home.glob("*.log")))
    assert shown is not None
    return shown[1]


def _signed_in(client: httpx.Client, username: str, password: str) -> httpx.Client:
    answer = client.post("/api/v1/auth/login", json={"username": username, "password": password})
    assert answer.status_code == 200, answer.text
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return client


@pytest.fixture
def nobody(server_url: str) -> Iterator[httpx.Client]:
    """A client that has not signed in."""
    with _client(server_url) as client:
        yield client


@pytest.fixture
def newcomer() -> Iterator[Callable[[httpx.Client], httpx.Client]]:
    """`newcomer(admin)`: an account just registered on the same server, signed in."""
    with ExitStack() as stack:

        def register(other: httpx.Client) -> httpx.Client:
            client = stack.enter_context(_client(str(other.base_url)))
            name, password = f"user-{token_hex(4)}", token_hex(8)
            answer = client.post("/api/v1/auth/register", json={"username": name, "password": password})
            assert answer.status_code == 201, answer.text
            return _signed_in(client, name, password)

        yield register


@pytest.fixture
def viewer(server_home: Path, server_url: str) -> Iterator[httpx.Client]:
    """Someone who may look, but not change anything."""
    name, password = f"viewer-{token_hex(4)}", token_hex(8)
    made = _run_cli(server_home, "user", "add", name, "--role", "viewer", "--password-stdin", stdin=f"{password}\n")
    assert made.returncode == 0, made.stderr
    with _client(server_url) as client:
        yield _signed_in(client, name, password)


# --- tables, recipes, models -------------------------------------------------------------------------------------


def _csv(columns: list[str], rows: list[list[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue().encode()


@pytest.fixture(scope="session")
def bars_csv() -> bytes:
    """200 daily bars of two tickers."""
    random, rows = Random(11), list[list[Any]]()
    for ticker in ("AAA", "BBB"):
        close = 100.0
        for day in range(200):
            start, close = close, close * (1 + random.gauss(0.0005, 0.01))
            high, low = max(start, close) * 1.004, min(start, close) * 0.996
            prices = [round(price, 4) for price in (start, high, low, close)]
            rows.append([date(2024, 1, 1) + timedelta(days=day), ticker, *prices, random.randint(10_000, 90_000)])
    return _csv(["date", "ticker", "open", "high", "low", "close", "volume"], rows)


@pytest.fixture(scope="session")
def homes_csv() -> bytes:
    """300 flats without a time: numbers, a category, a price and whether it was sold."""
    random, rows = Random(12), list[list[Any]]()
    for _ in range(300):
        area, rooms, part = (
            round(random.uniform(20, 160), 1),
            random.randint(1, 6),
            random.choice(["old", "new", "sea"]),
        )
        price = 3.1 * area + 12 * rooms + {"old": 0, "new": 40, "sea": 95}[part] + random.gauss(0, 12)
        rows.append([area, rooms, part, round(price, 2), "yes" if price + random.gauss(0, 40) < 300 else "no"])
    return _csv(["area", "rooms", "part", "price", "sold"], rows)


@pytest.fixture(scope="session")
def bars_recipe() -> Mapping[str, Any]:
    return {
        "name": "bars-ridge",
        "dataset": "bars",
        "features": ["day = ret(close, 1)", "trend = close / sma(close, 5) - 1", "activity = volume / sma(volume, 5)"],
        "target": {"column": "close", "transform": "log_return", "horizon": 1},
        "algorithm": "ridge",
        "split": {"kind": "walk_forward", "train": 100, "test": 40},
        "seed": 3,
    }


@pytest.fixture(scope="session")
def homes_recipe() -> Mapping[str, Any]:
    return {
        "name": "homes-sold",
        "dataset": "homes",
        "features": ["area", "rooms", "part"],
        "target": {"column": "sold", "horizon": 0, "task": "classification"},
        "algorithm": "logistic",
        "split": {"kind": "random", "test": 0.25},
        "seed": 3,
    }


def _upload(client: httpx.Client, name: str, content: bytes, **options: str) -> httpx.Response:
    file = {"file": (f"{name}.csv", content, "text/csv")}
    return client.post("/api/v1/datasets", data={"name": name, **options}, files=file)


@pytest.fixture(scope="session")
def upload() -> Callable[..., httpx.Response]:
    """`upload(client, name, content, **options)`."""
    return _upload


def _await_job(client: httpx.Client, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + TRAINING_TIMEOUT_S
    while time.monotonic() < deadline:
        job: dict[str, Any] = client.get(f"/api/v1/jobs/{job_id}").json()
        if job["status"] in ENDED:
            return job
        time.sleep(POLL_S)
    pytest.fail(f"job {job_id} did not end in time")


@pytest.fixture(scope="session")
def await_job() -> Callable[[httpx.Client, str], dict[str, Any]]:
    """`await_job(client, job_id)`: the job once it has ended."""
    return _await_job


def _train(client: httpx.Client, recipe: Mapping[str, Any]) -> dict[str, Any]:
    submitted = client.post("/api/v1/train", json=recipe)
    assert submitted.is_success, submitted.text
    job = _await_job(client, submitted.json()["job_id"])
    assert job["status"] == "completed", job
    model: dict[str, Any] = client.get(f"/api/v1/models/{submitted.json()['model_id']}").json()
    return model


@pytest.fixture(scope="session")
def train() -> Callable[[httpx.Client, Mapping[str, Any]], dict[str, Any]]:
    """`train(client, recipe)`: the model, once it is trained."""
    return _train


@pytest.fixture(scope="session")
def stocked(admin: httpx.Client, bars_csv: bytes, homes_csv: bytes) -> httpx.Client:
    """The admin, once both tables are on the server of the session."""
    for answer in (
        _upload(admin, "bars", bars_csv, time="date", key="ticker"),
        _upload(admin, "homes", homes_csv, time="none"),
    ):
        assert answer.status_code == 201, answer.text
    return admin


@pytest.fixture(scope="session")
def bars_model(stocked: httpx.Client, bars_recipe: Mapping[str, Any]) -> dict[str, Any]:
    return _train(stocked, bars_recipe)


@pytest.fixture(scope="session")
def homes_model(stocked: httpx.Client, homes_recipe: Mapping[str, Any]) -> dict[str, Any]:
    return _train(stocked, homes_recipe)


# --- snapshots ---------------------------------------------------------------------------------------------------


@pytest.fixture
def equals_snapshot(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`equals_snapshot(name, text)`: compare with tests/snapshots/name; `--update-snapshots` writes it instead."""

    def compare(name: str, text: str) -> None:
        path = Path(__file__).parents[1] / "snapshots" / name
        if request.config.getoption("--update-snapshots"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"{path} is missing; write it with --update-snapshots"
        assert text == path.read_text(encoding="utf-8"), (
            f"{path} differs; if that is meant, run with --update-snapshots"
        )

    return compare
