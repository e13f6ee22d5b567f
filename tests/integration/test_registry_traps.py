"""The traps that earlier registries fell into, each by its name."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from forecastle.bootstrap import Services, open_services
from forecastle.clock import ManualClock
from forecastle.registry import leaderboard, models
from forecastle.registry.models import Model
from forecastle.settings import DatabaseSettings, Settings
from forecastle.types import new_id

Publish = Callable[..., Awaitable[Model]]
SignIn = Callable[..., Awaitable[httpx.AsyncClient]]


async def test_ids_that_collide_within_a_second(publish: Publish, clock: ManualClock) -> None:
    assert len({new_id(clock.now()) for _ in range(20_000)}) == 20_000
    published = await asyncio.gather(*(publish() for _ in range(20)))
    assert len({model.id for model in published}) == 20


async def test_a_registry_file_per_process(
    services: Services, publish: Publish, database_settings: DatabaseSettings, tmp_path: Path
) -> None:
    """Another process, with a home of its own, sees the same models and goes on counting their versions."""
    first = await publish()
    settings = Settings(home=tmp_path / "another", database=database_settings)
    async with open_services(settings, clock=services.clock) as elsewhere:
        async with elsewhere.database.read() as session:
            assert (await leaderboard.list_models(session)).items == (first,)
        async with elsewhere.database.write() as session:
            await models.promote(session, first.id, "production")
    async with services.database.read() as session:
        assert (await models.resolve(session, "prices")).stage == "production"
    assert (await publish()).version == 2


@pytest.mark.parametrize("path", ["/api/v1/models", "/models"])
async def test_anyone_may_promote(sign_in: SignIn, admin: httpx.AsyncClient, publish: Publish, path: str) -> None:
    model = await publish()
    promote = f"http://test{path}/{model.id}/promote"
    for role in ("user", "viewer"):
        someone = await sign_in(f"some-{role}", role)
        assert (await someone.post(promote, params={"new_stage": "production"})).status_code == 403
    stranger = httpx.AsyncClient(transport=admin._transport)
    assert (await stranger.post(promote, params={"new_stage": "production"})).status_code == 401
    assert (await admin.get(f"/models/{model.id}")).json()["stage"] == "dev"
    assert (await admin.post(promote, params={"new_stage": "production"})).status_code == 200
    assert (await admin.get(f"/models/{model.id}")).json()["stage"] == "production"
