"""What was published before a migration is on the leaderboard, and counted, after it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from forecastle.db import Database, migrate, open_database
from forecastle.registry import leaderboard, models
from forecastle.registry.leaderboard import Filters
from forecastle.registry.manifest import Manifest
from forecastle.settings import DatabaseSettings

MODEL = """
    INSERT INTO models (id, name, version, stage, task, algorithm, fingerprint, graph_sha256, manifest_sha256,
                        metrics, baselines, dataset, tags, created_at)
    VALUES (:id, 'prices', :version, 'dev', 'regression', 'ridge', :id, 'g', 'm', :metrics, :baselines, 'prices',
            :tags, '2026-01-01 00:00:00')
"""


@pytest.fixture
async def old(empty_database_settings: DatabaseSettings, tmp_path: Path) -> AsyncIterator[Database]:
    """A database of the first version, with a few models."""
    async with open_database(empty_database_settings, home=tmp_path) as database:
        await migrate.upgrade(database, "0001")
        cast = "{}::jsonb" if database.dialect == "postgresql" else "{}"
        insert = MODEL
        for field in ("metrics", "baselines", "tags"):
            insert = insert.replace(f":{field}", cast.format(f"CAST(:{field} AS text)"))
        rows = [
            ("a", '{"rmse": 2.0, "r2": 0.5}', '{"mean": {"rmse": 4.0}}', '["dry", "old", "dry"]'),
            ("b", '{"rmse": 1.0}', "{}", "[]"),
            ("c", "{}", '{"mean": {"rmse": 0.0}}', "[]"),
        ]
        async with database.connect(writes=True) as connection:
            for version, (model_id, metrics, baselines, tags) in enumerate(rows, start=1):
                values = {"id": model_id, "version": version, "metrics": metrics, "baselines": baselines, "tags": tags}
                await connection.execute(text(insert), values)
        yield database


async def test_earlier_models_are_ranked_and_found_after_the_upgrade(old: Database) -> None:
    await migrate.upgrade(old)
    async with old.read() as session:
        for sort, expected in (("created", ["c", "b", "a"]), ("rmse", ["b", "a"]), ("r2", ["a"]), ("skill", ["a"])):
            page = await leaderboard.list_models(session, sort=sort)
            assert [model.id for model in page.items] == expected, sort
        tagged = await leaderboard.list_models(session, Filters(tag="dry"))
        assert [model.id for model in tagged.items] == ["a"]
        assert tagged.items[0].skill == 0.5


async def test_the_way_back_keeps_the_models(old: Database) -> None:
    await migrate.upgrade(old)
    await migrate.downgrade(old, "0001")
    await migrate.upgrade(old)
    async with old.read() as session:
        assert [model.id for model in (await leaderboard.list_models(session, sort="rmse")).items] == ["b", "a"]


PREDICTION = """
    INSERT INTO predictions (id, model_id, model_name, model_version, input, output, latency_ms, cached, created_at)
    VALUES (:id, 'gone', :name, :version, '{}', '{}', 1.0, false, '2026-01-01 00:00:00')
"""
JOB = """
    INSERT INTO jobs (id, kind, payload, status, progress, message, result, created_at, attempts)
    VALUES (:id, :kind, '{}', :status, 1.0, '', RESULT, '2026-01-01 00:00:00', 1)
"""
JOBS = (
    ("train", "completed", '{"name": "bread", "version": 3}'),
    ("train", "completed", '{"name": "wine", "version": 2}'),
    ("train", "completed", "null"),
    ("train", "completed", None),
    ("train", "failed", '{"name": "bread", "version": 8}'),
    ("echo", "completed", '{"name": "bread", "version": 9}'),
)


async def test_versions_go_on_after_the_highest_that_is_known(
    old: Database, make_manifest: Callable[..., Manifest]
) -> None:
    """Of models that were removed before the migration, predictions and jobs still know the version."""
    insert = JOB.replace("RESULT", "CAST(CAST(:result AS text) AS jsonb)" if old.dialect == "postgresql" else ":result")
    async with old.connect(writes=True) as connection:
        for number, (name, version) in enumerate((("prices", 2), ("wine", 7), ("wine", 4))):
            await connection.execute(text(PREDICTION), {"id": str(number), "name": name, "version": version})
        for number, (kind, status, result) in enumerate(JOBS):
            values = {"id": str(number), "kind": kind, "status": status, "result": result}
            await connection.execute(text(insert), values)
    await migrate.upgrade(old)

    async def publish(name: str) -> int:
        async with old.write() as session:
            manifest = make_manifest(name=name)
            return (await models.publish(session, manifest=manifest, graph_sha256="g", manifest_sha256="m")).version

    names = ("prices", "wine", "bread", "new")
    assert [await publish(name) for name in names] == [4, 8, 4, 1]
    await migrate.downgrade(old, "0004")
    await migrate.upgrade(old)
    assert [await publish(name) for name in names] == [5, 9, 5, 2]
