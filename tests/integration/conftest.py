"""Fixtures of the integration tests: the command line in this process, and the service with clients signed in to it."""

import io
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import Cli, Done

from forecastle.api.app import application
from forecastle.auth import users
from forecastle.auth.passwords import Passwords
from forecastle.auth.users import Role
from forecastle.bootstrap import Services, open_services
from forecastle.cli.main import invoke
from forecastle.clock import ManualClock
from forecastle.registry import manifest as manifests
from forecastle.registry import models
from forecastle.registry.manifest import Manifest
from forecastle.registry.models import Model
from forecastle.settings import DatabaseSettings, Settings

Publish = Callable[..., Awaitable[Model]]
SignIn = Callable[..., Awaitable[httpx.AsyncClient]]
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of the commands; the first of them makes it."""
    return tmp_path / "home"


@pytest.fixture
def cli(home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """`cli(*arguments, stdin="")`: one command in a home that is empty at first, with `tmp_path` as working folder."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.upper().startswith("FORECASTLE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FORECASTLE_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, stdin: str = "") -> Done:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        capfd.readouterr()
        code = invoke([*arguments])
        return Done(code, *capfd.readouterr())

    return run


@pytest.fixture
async def services(
    database_settings: DatabaseSettings, passwords: Passwords, clock: ManualClock, tmp_path: Path
) -> AsyncIterator[Services]:
    async with open_services(Settings(home=tmp_path / "home", database=database_settings), clock=clock) as opened:
        yield replace(opened, passwords=passwords)


@pytest.fixture
def publish(services: Services, make_manifest: Callable[..., Manifest], make_graph: Callable[..., bytes]) -> Publish:
    """Publishes a small model, each a second after the one before; keywords replace fields of its manifest."""
    seconds = count()

    async def publish(*, bias: float = 0.0, **fields: Any) -> Model:
        known = {each: fields.pop(each) for each in ("tags", "owner", "cohort", "group") if each in fields}
        manifest = make_manifest(created_at=NEW_YEAR + timedelta(seconds=next(seconds)), **fields)
        graph = services.artifacts.put(make_graph(manifest, bias=bias))
        described = services.artifacts.put(manifests.encode(manifest))
        async with services.database.write() as session:
            return await models.publish(
                session, manifest=manifest, graph_sha256=graph, manifest_sha256=described, **known
            )

    return publish


@pytest.fixture
async def sign_in(services: Services) -> AsyncIterator[SignIn]:
    """`sign_in(name, role)`: a client of the whole application."""
    opened: list[httpx.AsyncClient] = []
    app = application(services)

    async def sign_in(name: str, role: Role = "user") -> httpx.AsyncClient:
        user = await users.register(
            services.database,
            services.passwords,
            username=name,
            password="correct horse",
            role=role,
            now=services.clock.now(),
        )
        headers = {"Authorization": f"Bearer {services.tokens.issue(user)}"}
        transport = httpx.ASGITransport(app)
        opened.append(httpx.AsyncClient(transport=transport, base_url="http://test/api/v1", headers=headers))
        return opened[-1]

    yield sign_in
    for client in opened:
        await client.aclose()


@pytest.fixture
async def user(sign_in: SignIn) -> httpx.AsyncClient:
    return await sign_in("ada")


@pytest.fixture
async def admin(sign_in: SignIn) -> httpx.AsyncClient:
    return await sign_in("root", "admin")
