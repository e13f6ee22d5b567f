"""Versions, stages and which model answers: the same on every database."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

import pytest

from forecastle.db import Database
from forecastle.registry import models
from forecastle.registry.artifacts import ArtifactStore
from forecastle.registry.errors import BadStage, ModelNotFound
from forecastle.registry.leaderboard import Filters
from forecastle.registry.manifest import Manifest
from forecastle.registry.models import Model
from forecastle.registry.removal import remove_all, remove_model

Publish = Callable[..., Awaitable[Model]]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def artifacts() -> ArtifactStore:
    return ArtifactStore(f"memory://{token_hex(8)}")


@pytest.fixture
def publish(database: Database, make_manifest: Callable[..., Manifest]) -> Publish:
    async def publish(
        name: str = "prices", *, graph_sha256: str | None = None, stage: str | None = None, **fields: Any
    ) -> Model:
        manifest = make_manifest(name=name, **fields)
        async with database.write() as session:
            model = await models.publish(
                session, manifest=manifest, graph_sha256=graph_sha256 or token_hex(32), manifest_sha256=token_hex(32)
            )
            return await models.promote(session, model.id, stage) if stage else model

    return publish


async def resolve(database: Database, wanted: str | None) -> Model:
    async with database.read() as session:
        return await models.resolve(session, wanted)


async def test_a_published_model_reads_back_as_it_was(database: Database, publish: Publish) -> None:
    model = await publish(metrics={"rmse": 0.5}, parent=None)
    async with database.read() as session:
        assert await models.get(session, model.id) == model
        assert await models.find_by_fingerprint(session, model.fingerprint) == model
        assert await models.find_by_fingerprint(session, "0" * 64) is None
    assert (model.version, model.stage, model.metrics) == (1, "dev", {"rmse": 0.5})


async def test_versions_count_within_a_name(publish: Publish) -> None:
    versions = [(await publish(name)).version for name in ("prices", "wine", "prices", "prices", "wine")]
    assert versions == [1, 1, 2, 3, 2]


async def test_publishers_at_once_get_different_versions(publish: Publish) -> None:
    published = await asyncio.gather(*(publish() for _ in range(20)))
    assert sorted(model.version for model in published) == list(range(1, 21))


async def test_the_number_of_a_removed_model_is_not_given_again(
    database: Database, artifacts: ArtifactStore, publish: Publish
) -> None:
    first, second, other = await publish(), await publish(), await publish("wine")
    await remove_model(database, artifacts, second.id)
    assert (await publish()).version == 3
    await remove_model(database, artifacts, first.id)
    assert await remove_all(database, artifacts, Filters(), confirmation="yes") == 2
    assert [(await publish(name)).version for name in ("prices", "prices", "wine")] == [4, 5, other.version + 1]


async def test_a_recipe_trained_again_after_its_removal_is_a_version_of_its_own(
    database: Database, artifacts: ArtifactStore, publish: Publish
) -> None:
    first = await publish(fingerprint="f" * 64)
    await remove_model(database, artifacts, first.id)
    assert ((await publish(fingerprint="f" * 64)).version, first.version) == (2, 1)


async def test_no_number_is_given_twice_while_models_are_published_and_removed_at_once(
    database: Database, artifacts: ArtifactStore, publish: Publish
) -> None:
    async def come_and_go() -> list[int]:
        versions = []
        for _ in range(4):
            model = await publish()
            await remove_model(database, artifacts, model.id)
            versions.append(model.version)
        return versions

    given = [version for versions in await asyncio.gather(*(come_and_go() for _ in range(6))) for version in versions]
    assert sorted(given) == list(range(1, 25))
    assert (await publish()).version == 25


async def test_a_known_fingerprint_uses_up_no_number(publish: Publish) -> None:
    for _ in range(3):
        await publish(fingerprint="f" * 64)
    assert (await publish()).version == 2


async def test_one_fingerprint_is_one_model_however_many_publish_it(publish: Publish) -> None:
    published = await asyncio.gather(*(publish(fingerprint="f" * 64) for _ in range(8)))
    assert len({model.id for model in published}) == 1


async def test_a_publish_that_fails_leaves_no_gap(database: Database, make_manifest: Any, publish: Publish) -> None:
    async def fail() -> None:
        async with database.write() as session:
            await models.publish(
                session, manifest=make_manifest(), graph_sha256=token_hex(32), manifest_sha256=token_hex(32)
            )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert (await publish()).version == 1


async def test_an_id_answers_for_itself_in_any_stage(database: Database, publish: Publish) -> None:
    old, archived, new = await publish(), await publish(stage="archived"), await publish()
    assert [await resolve(database, model.id) for model in (old, archived, new)] == [old, archived, new]


async def test_a_name_answers_with_its_newest_production_version_else_its_newest(
    database: Database, publish: Publish
) -> None:
    first, second = await publish(stage="production"), await publish(stage="production")
    await publish()
    plain = await publish("wine")
    await publish("wine", stage="archived")
    assert await resolve(database, "prices") == second != first
    assert await resolve(database, "wine") == plain


async def test_nothing_given_is_answered_by_the_newest_in_production_else_the_newest(
    database: Database, publish: Publish
) -> None:
    newest = await publish(created_at=NOON)
    early = await publish("wine", created_at=NOON - timedelta(days=1))
    assert await resolve(database, None) == newest
    async with database.write() as session:
        promoted = await models.promote(session, early.id, "production")
    assert await resolve(database, None) == promoted


async def test_an_unknown_name_suggests_a_near_one(database: Database, publish: Publish) -> None:
    with pytest.raises(ModelNotFound, match="there is no model yet"):
        await resolve(database, None)
    await publish("prices")
    with pytest.raises(ModelNotFound, match="there is no model 'price'; did you mean prices"):
        await resolve(database, "price")


async def test_earlier_versions_are_newest_first_without_archived_ones(database: Database, publish: Publish) -> None:
    first, _, third, fourth = [await publish(stage=stage) for stage in ("dev", "archived", "staging", "dev")]
    async with database.read() as session:
        assert await models.earlier_versions(session, fourth) == (third, first)


async def test_promotion_moves_a_model_and_nothing_else(database: Database, publish: Publish) -> None:
    model, other = await publish(), await publish()
    async with database.write() as session:
        promoted = await models.promote(session, model.id, "production")
    assert (promoted.id, promoted.stage) == (model.id, "production")
    assert await resolve(database, model.id) == promoted
    assert await resolve(database, other.id) == other


async def test_promotion_refuses_what_does_not_exist(database: Database, publish: Publish) -> None:
    model = await publish()
    async with database.write() as session:
        with pytest.raises(BadStage, match="found live"):
            await models.promote(session, model.id, "live")
        with pytest.raises(ModelNotFound):
            await models.promote(session, "nobody", "dev")


async def test_who_gives_a_name_where_an_id_is_needed_is_told_the_id(database: Database, publish: Publish) -> None:
    await publish()
    newest = await publish(stage="archived")
    message = f"no model 'prices': that is a name, and an id is needed; its newest version is {newest.id}"
    async with database.write() as session:
        for asked in (models.promote(session, "prices", "dev"), models.get(session, "prices")):
            with pytest.raises(ModelNotFound, match=message):
                await asked
